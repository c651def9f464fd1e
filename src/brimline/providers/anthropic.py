"""Anthropic's Messages: what is sent. What comes back is read in `anthropic_replies`.

The version of the API is pinned to 2023-06-01. From 2026-10-21 on the API refuses `temperature`, `top_p` and `top_k`, even
with their default values, for every model; rows that were written for several providers have them.

Sources: the official Python SDK 2.11 and the API reference.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from brimline.providers.adverts import read_adverts
from brimline.providers.anthropic_messages import NAME, blocks, turns
from brimline.providers.anthropic_replies import MessageReader, read_message
from brimline.providers.anthropic_schema import sendable
from brimline.providers.canonical import Misplaced, Unsayable, conversation, split_system
from brimline.providers.params import Params, chosen_function, functions, reserved, take_form
from brimline.types import (
    Advert,
    Fault,
    HttpReply,
    HttpRequest,
    Message,
    Operation,
    Request,
    Response,
    Secret,
)

VERSION = "2023-06-01"
MAX_TOKENS = 4096
"""What an answer may take where the user does not say; the API wants a number. Thinking comes on top."""

_RESERVED = ("model", "messages", "stream")
_ABSENT = ("n", "seed", "logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty")
_CHOICES = {"auto": "auto", "required": "any", "any": "any", "none": "none"}
_EFFORTS = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}

_encode = msgspec.json.Encoder().encode


class Anthropic:
    """The dialect of Anthropic's Messages.

    Args:
        options: `version` of the API (2023-06-01), and `beta`, features in trial by their names, separated by commas.
    """

    OPTIONS = frozenset({"version", "beta"})
    INLINE = 24 << 20

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        self._options = options or {}

    def headers(self, key: Secret | None) -> dict[str, str]:
        """Return credential and version."""
        headers = {
            "Content-Type": "application/json",
            "anthropic-version": self._options.get("version", VERSION),
        }
        if key is not None:
            headers["x-api-key"] = key.reveal()
        if beta := self._options.get("beta"):
            headers["anthropic-beta"] = beta
        return headers

    def problem(self, request: Request) -> str | None:
        """Return what Messages cannot say; to find out, it is said."""
        try:
            _body(request, ())
        except Misplaced:
            pass
        except Unsayable as error:
            return str(error)
        return reserved(request.params, _RESERVED)

    def encode(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Send messages, system prompt and parameters in their own places."""
        return HttpRequest("/v1/messages", _encode(_body(request, responses)), {})

    def encode_stream(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Send the same, to be answered in events."""
        return HttpRequest("/v1/messages", _encode({**_body(request, responses), "stream": True}), {})

    def decode(self, reply: HttpReply, request: Request) -> Response | Fault:  # noqa: ARG002
        """Return the answer, or why there is none."""
        return read_message(reply)

    def reader(self, head: HttpReply, request: Request) -> MessageReader:  # noqa: ARG002
        """Return a reader of the events of one message."""
        return MessageReader(head)

    def adverts(self, reply: HttpReply) -> tuple[Advert, ...]:
        """Return what the `anthropic-ratelimit-*` headers say."""
        return read_adverts(reply.headers)


def _body(request: Request, responses: Sequence[Response]) -> dict[str, Any]:
    if request.operation is not Operation.CHAT:
        raise Unsayable(f"{NAME} has no {request.operation.value}s")
    params = Params(request.params)
    params.refuse(NAME, *_ABSENT)
    system, messages = split_system(conversation(request, responses), NAME)
    body = {
        "model": request.model_name,
        "max_tokens": _max_tokens(params),
        "messages": turns(messages),
        **_system(system, params),
        **_sampling(params),
        **_tools(params),
        **_output(request, params),
    }
    return {**params.rest, **body}


def _max_tokens(params: Params) -> Any:
    given = params.take("max_completion_tokens", "max_tokens", "max_output_tokens")
    if given is not None:
        return given
    thinking = params.rest.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    return MAX_TOKENS + (budget if isinstance(budget, int) else 0)


def _system(messages: Sequence[Message], params: Params) -> dict[str, Any]:
    """Return the system prompt: a text, or blocks where there are several or one carries more than its text."""
    if not messages:
        return {}
    if params.take("system") is not None:
        raise Unsayable(
            "there is a system prompt both in the messages and as parameter 'system'; take one out"
        )
    said = [block for message in messages for block in blocks(message.get("content"))]
    if any(block.get("type") != "text" for block in said):
        raise Unsayable("the system message holds what is no text")
    if len(said) == 1 and said[0].keys() == {"type", "text"}:
        return {"system": said[0]["text"]}
    return {"system": said} if said else {}


def _sampling(params: Params) -> dict[str, Any]:
    stop = params.take("stop_sequences", "stop")
    user = params.take("user", "safety_identifier")
    return {
        **({} if stop is None else {"stop_sequences": [stop] if isinstance(stop, str) else stop}),
        **({} if user is None else {"metadata": {"user_id": user}}),
    }


def _tools(params: Params) -> dict[str, Any]:
    """Return tools and the choice among them; what has the dialect's own form stays as it is."""
    said: dict[str, Any] = {}
    tools, choice = params.take("tools"), params.take("tool_choice")
    if tools:
        said["tools"] = [tool if function is None else _tool(function) for function, tool in functions(tools)]
    if choice is not None:
        said["tool_choice"] = _choice(choice)
    if params.take("parallel_tool_calls") is False and tools and choice != "none":
        said["tool_choice"] = {**said.get("tool_choice", {"type": "auto"}), "disable_parallel_tool_use": True}
    return said


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: function[name] for name in ("description", "strict") if function.get(name) is not None}
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    return {"name": function.get("name"), **kept, "input_schema": schema}


def _choice(choice: Any) -> Any:
    if name := chosen_function(choice):
        return {"type": "tool", "name": name}
    if isinstance(choice, str):
        if choice not in _CHOICES:
            raise Unsayable(f"tool_choice '{choice}' is none of {', '.join(_CHOICES)}")
        return {"type": _CHOICES[choice]}
    return choice


def _output(request: Request, params: Params) -> dict[str, Any]:
    """Return how the answer is to be: its form and the effort for it."""
    said: dict[str, Any] = {}
    config = params.take("output_config")
    config = dict(config) if isinstance(config, dict) else {}
    is_json, schema = take_form(request, params)
    if is_json and schema is None:
        raise Unsayable(
            f"{NAME} writes JSON only after a schema; give response_format 'json_schema', or none"
        )
    if schema is not None:
        config["format"] = {"type": "json_schema", "schema": sendable(schema)}
    effort = params.take("reasoning_effort")
    if effort == "none":
        said["thinking"] = {"type": "disabled"}
    elif effort is not None:
        if not isinstance(effort, str) or effort not in _EFFORTS:
            raise Unsayable(f"reasoning_effort {effort!r} is none of none, {', '.join(_EFFORTS)}")
        config.setdefault("effort", _EFFORTS[effort])
    if config:
        said["output_config"] = config
    return said
