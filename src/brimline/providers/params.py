"""Parameters under a dialect's own names, taken by those that users give them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from brimline.providers.canonical import Params, Unsayable, reserved, response_schema
from brimline.types import Request

_LISTS = ("stop", "tools")
"""What says nothing where it is empty."""


def problem_of(say: Callable[[], object]) -> str | None:
    """Return why something cannot be said, or None.

    Args:
        say: Says it.
    """
    try:
        say()
    except Unsayable as problem:
        return str(problem)
    return None


def open_params(request: Request, taken: Iterable[str]) -> Params:
    """Return a request's parameters; what is empty and asks for nothing is left out.

    Args:
        request: The request.
        taken: What brimline sets itself.

    Raises:
        Unsayable: One of these is given.
    """
    problem = reserved(request.params, taken)
    if problem is not None:
        raise Unsayable(problem)
    params = Params(request.params)
    params.take("stream")
    for name in _LISTS:
        if not params.rest.get(name):
            params.take(name)
    return params


def move(params: Params, places: Mapping[str, str]) -> dict[str, Any]:
    """Take some parameters and return them under the dialect's names; its own name wins."""
    moved = {place: value for name, place in places.items() if (value := params.take(name)) is not None}
    return moved | {name: params.rest.pop(name) for name in moved if name in params.rest}


def take_object(params: Params, name: str) -> dict[str, Any]:
    """Take an object, which may be none.

    Raises:
        Unsayable: It is something else.
    """
    value = params.take(name) or {}
    if not isinstance(value, Mapping):
        raise Unsayable(f"parameter '{name}' is no object")
    return dict(value)


def take_texts(params: Params, name: str) -> list[Any]:
    """Take a list of texts that may be given as one text.

    Raises:
        Unsayable: It is something else.
    """
    value = params.take(name)
    texts = [value] if isinstance(value, str) else value or []
    if not isinstance(texts, list | tuple):
        raise Unsayable(f"parameter '{name}' is neither a text nor a list of them")
    return list(texts)


def take_form(request: Request, params: Params) -> tuple[bool, Any]:
    """Return whether the answer has to be JSON, and the schema that it has to follow, or None.

    Raises:
        Unsayable: It is said twice, or `response_format` is none.
    """
    if request.schema is not None and params.rest.get("response_format") is not None:
        raise Unsayable("parameter 'response_format' cannot be set beside a schema, which becomes one")
    return response_schema(request, params)
