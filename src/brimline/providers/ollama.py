"""Ollama's own dialect: `/api/chat`, `/api/generate` for completions, `/api/embed`.

Source: the official Python SDK 0.6.3 and the server's types. A single text goes to `/api/chat`, too, where prompto sends
it to `/api/generate`: the answer is the same kind of thing.

Parameters that are none of the request's own members are `options`, where the server looks for what steers generation.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from brimline.providers.adverts import read_adverts
from brimline.providers.bearer import bearer_headers
from brimline.providers.bodies import NO_BODY, bad_reply, read_body
from brimline.providers.canonical import Unsayable, conversation, inline, member, parts_of, tool_calls
from brimline.providers.event_reader import EventReader
from brimline.providers.faults import classify
from brimline.providers.params import (
    Params,
    move,
    open_params,
    problem_of,
    take_form,
    take_object,
    take_texts,
)
from brimline.providers.reading import members, objects, read_object, tool_call, used, word
from brimline.providers.sse import Event, EventParser
from brimline.providers.texts import count_texts, only_text, texts
from brimline.types import (
    Advert,
    Delta,
    Fault,
    HttpReply,
    HttpRequest,
    Message,
    Operation,
    Request,
    Response,
    Secret,
)

_RESERVED = ("model", "messages", "prompt", "input", "stream")
_UNKNOWN = ("n", "logit_bias")
_OPTIONS = {
    "max_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
_MEMBERS = (
    "format", "keep_alive", "think", "tools", "logprobs", "top_logprobs", "suffix", "system", "template", "context",
    "raw", "images", "truncate", "shift", "dimensions", "width", "height", "steps",
)  # fmt: skip
_ROLES = {"developer": "system", "function": "tool"}
_EFFORTS = {"none": False, "minimal": "low", "xhigh": "high", "max": "high"}
"""How long to think, where Ollama has another word than OpenAI."""

_NOTHING = object()
"""The content of a reply that holds none; a chat's message may."""

_encode = msgspec.json.Encoder().encode


class _Embedded(msgspec.Struct):
    embeddings: list[list[float]]
    model: Any = None
    prompt_eval_count: Any = None


_decode_embedded = msgspec.json.Decoder(_Embedded).decode


class Ollama:
    """Ollama's dialect. It has no options."""

    OPTIONS: frozenset[str] = frozenset()
    BUNDLE = 2048
    """How many texts it takes to embed in one request."""

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        del options

    def headers(self, key: Secret | None) -> dict[str, str]:
        """Return the credential, which only Ollama's cloud and proxies want."""
        return bearer_headers(key)

    def problem(self, request: Request) -> str | None:
        """Several answers at once, a forced tool, and images that are elsewhere cannot be asked for."""
        return problem_of(lambda: _say(request, ()))

    def encode(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Send the messages with the history so far, a text to go on, or a text to embed."""
        path, body = _say(request, responses)
        return HttpRequest(path, _encode(body), {})

    def encode_stream(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Send the same, to be answered in lines."""
        path, body = _say(request, responses)
        return HttpRequest(path, _encode({**body, "stream": True}), {})

    def decode(self, reply: HttpReply, request: Request) -> Response | Fault:
        """Return the answer, or why there is none."""
        if not 200 <= reply.status < 300:
            return classify(reply)
        try:
            document = read_object(reply.body)
            if document.get("error"):
                return classify(reply)
            if request.operation is Operation.EMBEDDING:
                return _vectors(reply, count_texts(request))
            message = _message_of(document)
            if document.get("done") is False or not isinstance(message.get("content", ""), str | None):
                return bad_reply(reply, "the reply holds no answer that is done")
            return _answer(reply, document, message, document.get("logprobs"))
        except NO_BODY as error:
            return bad_reply(reply, f"the reply is none of Ollama's: {error}")

    def reader(self, head: HttpReply, request: Request) -> "OllamaReader":  # noqa: ARG002
        """Return a reader of lines."""
        return OllamaReader(head)

    def adverts(self, reply: HttpReply) -> tuple[Advert, ...]:
        """Return what the headers say; Ollama itself says nothing, a proxy before it may."""
        return read_adverts(reply.headers)


def _say(request: Request, responses: tuple[Response, ...]) -> tuple[str, dict[str, Any]]:
    """Return path and body of an exchange.

    Raises:
        Unsayable: Ollama has no words for it.
    """
    params = open_params(request, _RESERVED)
    body: dict[str, Any] = {"model": request.model_name}
    if request.operation is Operation.EMBEDDING:
        params.take("encoding_format")
        return "/api/embed", {**body, "input": texts(request), **_settings(request, params)}
    body["stream"] = False
    if request.operation is Operation.COMPLETION:
        prompt = only_text(request)
        if prompt is None:
            raise Unsayable(
                "a completion goes on from one text: no conversation, no system message, no images"
            )
        return "/api/generate", {**body, "prompt": prompt, **_settings(request, params)}
    messages = conversation(request, responses)
    names = {call.id: call.name for message in messages for call in tool_calls(message)}
    body["messages"] = [_message(message, names) for message in messages]
    return "/api/chat", {**body, **_settings(request, params)}


def _settings(request: Request, params: Params) -> dict[str, Any]:
    """Return the parameters, each in its place."""
    params.refuse("Ollama", *_UNKNOWN)
    given = take_object(params, "options")
    options = move(params, _OPTIONS)
    if stop := take_texts(params, "stop"):
        options["stop"] = stop
    settings: dict[str, Any] = {}
    if (effort := params.take("reasoning_effort")) is not None:
        settings["think"] = _EFFORTS.get(str(effort), effort)
    wants_json, schema = take_form(request, params)
    if wants_json:
        settings["format"] = "json" if schema is None else schema
    choice = params.take("tool_choice")
    settings |= {name: params.rest.pop(name) for name in _MEMBERS if name in params.rest}
    if choice == "none":
        settings.pop("tools", None)
    elif choice not in (None, "auto"):
        raise Unsayable("parameter 'tool_choice' can only be 'auto' or 'none' for Ollama")
    options |= params.rest | given
    return {**settings, **({"options": options} if options else {})}


def _message(message: Message, names: Mapping[str, str]) -> dict[str, Any]:
    """Return a message in Ollama's form: images apart from the text, arguments as objects.

    Args:
        message: The message.
        names: The function of each tool call so far, by its id.
    """
    lines, images = [], []
    for part in parts_of(message.get("content")):
        if part.get("type") == "image_url":
            images.append(_image(part))
        elif isinstance(part.get("text"), str):
            lines.append(part["text"])
        else:
            raise Unsayable(f"a part of type '{part.get('type')}' cannot be sent to Ollama")
    role = message.get("role")
    said: dict[str, Any] = {"role": _ROLES.get(str(role), role), "content": "\n".join(lines)}
    if images:
        said["images"] = images
    if calls := tool_calls(message):
        said["tool_calls"] = [
            {"id": call.id, "function": {"name": call.name, "arguments": call.arguments}} for call in calls
        ]
    if call_id := message.get("tool_call_id"):
        said["tool_call_id"] = call_id
    if name := message.get("tool_name") or names.get(str(call_id)):
        said["tool_name"] = name
    if thinking := message.get("thinking"):
        said["thinking"] = thinking
    return said


def _image(part: Mapping[str, Any]) -> str:
    file = inline(member(part, "image_url").get("url"))
    if file is None:
        raise Unsayable("an image by URL cannot be sent to Ollama; give a local file or a data: URL")
    return file.data


def _answer(reply: HttpReply, last: Mapping[str, Any], message: Mapping[str, Any], logprobs: Any) -> Response:
    """Return the answer to a chat or a completion.

    Args:
        reply: The reply.
        last: Its object, or the last one of a stream.
        message: The message, or what the pieces of a stream add up to.
        logprobs: Log probabilities.
    """
    calls = tuple(
        tool_call(call.get("id") or f"call_{number}", function.get("name"), function.get("arguments"))
        for number, call in enumerate(objects(message.get("tool_calls")))
        if (function := members(call.get("function")))
    )
    return Response(
        text=word(message.get("content")) or "",
        finish_reason="tool_calls" if calls else word(last.get("done_reason")),
        usage=used(last.get("prompt_eval_count"), last.get("eval_count")),
        model=word(last.get("model")),
        tool_calls=calls,
        reasoning=word(message.get("thinking")) or None,
        logprobs=logprobs,
        raw=reply.body,
    )


def _message_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the message of a chat, or what a completion has in its place."""
    message = document.get("message")
    if isinstance(message, dict):
        return message
    return {"content": document.get("response", _NOTHING), "thinking": document.get("thinking")}


def _vectors(reply: HttpReply, wanted: int) -> Response | Fault:
    embedded = read_body(_decode_embedded, reply.body)
    if len(embedded.embeddings) != wanted:
        return bad_reply(reply, f"the reply holds {len(embedded.embeddings)} embeddings for {wanted} texts")
    return Response(
        text="",
        usage=used(embedded.prompt_eval_count, None),
        model=word(embedded.model),
        embeddings=tuple(embedded.embeddings),
        raw=reply.body,
    )


class OllamaReader(EventReader):
    """Reads an answer that comes as lines of JSON, until one says that it is done."""

    def __init__(self, head: HttpReply) -> None:
        super().__init__(head)
        self._parser = _Lines()
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: list[Any] = []
        self._logprobs: list[Any] = []
        self._last: dict[str, Any] = {}

    def _read(self, event: Event, deltas: list[Delta]) -> None:
        try:
            document = read_object(event.data)
        except NO_BODY as error:
            self._fail(bad_reply(self._head, f"a line of the stream cannot be read: {error}"))
            return
        if document.get("error"):
            self._fail(classify(HttpReply(self._head.status, self._head.headers, event.data)))
            return
        message = _message_of(document)
        text, thought = word(message.get("content")) or "", word(message.get("thinking")) or ""
        if text or thought:
            self._texts.append(text)
            self._thoughts.append(thought)
            deltas.append(Delta(text, thought))
        self._calls += objects(message.get("tool_calls"))
        self._logprobs += objects(document.get("logprobs"))
        if document.get("done") is True:
            self._last, self.is_over = document, True

    def _whole(self, reply: HttpReply) -> Response | Fault:
        text, thinking = "".join(self._texts), "".join(self._thoughts)
        message = {"content": text, "thinking": thinking, "tool_calls": self._calls}
        try:
            return _answer(reply, self._last, message, self._logprobs or None)
        except NO_BODY as error:
            return bad_reply(reply, f"the stream is none of Ollama's: {error}")


class _Lines(EventParser):
    """Splits a stream at its line feeds; each line that holds something is an event without a name."""

    def __init__(self) -> None:
        super().__init__()
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [Event("", line) for line in lines if line.strip()]

    def end(self) -> list[Event]:
        return self.feed(b"\n")
