"""Shapes: what an answer has to be like, as a JSON schema for the provider and as a check of what comes back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from brimline.data.documents import UNREADABLE, find_document
from brimline.errors import ConfigError
from brimline.types import Fault, Rejection, Request, Response, Success

LONGEST = 600
"""Characters of a reason; a validator may quote the whole answer."""

KNOWN = 256
"""So many schemas of requests are kept ready."""


class Shape:
    """What answers have to be like.

    Args:
        schema: The JSON schema.
        read: Makes a value of a JSON text that follows it; raises a ValueError, whose words say what is wrong, where
            the text does not.
    """

    __slots__ = ("read", "schema")

    def __init__(self, schema: Mapping[str, Any], read: Callable[[str], Any]) -> None:
        self.schema = schema
        self.read = read


Schema: TypeAlias = Mapping[str, Any] | type[Any] | str | PathLike[str] | Shape
"""A JSON schema; a type that has one: a Pydantic model, a msgspec Struct, a dataclass, a TypedDict; a file's name; a shape."""


def shape_of(asked: Schema) -> Shape:
    """Return the shape that a JSON schema, the file with one, or a type describes.

    Raises:
        ConfigError: It describes none, or jsonschema, which checks JSON schemas, is not installed.
    """
    if isinstance(asked, Shape):
        return asked
    if isinstance(asked, str | PathLike):
        return _read_shape(Path(asked))
    if isinstance(asked, Mapping):
        from brimline.data.json_schema import schema_reader  # noqa: PLC0415  an extra

        schema = _copy(asked)
        return Shape(schema, schema_reader(schema))
    from brimline.data.type_schema import describe  # noqa: PLC0415  needed by few

    return Shape(*describe(asked))


def _read_shape(path: Path) -> Shape:
    try:
        schema = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UNREADABLE as error:
        raise ConfigError(f"{path} is no JSON: {error}") from None
    if not isinstance(schema, dict):
        raise ConfigError(f"{path} holds no JSON object, which a schema has to be")
    try:
        return shape_of(schema)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _copy(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that nobody else can change."""
    try:
        copy = msgspec.json.decode(msgspec.json.encode(schema))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"the schema cannot be written as JSON: {error}") from None
    assert isinstance(copy, dict)
    return copy


class Shapes:
    """The shapes of a run's requests.

    Args:
        given: The shape of all of them; None: requests may bring a JSON schema along.
    """

    def __init__(self, given: Shape | None = None) -> None:
        self._given = given
        self._known = _named(given)

    def of(self, schema: Mapping[str, Any]) -> Shape:
        """Return the shape of requests with this schema.

        Raises:
            ConfigError: It is no JSON schema, or jsonschema is not installed.
        """
        if self._given is not None and schema is self._given.schema:
            return self._given
        name = msgspec.json.encode(schema)
        if name not in self._known:
            if len(self._known) == KNOWN:
                self._known = _named(self._given)
            self._known[name] = shape_of(schema)
        return self._known[name]

    def check(self, request: Request, result: Response | Fault) -> Response | Fault:
        """Return a result with the documents that its request's schema asks for, or rejected where there are none."""
        if request.schema is None or isinstance(result, Fault) or result.embeddings:
            return result
        return _checked(self.of(request.schema), result)

    def accept(self, request: Request, responses: Iterable[Response]) -> bool:
        """Whether answers that were kept are still what the request asks for; a type's validators may have changed."""
        if request.schema is None:
            return True
        shape = self.of(request.schema)
        return all(
            _checked(shape, response).rejection is None for response in responses if not response.rejection
        )

    def value(self, outcome: Success) -> Any:
        """Return what the last answer says; None where there is no schema, or the answer is what tools are asked for."""
        document = outcome.response.document
        if document is None or outcome.request.schema is None:
            return None
        read = self.of(outcome.request.schema).read
        return read(document) if isinstance(document, str) else [read(one) for one in document]


def _named(shape: Shape | None) -> dict[bytes, Shape]:
    """Return a shape by its schema's name: a request that was written to disk meanwhile has a copy of the schema."""
    return {} if shape is None else {msgspec.json.encode(shape.schema): shape}


def _checked(shape: Shape, response: Response) -> Response:
    texts = [response.text] if isinstance(response.text, str) else response.text
    documents = []
    for number, text in enumerate(texts, 1):
        try:
            document = find_document(text)
            shape.read(document)
        except Exception as error:  # noqa: BLE001  a type's validators are the user's; the answer is paid for
            if response.tool_calls:
                return response  # the answer is what the tools are asked for; the text only goes with it
            which = f"answer {number}: " if len(texts) > 1 else ""
            return replace(response, rejection=Rejection(text, which + _reason(error)))
        documents.append(document)
    return replace(response, document=documents[0] if isinstance(response.text, str) else documents)


def _reason(error: Exception) -> str:
    reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return reason if len(reason) <= LONGEST else f"{reason[:LONGEST]} ..."
