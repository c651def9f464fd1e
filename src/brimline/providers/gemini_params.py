"""Generation parameters as Gemini's `generateContent` has them, by common names and by its own.

Its own names may be written as in JSON (`maxOutputTokens`) or as in Python (`max_output_tokens`). What is not known stands
in `generationConfig`, as prompto's parameters do.
"""

import re
from collections.abc import Mapping
from typing import Any

from brimline.providers.canonical import Unsayable
from brimline.providers.params import Params, chosen_function, functions, take_form
from brimline.types import Request

_NAME = "Gemini"
_BESIDE = frozenset({
    "safetySettings", "toolConfig", "cachedContent", "labels", "systemInstruction", "serviceTier", "store",
})  # fmt: skip
"""What does not stand in `generationConfig`."""
_NAMES = {
    "maxOutputTokens": ("max_completion_tokens", "max_tokens", "max_output_tokens", "maxOutputTokens"),
    "candidateCount": ("n", "candidate_count", "candidateCount"),
    "stopSequences": ("stop", "stop_sequences", "stopSequences"),
}
_ABSENT = ("logit_bias", "parallel_tool_calls")
_CATEGORIES = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
_FILTERS = {
    "none": "BLOCK_NONE",
    "few": "BLOCK_ONLY_HIGH",
    "some": "BLOCK_MEDIUM_AND_ABOVE",
    "default": "BLOCK_MEDIUM_AND_ABOVE",
    "most": "BLOCK_LOW_AND_ABOVE",
}
"""prompto's names for how much is filtered."""
_MODES = {"auto": "AUTO", "required": "ANY", "any": "ANY", "none": "NONE", "validated": "VALIDATED"}
_LEVELS = {
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_BUDGETS = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
"""Tokens, for models before Gemini 3, which know no levels; Google's own OpenAI-compatible API takes the same."""


def settings(request: Request) -> dict[str, Any]:
    """Return all of a body but its contents.

    Raises:
        Unsayable: A parameter does not exist in this dialect, or makes no sense.
    """
    params = Params(request.params)
    params.refuse(_NAME, *_ABSENT)
    said: dict[str, Any] = {**_tools(params), **_safety(params)}
    config = {
        **_own_config(params),
        **_common(params),
        **_logprobs(params),
        **_format(request, params),
    }
    if (effort := params.take("reasoning_effort")) is not None:
        own = _object(params.take("thinking_config", "thinkingConfig"), "thinking_config")
        config["thinkingConfig"] = {**_thinking(effort, request.model_name), **own}
    if (system := params.take("system")) is not None:
        said["systemInstruction"] = system
    for name, value in params.rest.items():
        (said if camel(name) in _BESIDE else config)[camel(name)] = value
    if isinstance(said.get("systemInstruction"), str):
        said["systemInstruction"] = {"parts": [{"text": said["systemInstruction"]}]}
    return {**said, "generationConfig": config} if config else said


def camel(name: str) -> str:
    """Return a name as JSON has it: `top_p` is `topP`."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _object(value: Any, name: str) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise Unsayable(f"parameter '{name}' is no object")
    return value or {}


def _own_config(params: Params) -> dict[str, Any]:
    given = _object(params.take("generation_config", "generationConfig"), "generation_config")
    return {camel(name): value for name, value in given.items()}


def _common(params: Params) -> dict[str, Any]:
    found = {name: value for name, names in _NAMES.items() if (value := params.take(*names)) is not None}
    if isinstance(found.get("stopSequences"), str):
        found["stopSequences"] = [found["stopSequences"]]
    return found


def _logprobs(params: Params) -> dict[str, Any]:
    """`logprobs` is a switch for OpenAI, and for Gemini how many; that is `top_logprobs` for OpenAI."""
    asked, count = params.take("logprobs"), params.take("top_logprobs")
    wanted = params.take("response_logprobs", "responseLogprobs")
    if not isinstance(asked, bool) and asked is not None:
        count = asked
    said = {} if not count else {"logprobs": count}
    if wanted is None and (asked is True or count):
        wanted = True
    return said if wanted is None else {**said, "responseLogprobs": wanted}


def _format(request: Request, params: Params) -> dict[str, Any]:
    is_json, schema = take_form(request, params)
    if schema is not None:
        return {"responseMimeType": "application/json", "responseJsonSchema": schema}
    return {"responseMimeType": "application/json"} if is_json else {}


def _thinking(effort: Any, model: str) -> dict[str, Any]:
    if effort == "none":
        return {"thinkingBudget": 0}
    if not isinstance(effort, str) or effort not in _LEVELS:
        raise Unsayable(f"reasoning_effort {effort!r} is none of none, {', '.join(_LEVELS)}")
    if re.search(r"gemini-[12]\b", model):
        return {"thinkingBudget": _BUDGETS[effort]}
    return {"thinkingLevel": _LEVELS[effort]}


def _safety(params: Params) -> dict[str, Any]:
    given = params.take("safety_filter")
    if given is None:
        return {}
    if not isinstance(given, str) or given not in _FILTERS:
        raise Unsayable(f"safety_filter {given!r} is none of {', '.join(_FILTERS)}")
    threshold = _FILTERS[given]
    return {
        "safetySettings": [
            {"category": f"HARM_CATEGORY_{category}", "threshold": threshold} for category in _CATEGORIES
        ]
    }


def _tools(params: Params) -> dict[str, Any]:
    """Return tools and the choice among them; what has the dialect's own form stays as it is."""
    said: dict[str, Any] = {}
    if tools := params.take("tools"):
        found = functions(tools)
        declared = [_declaration(function) for function, _ in found if function is not None]
        said["tools"] = [tool for function, tool in found if function is None]
        if declared:
            said["tools"].append({"functionDeclarations": declared})
    choice = params.take("tool_choice")
    if name := chosen_function(choice):
        said["toolConfig"] = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [name]}}
    elif choice is not None:
        mode = _MODES.get(choice.lower()) if isinstance(choice, str) else None
        if mode is None:
            raise Unsayable(f"tool_choice {choice!r} is none of {', '.join(_MODES)}, and names no function")
        said["toolConfig"] = {"functionCallingConfig": {"mode": mode}}
    return said


def _declaration(function: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: function[name] for name in ("name", "description") if function.get(name) is not None}
    if function.get("parameters"):
        said["parametersJsonSchema"] = function["parameters"]
    return said
