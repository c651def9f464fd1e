"""The canonical form of parameters, OpenAI chat's, as providers with other names for them take them out one by one."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from brimline.providers.canonical import Unsayable
from brimline.types import Request

_LISTS = ("stop", "tools")
"""What says nothing where it is empty."""

_NEUTRAL: dict[str, tuple[object, ...]] = {
    "n": (1,),
    "candidate_count": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "parallel_tool_calls": (True,),
}
"""What a parameter may be where it does not exist, since it asks for nothing."""


class Params:
    """Generation parameters as the user gave them, taken out one by one; null counts as not given."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.rest = {name: value for name, value in params.items() if value is not None}

    def take(self, *names: str) -> Any:
        """Return the first of several names for the same thing that is given, or None, and take out all of them."""
        values = [self.rest.pop(name) for name in names if name in self.rest]
        return values[0] if values else None

    def refuse(self, dialect: str, *names: str) -> None:
        """Take out what does not exist in a dialect.

        Raises:
            Unsayable: It is there and asks for something.
        """
        for name in names:
            value = self.take(name)
            if value is not None and value not in _NEUTRAL.get(name, ()):
                raise Unsayable(
                    f"parameter '{name}' does not exist for {dialect}; leave it out for its models"
                )


def reserved(params: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """Return what is wrong with parameters that brimline sets itself, or None."""
    if not params:
        return None
    given = {name for name in names if name in params and not (name == "stream" and params[name] is False)}
    return f"parameter '{min(given)}' cannot be set; brimline sets it itself" if given else None


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
    given = params.take("response_format")
    if request.schema is not None:
        if given is not None:
            raise Unsayable("parameter 'response_format' cannot be set beside a schema, which becomes one")
        return True, request.schema
    kind = given.get("type") if isinstance(given, dict) else None
    if given is None or kind == "text":
        return False, None
    if kind == "json_object":
        return True, None
    described = given.get("json_schema") if kind == "json_schema" else None
    if isinstance(described, dict) and isinstance(described.get("schema"), dict):
        return True, described["schema"]
    raise Unsayable(
        "parameter 'response_format' is neither text, nor json_object, nor json_schema with a schema"
    )


def functions(tools: Any) -> list[tuple[Mapping[str, Any] | None, Any]]:
    """Return for each tool the function that it describes in the canonical form, or None, and the tool itself.

    Raises:
        Unsayable: They are no list.
    """
    if not isinstance(tools, list):
        raise Unsayable("parameter 'tools' is no list")
    found: list[tuple[Mapping[str, Any] | None, Any]] = []
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        found.append((function if isinstance(function, dict) else None, tool))
    return found


def chosen_function(choice: Any) -> str | None:
    """Return the function that a canonical `tool_choice` names, or None."""
    function = choice.get("function") if isinstance(choice, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None
