"""OpenAI's Responses, and the servers that speak them.

Source: the official Python SDK 3.51. System messages before all others are `instructions`; later ones stay where they
are. A response that failed is HTTP 200 with an error in it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from brimline.providers.canonical import Unsayable, conversation, member, parts_of, text_of, tool_calls
from brimline.providers.openai_chat import OpenAIChat
from brimline.providers.openai_responses_replies import ResponsesReader, read_response
from brimline.providers.openai_schema import response_format
from brimline.providers.params import (
    Params,
    functions,
    move,
    open_params,
    problem_of,
    take_form,
    take_object,
    take_texts,
)
from brimline.types import (
    Fault,
    HttpReply,
    HttpRequest,
    Message,
    Operation,
    Request,
    Response,
)

_RESERVED = ("model", "input", "messages", "stream", "background")
_UNKNOWN = ("n", "seed", "stop", "top_k", "presence_penalty", "frequency_penalty", "logit_bias")
_LOGPROBS = "message.output_text.logprobs"

_encode = msgspec.json.Encoder().encode


class OpenAIResponses(OpenAIChat):
    """The Responses dialect; account and credential are those of OpenAI's chat."""

    def problem(self, request: Request) -> str | None:
        """Several answers at once, a seed and a few other parameters of chats cannot be asked for."""
        return problem_of(lambda: _say(request, ()))

    def encode(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Send the messages with the history so far, as items."""
        return HttpRequest("/responses", _encode(_say(request, responses)), {})

    def encode_stream(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Send the same, to be answered in events."""
        return HttpRequest("/responses", _encode({**_say(request, responses), "stream": True}), {})

    def decode(self, reply: HttpReply, request: Request) -> Response | Fault:  # noqa: ARG002
        """Return the answer, or why there is none."""
        if not 200 <= reply.status < 300:
            return self._refusal(reply)
        return read_response(reply)

    def reader(self, head: HttpReply, request: Request) -> ResponsesReader:  # noqa: ARG002
        """Return a reader of events."""
        return ResponsesReader(head)


def _say(request: Request, responses: tuple[Response, ...]) -> dict[str, Any]:
    """Return the body of an exchange.

    Raises:
        Unsayable: The dialect has no words for it.
    """
    if request.operation is not Operation.CHAT:
        raise Unsayable(f"OpenAI's Responses are chats; there is no {request.operation} among them")
    params = open_params(request, _RESERVED)
    params.refuse("OpenAI's Responses", *_UNKNOWN)
    messages = conversation(request, responses)
    system = 0
    if "instructions" not in params.rest:
        while system < len(messages) and messages[system].get("role") in ("system", "developer"):
            system += 1
    body: dict[str, Any] = {"model": request.model_name}
    if system:
        body["instructions"] = "\n\n".join(text_of(message.get("content")) for message in messages[:system])
    body["input"] = [item for message in messages[system:] for item in _items(message)]
    return body | _settings(request, params)


def _settings(request: Request, params: Params) -> dict[str, Any]:
    """Return the parameters, each in its place."""
    settings = move(params, {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"})
    text, reasoning = take_object(params, "text"), take_object(params, "reasoning")
    given = params.rest.get("response_format") if request.schema is None else response_format(request.schema)
    wants_json, schema = take_form(request, params)
    if wants_json:
        described = {} if schema is None or given is None else given["json_schema"]
        text.setdefault("format", {"type": "json_schema" if described else "json_object", **described})
    text |= move(params, {"verbosity": "verbosity"})
    if (effort := params.take("reasoning_effort")) is not None:
        reasoning.setdefault("effort", effort)
    include = take_texts(params, "include")
    if (params.take("logprobs") or params.rest.get("top_logprobs")) and _LOGPROBS not in include:
        include = [*include, _LOGPROBS]
    if tools := params.take("tools"):
        settings["tools"] = [_flat(function, tool) for function, tool in functions(tools)]
    if choice := params.take("tool_choice"):
        settings["tool_choice"] = _flat(*functions([choice])[0])
    nested = {"text": text, "reasoning": reasoning, "include": include}
    return settings | {name: value for name, value in nested.items() if value} | params.rest


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _flat(function: Mapping[str, Any] | None, tool: Any) -> Any:
    """Return a tool, or the choice of one, without the chat's level of `function`."""
    return tool if function is None else {"type": "function", **function}


def _items(message: Message) -> Iterable[dict[str, Any]]:
    """Return a message as items: calls and their results are items of their own."""
    role, content = message.get("role"), message.get("content")
    if content and not isinstance(content, str):
        content = [_part(part, str(role)) for part in parts_of(content)]
    if role in ("tool", "function"):
        if not isinstance(call_id := message.get("tool_call_id"), str):
            raise Unsayable("a message of the role 'tool' has no tool_call_id")
        yield {"type": "function_call_output", "call_id": call_id, "output": content or ""}
        return
    if content or not message.get("tool_calls"):
        yield {"role": role, "content": content or ""}
    for call in tool_calls(message):
        arguments = _encode(call.arguments).decode()
        yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments}


def _part(part: Mapping[str, Any], role: str) -> Mapping[str, Any]:
    """Return a content part under its name here; what has one already stays as it is."""
    kind = part.get("type")
    if kind == "image_url":
        return {"type": "input_image", "detail": "auto", **_image(member(part, "image_url"))}
    if kind == "file":
        return {"type": "input_file", **member(part, "file")}
    if kind == "text":
        return {**part, "type": "output_text" if role == "assistant" else "input_text"}
    if isinstance(kind, str) and kind.startswith(("input_", "output_")):
        return part
    raise Unsayable(f"a part of type '{kind}' cannot be sent to OpenAI's Responses")


def _image(image: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(image.get("url"), str):
        raise Unsayable("an image has no URL")
    return _given({"image_url": image["url"], "detail": image.get("detail")})
