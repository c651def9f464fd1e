"""The recipe of a run: what turns a row into requests. Pure, and used twice: to check and to send."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from brimline.data.key import request_key
from brimline.data.media import Media
from brimline.data.messages import Prompt, PromptError, read_prompt, user, with_system
from brimline.data.rows import Row
from brimline.data.template import Renderer, RenderError
from brimline.types import Priority, Request

BATCH_URL = "/v1/chat/completions"
_PARAMETERS = "parameters-"
_WITH_FILTER = frozenset({"gemini", "vertexai", "vertex"})


class RowError(Exception):
    """A row that is no request, and why."""


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
        system: Makes the system message, for rows without one.
        params: Generation parameters, which win over the row's.
        repeat: How many answers are asked for each row by each model.
    """

    media: Media
    models: tuple[str, ...] = ()
    prompt: Renderer | None = None
    column: str | None = None
    system: Renderer | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    repeat: int = 1

    @property
    def per_row(self) -> int:
        """How many requests a row makes."""
        return max(1, len(self.models)) * self.repeat

    def requests(self, row: Row, number: int) -> list[Request]:
        """Return the requests of row `number`: for each model as many as it is repeated.

        Raises:
            RowError: The row lacks something or holds something that cannot be sent.
        """
        columns = row.columns
        is_batch = is_batch_row(columns)
        if is_batch:
            _check_batch(columns)
        elif self.prompt is None and self.column is None:
            _check_no_batch(columns)
        models = self.models or (_model(columns, is_batch=is_batch),)
        prompt = self._prompt(columns, is_batch=is_batch)
        given = {**_params(columns, is_batch=is_batch), **self.params}
        own_id = _own_id(columns, is_batch=is_batch)
        priority = _priority(columns)
        first = number * self.per_row
        repeats = range(self.repeat) if self.repeat > 1 else (None,)
        requests: list[Request] = []
        for model in models:
            params = _filtered(given, model, columns)
            key = _key(model, prompt, params)
            requests += [
                Request(
                    id=number if own_id is None else own_id,
                    model=model,
                    messages=prompt.messages,
                    follow_ups=prompt.follow_ups,
                    media=prompt.media,
                    params=params,
                    priority=priority,
                    repeat=repeat,
                    key=key,
                    origin=Origin(place, columns, own_id, is_batch),
                )
                for place, repeat in enumerate(repeats, first + len(requests))
            ]
        return requests

    def _prompt(self, columns: Mapping[str, Any], *, is_batch: bool) -> Prompt:
        try:
            if self.prompt is not None:
                text = self.prompt.render(columns)
                if not text:
                    raise RowError("the prompt is empty")
                prompt = Prompt((user(text),))
            else:
                prompt = read_prompt(self._own_prompt(columns, is_batch=is_batch), self.media)
            if self.system is not None:
                return prompt._replace(messages=with_system(prompt.messages, self.system.render(columns)))
        except (PromptError, RenderError) as error:
            raise RowError(str(error)) from None
        return prompt

    def _own_prompt(self, columns: Mapping[str, Any], *, is_batch: bool) -> Any:
        """Return what the row holds as its prompt."""
        if self.column is not None:
            if self.column not in columns:
                raise RowError(f"has no column '{self.column}' (it has: {', '.join(map(str, columns))})")
            return _prompt_in(columns, self.column)
        if is_batch:
            return columns["body"].get("messages")
        if "api" in columns and columns.get("mode") not in {None, "chat"}:
            raise RowError(f"mode {columns['mode']!r} is not supported; only 'chat' is")
        for name in ("prompt", "messages"):
            if columns.get(name) is not None:
                return _prompt_in(columns, name)
        raise RowError("has no prompt; give a template with -p, or a column with --prompt-column")


def _own_id(columns: Mapping[str, Any], *, is_batch: bool) -> Any:
    """Return the id that a row gives, or None."""
    value = columns.get("custom_id" if is_batch else "id")
    if isinstance(value, dict | list):
        raise RowError("its id is neither text nor a number")
    return value


def is_batch_row(columns: Mapping[str, Any]) -> bool:
    """Whether a row is one of an OpenAI batch file; other rows may have a column `body` that is a text."""
    if "custom_id" not in columns or "body" not in columns:
        return False
    return isinstance(columns["body"], dict) or "url" in columns


def _key(model: str, prompt: Prompt, params: Mapping[str, Any]) -> str:
    """Return a request's key; what cannot be written as JSON has none, and cannot be sent either."""
    try:
        return request_key(model, prompt.messages, prompt.follow_ups, params)
    except UnicodeEncodeError:
        raise RowError("it holds text that is not Unicode (half of a surrogate pair)") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise RowError(f"it holds what is not JSON: {error}") from None


def _prompt_in(columns: Mapping[str, Any], name: str) -> Any:
    """Return a column's prompt; messages stand as text in a CSV cell."""
    return _structured(columns[name]) if name == "messages" else columns[name]


def _model(columns: Mapping[str, Any], *, is_batch: bool) -> str:
    """Return the model reference that a row names itself."""
    if is_batch:
        if not isinstance(columns["body"].get("model"), str):
            raise RowError("its body names no model")
        return f"openai/{columns['body']['model']}"
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


def _check_batch(columns: Mapping[str, Any]) -> None:
    if columns.get("url", BATCH_URL) != BATCH_URL:
        raise RowError(f"its url {columns['url']!r} is not supported; only {BATCH_URL} is")
    if columns.get("method", "POST") != "POST":
        raise RowError(f"its method {columns['method']!r} is not POST")
    if not isinstance(columns["body"], dict):
        raise RowError("its body is no object")


def _check_no_batch(columns: Mapping[str, Any]) -> None:
    """A row of a batch file that lacks its id would be refused for lack of a model; say what it really lacks."""
    if isinstance(columns.get("body"), dict) and "url" in columns:
        raise RowError("has a url and a body as in OpenAI's batch files, but no custom_id")


def _params(columns: Mapping[str, Any], *, is_batch: bool) -> dict[str, Any]:
    """Return the generation parameters that a row gives itself."""
    if is_batch:
        return {name: value for name, value in columns["body"].items() if name not in {"model", "messages"}}
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
