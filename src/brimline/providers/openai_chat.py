"""OpenAI chat completions, the completions before them, and every server that speaks them (vLLM, Ollama's /v1, Groq, ...).

Sources: the official Python SDK 3.51 and the API reference. What other servers do differently and is accepted
here: an `error` that is a plain string, a number as its code, error fields at the top level, an error inside a
200, content as a list of chunks, an unknown finish reason, usage left out. What they want differently is said by
`Quirks`; a dialect that is nearly this one overrides `_path` and `_params`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from brimline.providers.adverts import read_adverts
from brimline.providers.bodies import NO_BODY, bad_reply, read_body
from brimline.providers.canonical import conversation
from brimline.providers.faults import UNREADABLE, advertised, classify, clean
from brimline.providers.openai_embeddings import asked_vectors, read_vectors
from brimline.providers.openai_message import Message, calls_of, finish_word, reasoning_of, text_of
from brimline.providers.openai_schema import JSON_OBJECT, response_format, told
from brimline.providers.openai_stream import ChatStreamReader
from brimline.providers.params import problem_of, reserved
from brimline.providers.quirks import QUIRKS, Quirks
from brimline.providers.texts import only_text
from brimline.types import (
    Advert,
    Fault,
    FaultKind,
    HttpReply,
    HttpRequest,
    Operation,
    Request,
    Response,
    Secret,
    Usage,
)

if TYPE_CHECKING:
    from brimline.providers.base import StreamReader

_RESERVED = {"model", "messages", "stream"}
_PATHS = {
    Operation.CHAT: "/chat/completions",
    Operation.COMPLETION: "/completions",
    Operation.EMBEDDING: "/embeddings",
}
_REQUEST_IDS = ("x-request-id", "apim-request-id", "x-generation-id")
"""OpenAI's, Azure's and OpenRouter's."""

_WITHOUT_ANSWER = {
    "content_filter": (FaultKind.CONTENT_FILTER, "the provider's filter withheld the answer"),
    "error": (FaultKind.SERVER_ERROR, "the provider failed while it was answering"),
    "insufficient_system_resource": (FaultKind.OVERLOADED, "the provider ran out of resources"),
}
"""Finish reasons that mean a fault: OpenAI's, OpenRouter's and Mistral's, DeepSeek's. A filter's only where there is no
text; the others broke an answer off, and half of one is none.
"""

_encode = msgspec.json.Encoder().encode


_Tokens = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]


class _Details(msgspec.Struct):
    cached_tokens: _Tokens | None = None
    cache_write_tokens: _Tokens | None = None
    reasoning_tokens: _Tokens | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: _Tokens | None = None
    completion_tokens: _Tokens | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: _Tokens | None = None
    total_tokens: Any = None


class _Choice(msgspec.Struct):
    message: Message | None = None
    text: Any = None
    finish_reason: Any = None
    logprobs: msgspec.Raw = msgspec.Raw(b"null")


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")
    id: Any = None
    model: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Completion).decode
_decode_usage = msgspec.json.Decoder(_Usage | None, strict=False).decode


class OpenAIChat:
    """The chat completions dialect.

    Args:
        options: `organization` and `project`, whose account it is, and quirks of the server.

    Raises:
        ConfigError: A quirk is none.
    """

    OPTIONS = frozenset({"organization", "project", *QUIRKS})
    BUNDLE = 2048
    """How many texts it takes to embed in one request."""

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        self._options = options or {}
        self._quirks = Quirks.of(self._options)

    def headers(self, key: Secret | None) -> dict[str, str]:
        """Return credential, organisation and project."""
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key.reveal()}"
        if organization := self._options.get("organization"):
            headers["OpenAI-Organization"] = organization
        if project := self._options.get("project"):
            headers["OpenAI-Project"] = project
        return headers

    def problem(self, request: Request) -> str | None:
        """Parameters that brimline sets itself cannot be given, and a completion goes on from one text."""
        if problem := reserved(request.params, _RESERVED):
            return problem
        if request.schema is not None and "response_format" in request.params:
            return "parameter 'response_format' cannot be set beside a schema, which becomes one"
        if request.operation is Operation.EMBEDDING:
            return problem_of(lambda: asked_vectors(request))
        if request.operation is Operation.COMPLETION:
            return _no_completion(request)
        return None

    def encode(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Send the messages, and for a later turn of a conversation the history so far; of others the text."""
        if request.operation is Operation.COMPLETION:
            asked: dict[str, Any] = {"prompt": only_text(request)}
        elif request.operation is Operation.EMBEDDING:
            asked = asked_vectors(request)
        else:
            asked = self._chat(request, responses)
        model = self._quirks.model or request.model_name
        body = {"model": model, **asked, **self._params(request.params)}
        return HttpRequest(self._path(request.model_name, _PATHS[request.operation]), _encode(body), {})

    def _chat(self, request: Request, responses: tuple[Response, ...]) -> dict[str, Any]:
        messages = conversation(request, responses)
        if request.schema is None:
            return {"messages": messages}
        if self._quirks.knows_schemas:
            return {"messages": messages, "response_format": response_format(request.schema)}
        return {"messages": told(request.schema, messages), "response_format": JSON_OBJECT}

    def _path(self, model: str, path: str) -> str:  # noqa: ARG002  where the model is part of the path it is needed
        """Return where an operation's path is, below the base URL."""
        return path

    def _params(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return generation parameters as this dialect calls them."""
        return params

    def encode_stream(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Ask for the answer in pieces, and for its usage; `stream_options = null` leaves that to the server."""
        options = request.params.get("stream_options", {})
        options = {"stream_options": {"include_usage": True, **options}} if isinstance(options, dict) else {}
        params = {name: value for name, value in request.params.items() if name != "stream_options"}
        return self.encode(replace(request, params={**params, "stream": True, **options}), responses)

    def reader(self, head: HttpReply, request: Request) -> "StreamReader":
        """Return what puts the pieces together."""
        return ChatStreamReader(head, lambda reply: self.decode(reply, request), self._refusal)

    def decode(self, reply: HttpReply, request: Request) -> Response | Fault:
        """Return the answer, or why there is none."""
        if not 200 <= reply.status < 300:
            return self._refusal(reply)
        if request.operation is Operation.EMBEDDING:
            return read_vectors(reply, request) or self._refusal(reply)
        try:
            completion = read_body(_decode, reply.body)
        except NO_BODY as error:
            return bad_reply(reply, f"the reply is no {request.operation} completion: {error}")
        if completion.error:
            return self._refusal(reply)
        if not completion.choices:
            return bad_reply(reply, "the reply holds no choices")
        if request.operation is Operation.COMPLETION:
            messages = [Message(choice.text) for choice in completion.choices if isinstance(choice.text, str)]
        else:
            messages = [choice.message for choice in completion.choices if choice.message is not None]
        if len(messages) < len(completion.choices):
            return bad_reply(reply, "a choice of the reply holds no message")
        return _response(reply, completion, completion.choices, messages)

    def adverts(self, reply: HttpReply) -> tuple[Advert, ...]:
        """Return what the headers say about the limits, or the words of a refusal; there are many forms for it."""
        adverts = read_adverts(reply.headers)
        if not adverts and reply.status == 429:
            return advertised(reply)
        windows = self._quirks.windows
        if not windows:
            return adverts
        return tuple(
            replace(advert, window=windows.get(advert.dimension)) if advert.window is None else advert
            for advert in adverts
        )

    def _refusal(self, reply: HttpReply) -> Fault:
        fault = classify(reply)
        return replace(fault, kind=self._quirks.kind(fault))


def _no_completion(request: Request) -> str | None:
    """Say why a completion cannot be asked for, or None."""
    if only_text(request) is None:
        return "a completion goes on from one text: no conversation, no system message, no images"
    for name in ("prompt", "tools"):
        if name in request.params:
            return f"parameter '{name}' cannot be set for a completion"
    return "a completion follows no schema" if request.schema is not None else None


def _response(
    reply: HttpReply, completion: _Completion, choices: list[_Choice], messages: list[Message]
) -> Response | Fault:
    texts = [text_of(message) for message in messages]
    reason = finish_word(choices[0].finish_reason)
    if reason in _WITHOUT_ANSWER and not (reason == "content_filter" and any(texts)):
        kind, words = _WITHOUT_ANSWER[reason]
        return Fault(kind, words, http_status=reply.status, provider_code=reason)
    is_one = len(texts) == 1
    logprobs = [read for choice in choices if (read := _logprobs(choice.logprobs)) is not None]
    return Response(
        text=texts[0] if is_one else texts,
        finish_reason=reason,
        usage=_used(completion.usage),
        model=_word(completion.model),
        request_id=_request_id(reply, completion),
        tool_calls=tuple(call for message in messages for call in calls_of(message)),
        reasoning=next(filter(None, map(reasoning_of, messages)), None),
        logprobs=(logprobs[0] if is_one else logprobs) if logprobs else None,
        raw=reply.body,
    )


def _logprobs(raw: msgspec.Raw) -> Any:
    """Read what was asked for beside the answer; a number beyond all bounds must not cost it."""
    if len(raw) == len(b"null"):
        return None  # nearly always, and without a look
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE:
        return None


def _request_id(reply: HttpReply, completion: _Completion) -> str | None:
    """Return the id that the provider's support asks for; the answer's own where there is no other."""
    for name in _REQUEST_IDS:
        if found := reply.headers.get(name):
            return clean(found)
    return _word(completion.id)


def _used(raw: msgspec.Raw) -> Usage | None:
    """Read what was used; numbers that make no sense must not cost the answer."""
    try:
        usage = _decode_usage(raw)
    except UNREADABLE:
        return None
    if usage is None or (usage.prompt_tokens is None and usage.completion_tokens is None):
        return None
    into = usage.prompt_tokens_details or _Details()
    out = usage.completion_tokens_details or _Details()
    read, made, thought = usage.prompt_tokens or 0, usage.completion_tokens or 0, out.reasoning_tokens or 0
    if thought and usage.total_tokens == read + made + thought:
        made += thought  # some count what was thought beside the answer (xAI, Gemini), OpenAI as a part of it
    cached = into.cached_tokens or usage.prompt_cache_hit_tokens or 0
    return Usage(read, made, cached, into.cache_write_tokens or 0, thought)


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None
