"""The recipe of a run: what turns a row into requests. Pure, and used twice: to check and to send."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from brimline.data.batch import Form, form_of, missing_id
from brimline.data.grouping import Grouping
from brimline.data.items import read_items
from brimline.data.key import request_key
from brimline.data.media import Media
from brimline.data.messages import Prompt, PromptError, read_prompt, read_texts, user, with_system
from brimline.data.problems import ProblemKind
from brimline.data.rows import Row, RowError
from brimline.data.template import Renderer, RenderError
from brimline.types import Operation, Priority, Request

_PARAMETERS = "parameters-"
_ONCE = (None,)
_WITH_FILTER = frozenset({"gemini", "vertexai", "vertex"})


@dataclass(slots=True)
class Origin:
    """Where a request came from.

    Attributes:
        number: Its number in the run, from 0.
        columns: The row's columns, which its result repeats.
        own_id: The id that the row gives, or None.
        is_batch: Whether the row is one of an OpenAI batch file, and its result takes that form.
    """

    number: int
    columns: Mapping[str, Any]
    own_id: Any
    is_batch: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How rows become requests.

    Attributes:
        media: Finds local files.
        models: Model references that replace the row's own; every row goes to each.
        prompt: Makes the prompt, which wins over the row's own.
        column: Column that holds the prompt.
        embed: Whether embeddings are asked for; rows of a batch file say that themselves.
        system: Makes the system message, for rows without one.
        params: Generation parameters, which win over the row's.
        schema: The JSON schema that answers have to follow, or None.
        repeat: How many answers are asked for each row by each model.
        grouping: Tells the groups of rows, or None: they have none.
    """

    media: Media
    models: tuple[str, ...] = ()
    prompt: Renderer | None = None
    column: str | None = None
    embed: bool = False
    system: Renderer | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    repeat: int = 1
    grouping: Grouping | None = None

    @property
    def per_row(self) -> int:
        """How many requests a row makes."""
        return max(1, len(self.models)) * self.repeat

    def requests(
        self, row: Row, number: int, *, with_keys: bool = True, origin: object = None
    ) -> list[Request]:
        """Return the requests of row `number`: for each model as many as it is repeated.

        Args:
            row: The row.
            number: Its number.
            with_keys: Whether they get keys; without, what cannot be written as JSON is not found out.
            origin: Their origin, if that is not to be an `Origin`.

        Raises:
            RowError: The row lacks something or holds something that cannot be sent.
        """
        columns = row.columns
        shape = _shape(tuple(columns))
        form = form_of(columns) if shape.has_body else None
        if form is None and shape.has_body and self.prompt is None and self.column is None:
            missing_id(columns)
        operation = self._operation(columns, form)
        if self.schema is not None and operation is Operation.EMBEDDING:
            raise RowError("asks for an embedding, which follows no schema")
        models = self.models or (_model(columns, form),)
        prompt = self._prompt(columns, form, operation)
        given = _params(columns, form) if shape.has_params else {}
        if self.params:
            given = {**given, **self.params}
        own_id = _own_id(columns, form) if shape.has_id else None
        priority = _priority(columns) if shape.has_priority else Priority.NORMAL
        place = number * len(models) * self.repeat
        repeats = range(self.repeat) if self.repeat > 1 else _ONCE
        requests: list[Request] = []
        for model in models:
            params = _filtered(given, model, columns) if "safety_filter" in columns else given
            key = _key(model, prompt, params, operation, self.schema) if with_keys else ""
            group = "" if self.grouping is None else self.grouping.group_of(columns, model)
            for repeat in repeats:
                request = Request(
                    id=number if own_id is None else own_id,
                    model=model,
                    messages=prompt.messages,
                    follow_ups=prompt.follow_ups,
                    media=prompt.media,
                    params=params,
                    operation=operation,
                    schema=self.schema,
                    priority=priority,
                    group=group,
                    repeat=repeat,
                    key=key,
                    origin=origin or Origin(place, columns, own_id, form is not None),
                )
                requests.append(request)
                place += 1
        return requests

    def _operation(self, columns: Mapping[str, Any], form: Form | None) -> Operation:
        """Return what a row asks for; prompto's rows may say it."""
        if form is None:
            return Operation.EMBEDDING if self.embed else _mode(columns)
        if self.embed and form.operation is not Operation.EMBEDDING:
            raise RowError("its url asks for an answer; --embed is for rows that are not of a batch file")
        return form.operation

    def _prompt(self, columns: Mapping[str, Any], form: Form | None, operation: Operation) -> Prompt:
        try:
            if self.prompt is not None:
                text = self.prompt.render(columns)
                if not text:
                    raise RowError("the prompt is empty", ProblemKind.PROMPT)
                prompt = Prompt((user(text),))
            elif operation is not Operation.CHAT:
                prompt = read_texts(self._own_prompt(columns, form), operation, is_list=form is not None)
            elif form is not None and form.member == "input" and self.column is None:
                prompt = read_items(columns["body"], self.media)
            else:
                prompt = read_prompt(self._own_prompt(columns, form), self.media)
            if self.system is None:
                return prompt
            if operation is not Operation.CHAT:
                raise RowError("only a chat has a system message; leave --system out")
            return prompt._replace(messages=with_system(prompt.messages, self.system.render(columns)))
        except RenderError as error:
            raise RowError(str(error), ProblemKind.PROMPT) from None
        except PromptError as error:
            raise RowError(str(error), error.kind) from None

    def _own_prompt(self, columns: Mapping[str, Any], form: Form | None) -> Any:
        """Return what the row holds as its prompt."""
        if self.column is not None:
            if self.column not in columns:
                raise RowError(f"has no column '{self.column}' (it has: {', '.join(map(str, columns))})")
            return _prompt_in(columns, self.column)
        if form is not None:
            return columns["body"].get(form.member)
        for name in ("prompt", "text") if self.embed else ("prompt", "messages"):
            if columns.get(name) is not None:
                return _prompt_in(columns, name)
        raise RowError(
            "has no prompt; give a template with -p, or a column with --prompt-column", ProblemKind.PROMPT
        )


class _Shape(NamedTuple):
    """Which of the columns that mean something a row has."""

    has_body: bool
    has_id: bool
    has_params: bool
    has_priority: bool


@lru_cache(maxsize=256)
def _shape(names: tuple[Any, ...]) -> _Shape:
    """Return what the names of columns tell; most rows of a file have the same."""
    return _Shape(
        has_body="body" in names,
        has_id="id" in names or "custom_id" in names,
        has_params=any(name in {"parameters", "body"} or str(name).startswith(_PARAMETERS) for name in names),
        has_priority="priority" in names,
    )


def _own_id(columns: Mapping[str, Any], form: Form | None) -> Any:
    """Return the id that a row gives, or None."""
    value = columns.get("id" if form is None else "custom_id")
    if isinstance(value, dict | list):
        raise RowError("its id is neither text nor a number")
    return value


def _key(
    model: str,
    prompt: Prompt,
    params: Mapping[str, Any],
    operation: Operation,
    schema: Mapping[str, Any] | None,
) -> str:
    """Return a request's key; what cannot be written as JSON has none, and cannot be sent either."""
    try:
        return request_key(model, prompt.messages, prompt.follow_ups, params, operation, schema=schema)
    except UnicodeEncodeError:
        raise RowError("it holds text that is not Unicode (half of a surrogate pair)") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise RowError(f"it holds what is not JSON: {error}") from None


def _prompt_in(columns: Mapping[str, Any], name: str) -> Any:
    """Return a column's prompt; messages stand as text in a CSV cell."""
    return _structured(columns[name]) if name == "messages" else columns[name]


def _mode(columns: Mapping[str, Any]) -> Operation:
    """Return what prompto's `mode` asks for; in other rows a column of that name is one like any other."""
    mode = columns.get("mode") if "api" in columns else None
    if mode is None or mode == "chat":
        return Operation.CHAT
    if mode != "completion":
        raise RowError(f"its mode {mode!r} is none; it can be 'chat' or 'completion'")
    return Operation.COMPLETION


def _model(columns: Mapping[str, Any], form: Form | None) -> str:
    """Return the model reference that a row names itself."""
    if form is not None:
        if not isinstance(columns["body"].get("model"), str):
            raise RowError("its body names no model")
        return f"{form.endpoint}/{columns['body']['model']}"
    api, name = columns.get("api"), columns.get("model_name")
    if api is not None and name is not None:
        return f"{api}/{name}"
    model = columns.get("model")
    if model is None:
        raise RowError("names no model; give one with -m ENDPOINT/MODEL")
    if not isinstance(model, str) or "/" not in model:
        raise RowError(
            f"its model {model!r} has no endpoint; write it as ENDPOINT/MODEL, or give one with -m"
        )
    return model


def given_params(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the generation parameters that a row gives: those of `parameters`, and of columns `parameters-...`.

    Raises:
        RowError: Its parameters are no object.
    """
    return _params(columns, None)


def _params(columns: Mapping[str, Any], form: Form | None) -> dict[str, Any]:
    """Return the generation parameters that a row gives itself."""
    if form is not None:
        return {name: value for name, value in columns["body"].items() if name not in form.members}
    params = columns.get("parameters")
    params = {} if params is None else _structured(params)
    if not isinstance(params, dict):
        raise RowError("its parameters are no object")
    flat = {
        str(name).removeprefix(_PARAMETERS): parse_value(value) if isinstance(value, str) else value
        for name, value in columns.items()
        if str(name).startswith(_PARAMETERS) and value is not None  # a row from Python may have any keys
    }
    return {**params, **flat} if flat else params


def _filtered(params: dict[str, Any], model: str, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with prompto's column `safety_filter`, for the models that have one."""
    chosen = columns.get("safety_filter")
    if chosen is None or "safety_filter" in params or model.partition("/")[0] not in _WITH_FILTER:
        return params
    return {**params, "safety_filter": chosen}


def _priority(columns: Mapping[str, Any]) -> int:
    value = columns.get("priority")
    if value is None:
        return Priority.NORMAL
    number = parse_value(value) if isinstance(value, str) else value
    if type(number) is not int and not isinstance(number, Priority):
        raise RowError(f"its priority {value!r} is no whole number")
    return int(number)


def _structured(value: Any) -> Any:
    """Read a list or an object that stands as text in a CSV cell."""
    return parse_value(value) if isinstance(value, str) else value


def parse_value(text: str) -> Any:
    """Read text as JSON, or else as the string it is."""
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text
