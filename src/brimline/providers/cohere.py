"""Cohere's second version: `/v2/chat` and `/v2/embed`.

Source: the official Python SDK 7.3. Messages, tools and tool calls are much like OpenAI's; `top_p`, `top_k` and `stop` are
`p`, `k` and `stop_sequences`. Citations are kept in the raw reply. What was used is what is billed.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from brimline.providers.adverts import read_adverts
from brimline.providers.bearer import bearer_headers
from brimline.providers.bodies import NO_BODY, bad_reply, read_body
from brimline.providers.canonical import Unsayable, conversation, parts_of, text_of
from brimline.providers.event_reader import EventReader
from brimline.providers.faults import classify
from brimline.providers.params import Params, move, open_params, problem_of, take_form, take_texts
from brimline.providers.reading import members, objects, read_object, tool_call, used, word
from brimline.providers.sse import Event
from brimline.providers.texts import count_texts, texts
from brimline.types import (
    Advert,
    Delta,
    Fault,
    FaultKind,
    HttpReply,
    HttpRequest,
    Message,
    Operation,
    Request,
    Response,
    Secret,
)

_RESERVED = ("model", "messages", "texts", "inputs", "stream")
_UNKNOWN = ("n", "top_logprobs", "logit_bias")
_PLACES = {"max_completion_tokens": "max_tokens", "top_p": "p", "top_k": "k"}
_CHOICES = {"required": "REQUIRED", "none": "NONE", "REQUIRED": "REQUIRED", "NONE": "NONE"}
_REASONS = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}
_FAILED = {"ERROR", "TIMEOUT"}
"""Finish reasons of an answer that broke off: half of one is none, whole or in pieces."""

_KINDS = {498: FaultKind.AUTH, 499: FaultKind.SERVER_ERROR}
"""What Cohere's statuses mean that others use otherwise: a token that is none, a request that was closed."""

_encode = msgspec.json.Encoder().encode


class _Floats(msgspec.Struct):
    float: list[list[float]]


class _Embedded(msgspec.Struct):
    embeddings: _Floats
    id: Any = None
    meta: Any = None


_decode_embedded = msgspec.json.Decoder(_Embedded).decode


class Cohere:
    """Cohere's dialect.

    Args:
        options: `input_type`, what embeddings are for (`search_document`, which it is by default, `search_query`,
            `classification`, `clustering`); a request's parameter of that name wins.
    """

    OPTIONS = frozenset({"input_type"})
    BUNDLE = 96
    """How many texts it takes to embed in one request."""

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        self._input_type = (options or {}).get("input_type", "search_document")

    def headers(self, key: Secret | None) -> dict[str, str]:
        """Return the credential."""
        return bearer_headers(key)

    def problem(self, request: Request) -> str | None:
        """Several answers at once, and the choice of one tool, cannot be asked for."""
        return problem_of(lambda: self._say(request, ()))

    def encode(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Send the messages with the history so far, or texts to embed."""
        path, body = self._say(request, responses)
        return HttpRequest(path, _encode(body), {})

    def encode_stream(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Send the same, to be answered in events."""
        path, body = self._say(request, responses)
        return HttpRequest(path, _encode({**body, "stream": True}), {})

    def decode(self, reply: HttpReply, request: Request) -> Response | Fault:
        """Return the answer, or why there is none."""
        if not 200 <= reply.status < 300:
            fault = classify(reply)
            return replace(fault, kind=_KINDS[reply.status]) if reply.status in _KINDS else fault
        try:
            if request.operation is Operation.EMBEDDING:
                return _vectors(reply, count_texts(request))
            document = read_object(reply.body)
            message = document.get("message")
            if isinstance(message, dict):
                return _answer(reply, document, message)
            return classify(reply) if message else bad_reply(reply, "the reply holds no message")
        except NO_BODY as error:
            return bad_reply(reply, f"the reply is none of Cohere's: {error}")

    def reader(self, head: HttpReply, request: Request) -> "CohereReader":  # noqa: ARG002
        """Return a reader of events."""
        return CohereReader(head)

    def adverts(self, reply: HttpReply) -> tuple[Advert, ...]:
        """Return what the headers say about the limits."""
        return read_adverts(reply.headers)

    def _say(self, request: Request, responses: tuple[Response, ...]) -> tuple[str, dict[str, Any]]:
        """Return path and body of an exchange.

        Raises:
            Unsayable: Cohere has no words for it.
        """
        params = open_params(request, _RESERVED)
        body: dict[str, Any] = {"model": request.model_name}
        if request.operation is Operation.EMBEDDING:
            params.take("encoding_format")
            body |= {"texts": texts(request), "input_type": self._input_type, "embedding_types": ["float"]}
            return "/v2/embed", body | move(params, {"dimensions": "output_dimension"}) | params.rest
        if request.operation is Operation.COMPLETION:
            raise Unsayable("Cohere has no completions, but chats")
        body["messages"] = [_message(message) for message in conversation(request, responses)]
        return "/v2/chat", body | _settings(request, params)


def _settings(request: Request, params: Params) -> dict[str, Any]:
    """Return the parameters, each in its place."""
    params.refuse("Cohere", *_UNKNOWN)
    settings = move(params, _PLACES)
    if stop := take_texts(params, "stop"):
        settings["stop_sequences"] = stop
    wants_json, schema = take_form(request, params)
    if wants_json:
        form = {} if schema is None else {"json_schema": schema}
        settings["response_format"] = {"type": "json_object", **form}
    if (effort := params.take("reasoning_effort")) is not None:
        settings["thinking"] = {"type": "disabled" if effort == "none" else "enabled"}
    choice = params.take("tool_choice")
    if choice not in (None, "auto"):
        if not isinstance(choice, str) or choice not in _CHOICES:
            raise Unsayable("parameter 'tool_choice' can only be 'auto', 'required' or 'none' for Cohere")
        settings["tool_choice"] = _CHOICES[choice]
    return settings | params.rest


def _message(message: Message) -> dict[str, Any]:
    """Return a message in Cohere's form."""
    role, content = str(message.get("role")), message.get("content")
    said: dict[str, Any] = {
        name: value for name, value in message.items() if name != "name" and value is not None
    }
    if role in {"system", "developer"}:
        return {"role": "system", "content": text_of(content)}
    if role in {"tool", "function"}:
        if not isinstance(message.get("tool_call_id"), str):
            raise Unsayable("a message of the role 'tool' has no tool_call_id")
        said["role"] = "tool"
    for part in parts_of(content):
        if part.get("type") not in ("text", "image_url", "document", "thinking"):
            raise Unsayable(f"a part of type '{part.get('type')}' cannot be sent to Cohere")
    return said


def _answer(reply: HttpReply, document: Mapping[str, Any], message: Mapping[str, Any]) -> Response | Fault:
    """Return the answer of a chat.

    Args:
        reply: The reply.
        document: What says how it ended: the reply's object, or the delta of a stream's end.
        message: The message, or what the pieces of a stream add up to.
    """
    parts = objects(message.get("content"))
    text = word(message.get("content")) or "".join(word(part.get("text")) or "" for part in parts)
    reason = word(document.get("finish_reason"))
    if reason in _FAILED:
        words = word(document.get("error")) or "the provider failed while it was answering"
        return Fault(FaultKind.SERVER_ERROR, words, http_status=reply.status, provider_code=reason)
    thought = "".join(word(part.get("thinking")) or "" for part in parts) or word(message.get("tool_plan"))
    usage = members(document.get("usage"))
    counted = members(usage.get("billed_units")) or members(usage.get("tokens"))
    return Response(
        text=text,
        finish_reason=_REASONS.get(reason or "", reason),
        usage=used(counted.get("input_tokens"), counted.get("output_tokens"), usage.get("cached_tokens")),
        request_id=word(document.get("id")),
        tool_calls=tuple(
            tool_call(call.get("id"), function.get("name"), function.get("arguments"))
            for call in objects(message.get("tool_calls"))
            if (function := members(call.get("function")))
        ),
        reasoning=thought or None,
        logprobs=document.get("logprobs"),
        raw=reply.body,
    )


def _vectors(reply: HttpReply, wanted: int) -> Response | Fault:
    embedded = read_body(_decode_embedded, reply.body)
    vectors = embedded.embeddings.float
    if len(vectors) != wanted or not all(vectors):
        return bad_reply(
            reply, f"the reply holds {len(vectors)} embeddings for {wanted} texts, or an empty one"
        )
    units = members(members(embedded.meta).get("billed_units"))
    return Response(
        text="",
        usage=used(units.get("input_tokens"), None),
        request_id=word(embedded.id),
        embeddings=tuple(vectors),
        raw=reply.body,
    )


class CohereReader(EventReader):
    """Reads an answer that comes in named events, until `message-end`."""

    def __init__(self, head: HttpReply) -> None:
        super().__init__(head)
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._logprobs: list[Any] = []
        self._id: Any = None
        self._last: Mapping[str, Any] = {}

    def _read(self, event: Event, deltas: list[Delta]) -> None:
        if event.data == b"[DONE]":
            return
        try:
            document = read_object(event.data)
        except NO_BODY as error:
            self._fail(bad_reply(self._head, f"an event of the stream cannot be read: {error}"))
            return
        kind, delta = word(document.get("type")) or event.name, members(document.get("delta"))
        message = members(delta.get("message"))
        if kind in {"content-start", "content-delta"}:
            content = members(message.get("content"))
            self._add(deltas, word(content.get("text")) or "", word(content.get("thinking")) or "")
            self._logprobs += objects([document.get("logprobs")])
        elif kind == "tool-plan-delta":
            self._add(deltas, "", word(message.get("tool_plan")) or "")
        elif kind in {"tool-call-start", "tool-call-delta"}:
            self._call(members(message.get("tool_calls")), is_new=kind == "tool-call-start")
        elif kind == "message-start":
            self._id = document.get("id")
        elif kind == "message-end":
            self._last, self.is_over = delta, True
        elif not kind and "message" in document:
            self._fail(classify(HttpReply(self._head.status, self._head.headers, event.data)))

    def _add(self, deltas: list[Delta], text: str, thought: str) -> None:
        if text or thought:
            self._texts.append(text)
            self._thoughts.append(thought)
            deltas.append(Delta(text, thought))

    def _call(self, call: Mapping[str, Any], *, is_new: bool) -> None:
        """Begin a tool call, or add to the arguments of the last one."""
        function = members(call.get("function"))
        arguments = word(function.get("arguments")) or ""
        if is_new:
            called = {"name": function.get("name"), "arguments": arguments}
            self._calls.append({"id": call.get("id"), "function": called})
        elif self._calls:
            self._calls[-1]["function"]["arguments"] += arguments

    def _whole(self, reply: HttpReply) -> Response | Fault:
        parts = [{"text": "".join(self._texts)}, {"thinking": "".join(self._thoughts)}]
        ended = {**self._last, "id": self._id, "logprobs": self._logprobs or None}
        return _answer(reply, ended, {"content": parts, "tool_calls": self._calls})
