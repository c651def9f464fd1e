"""OpenAI's Responses, and the servers that speak them.

Source: the official Python SDK 3.51. System messages before all others are `instructions`; later ones stay where they
are. A response that failed is HTTP 200 with an error in it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from brimline.providers.bodies import NO_BODY, bad_reply, header, read_body
from brimline.providers.canonical import (
    Params,
    Unsayable,
    conversation,
    functions,
    member,
    parts_of,
    text_of,
    tool_calls,
)
from brimline.providers.event_reader import EventReader
from brimline.providers.openai_chat import OpenAIChat
from brimline.providers.openai_errors import classify
from brimline.providers.openai_schema import response_format
from brimline.providers.params import move, open_params, problem_of, take_form, take_object, take_texts
from brimline.providers.reading import members, objects, read_object, tool_call, used, word
from brimline.providers.sse import Event
from brimline.types import (
    Delta,
    Fault,
    FaultKind,
    HttpReply,
    HttpRequest,
    Message,
    Operation,
    Request,
    Response,
)

_RESERVED = ("model", "input", "messages", "stream", "background")
_UNKNOWN = ("n", "seed", "stop", "top_k", "presence_penalty", "frequency_penalty", "logit_bias")
_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
_KINDS = {
    "invalid_prompt": FaultKind.CONTENT_FILTER,
    "bio_policy": FaultKind.CONTENT_FILTER,
    "misalignment_policy_violation": FaultKind.CONTENT_FILTER,
    "image_content_policy_violation": FaultKind.CONTENT_FILTER,
    "data_residency_mismatch": FaultKind.INVALID_REQUEST,
    **dict.fromkeys(
        (
            "invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url", "image_too_large",
            "image_too_small", "image_parse_error", "invalid_image_mode", "image_file_too_large",
            "unsupported_image_media_type", "empty_image_file", "failed_to_download_image", "image_file_not_found",
        ),
        FaultKind.INVALID_REQUEST,
    ),
}  # fmt: skip
"""What the codes of a failed response mean that no error of HTTP has."""

_LOGPROBS = "message.output_text.logprobs"
_TEXTS = {"response.output_text.delta", "response.refusal.delta"}
_THOUGHTS = {"response.reasoning_summary_text.delta", "response.reasoning_text.delta"}
_ENDS = {"response.completed", "response.failed", "response.incomplete"}

_encode = msgspec.json.Encoder().encode


class _Piece(msgspec.Struct):
    """What most events of a stream are looked at for; only the last one is read whole."""

    type: Any = None
    delta: Any = None
    error: Any = None


_decode_piece = msgspec.json.Decoder(_Piece).decode


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
        try:
            return _answer(reply, read_object(reply.body))
        except NO_BODY as error:
            return bad_reply(reply, f"the reply is no response: {error}")

    def reader(self, head: HttpReply, request: Request) -> "ResponsesReader":  # noqa: ARG002
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


def _answer(reply: HttpReply, response: Mapping[str, Any], spoken: str = "") -> Response | Fault:
    """Return what a response says, when it is at its end.

    Args:
        reply: The reply.
        response: The response.
        spoken: The text that has come in pieces before; it stands for one that is left out.
    """
    status = response.get("status")
    if status == "failed" or response.get("error"):
        return _failed(reply, response.get("error"))
    is_ended = status is None or status in ("completed", "incomplete")
    if not is_ended or not isinstance(response.get("output"), list):
        return bad_reply(reply, f"the reply holds no response that is done, but one that is {status}")
    items = objects(response["output"])
    text, logprobs = _said(items)
    text = text or spoken
    calls = tuple(
        tool_call(item.get("call_id"), item.get("name"), item.get("arguments"))
        for item in items
        if item.get("type") == "function_call"
    )
    reason = "tool_calls" if calls else "stop"
    if status == "incomplete":
        why = word(members(response.get("incomplete_details")).get("reason"))
        reason = _REASONS.get(why or "", why or "incomplete")
        if reason == "content_filter" and not text:
            words = "the provider's filter withheld the answer"
            return Fault(FaultKind.CONTENT_FILTER, words, http_status=reply.status, provider_code=why)
    usage = members(response.get("usage"))
    into, out = (members(usage.get(f"{part}_tokens_details")) for part in ("input", "output"))
    return Response(
        text=text,
        finish_reason=reason,
        usage=used(
            usage.get("input_tokens"),
            usage.get("output_tokens"),
            into.get("cached_tokens"),
            into.get("cache_write_tokens"),
            out.get("reasoning_tokens"),
        ),
        model=word(response.get("model")),
        request_id=header(reply, "x-request-id"),
        tool_calls=calls,
        reasoning=_thought(items),
        logprobs=logprobs or None,
        raw=reply.body,
    )


def _said(items: list[dict[str, Any]]) -> tuple[str, list[Any]]:
    """Return text and log probabilities; commentary is left out where there is an answer, a refusal stands for none."""
    messages = [item for item in items if item.get("type") == "message"]
    final = [message for message in messages if message.get("phase") != "commentary"]
    parts = [part for message in final or messages for part in objects(message.get("content"))]
    text = "".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    refusal = "".join(part["refusal"] for part in parts if isinstance(part.get("refusal"), str))
    return text or refusal, [entry for part in parts for entry in objects(part.get("logprobs"))]


def _thought(items: list[dict[str, Any]]) -> str | None:
    """Return the reasoning, or the summary of it that OpenAI shows in its place."""
    thoughts = []
    for item in items:
        if item.get("type") == "reasoning":
            parts = objects(item.get("content")) or objects(item.get("summary"))
            thoughts += [part["text"] for part in parts if isinstance(part.get("text"), str)]
    return "\n\n".join(thoughts) or None


def _failed(reply: HttpReply, error: Any) -> Fault:
    fault = classify(HttpReply(reply.status, reply.headers, _encode({"error": error})))
    kind = _KINDS.get(fault.provider_code or "")
    return fault if kind is None else replace(fault, kind=kind)


class ResponsesReader(EventReader):
    """Reads an answer that comes in named events, until one holds the whole response."""

    def __init__(self, head: HttpReply) -> None:
        super().__init__(head)
        self._texts: list[str] = []
        self._response: Mapping[str, Any] = {}

    def _read(self, event: Event, deltas: list[Delta]) -> None:
        if event.data == b"[DONE]":
            return
        try:
            piece = read_body(_decode_piece, event.data)
        except NO_BODY as error:
            self._fail(bad_reply(self._head, f"an event of the stream cannot be read: {error}"))
            return
        kind = word(piece.type) or event.name
        if kind in _TEXTS:
            if text := word(piece.delta):
                self._texts.append(text)
                deltas.append(Delta(text))
        elif kind in _THOUGHTS:
            if thought := word(piece.delta):
                deltas.append(Delta(reasoning=thought))
        elif kind in _ENDS:
            self._response, self.is_over = members(read_object(event.data).get("response")), True
        elif kind == "error" or piece.error:
            self._fail(_failed(self._head, piece.error or read_object(event.data)))

    def _whole(self, reply: HttpReply) -> Response | Fault:
        return _answer(reply, self._response, "".join(self._texts))
