"""OpenAI chat completions, and every server that speaks them (vLLM, Ollama's /v1, Groq, ...).

Sources: the official Python SDK 3.51 and the API reference. What other servers do differently and is accepted
here: an `error` that is a plain string, a number as its code, error fields at the top level, an error inside a
200, content as a list of chunks, an unknown finish reason, usage left out.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from brimline.providers.adverts import read_adverts
from brimline.providers.openai_errors import UNREADABLE, advertised, classify, clean
from brimline.types import Advert, Fault, FaultKind, HttpReply, HttpRequest, Request, Response, Secret, Usage

_RESERVED = {"model", "messages", "stream"}
_WITHOUT_ANSWER = {
    "content_filter": (FaultKind.CONTENT_FILTER, "the provider's filter withheld the answer"),
    "error": (FaultKind.SERVER_ERROR, "the provider failed while it was answering"),
    "insufficient_system_resource": (FaultKind.OVERLOADED, "the provider ran out of resources"),
}
"""Finish reasons that mean a fault where there is no text: OpenAI's, OpenRouter's and Mistral's, DeepSeek's."""

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


class _Message(msgspec.Struct):
    content: str | list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    finish_reason: Any = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")
    model: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Completion).decode
_decode_usage = msgspec.json.Decoder(_Usage | None, strict=False).decode


class OpenAIChat:
    """The chat completions dialect.

    Args:
        options: `organization` and `project`, whose account it is.
    """

    OPTIONS = frozenset({"organization", "project"})

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        self._options = options or {}

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
        """Parameters that brimline sets itself cannot be given."""
        reserved = _RESERVED & request.params.keys()
        if request.params.get("stream") is False:
            reserved.discard("stream")
        return f"parameter '{min(reserved)}' cannot be set; brimline sets it itself" if reserved else None

    def encode(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Send the messages, and for a later turn of a conversation the history so far."""
        messages: list[Any] = [*request.messages]
        for response, follow_up in zip(responses, request.follow_ups, strict=False):
            text = response.text if isinstance(response.text, str) else response.text[0]
            messages += ({"role": "assistant", "content": text}, {"role": "user", "content": follow_up})
        body = {"model": request.model_name, "messages": messages, **request.params}
        return HttpRequest("/chat/completions", _encode(body), {})

    def decode(self, reply: HttpReply, request: Request) -> Response | Fault:  # noqa: ARG002
        """Return the answer, or why there is none."""
        if not 200 <= reply.status < 300:
            return classify(reply)
        try:
            completion = _read(reply.body)
        except (*UNREADABLE, ValueError) as error:
            return _bad(reply, f"the reply is no chat completion: {error}")
        if completion.error:
            return classify(reply)
        if not completion.choices:
            return _bad(reply, "the reply holds no choices")
        messages = [choice.message for choice in completion.choices if choice.message is not None]
        if len(messages) < len(completion.choices):
            return _bad(reply, "a choice of the reply holds no message")
        return _response(reply, completion, messages, _word(completion.choices[0].finish_reason))

    def adverts(self, reply: HttpReply) -> tuple[Advert, ...]:
        """Return what the headers say about the limits, or the words of a refusal; there are many forms for it."""
        adverts = read_adverts(reply.headers)
        return adverts if adverts or reply.status != 429 else advertised(reply)


def _read(body: bytes) -> _Completion:
    """Read a completion; what some servers write that is not JSON is repaired, since the answer is paid for."""
    try:
        return _decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode(_repaired(body))


def _repaired(body: bytes) -> bytes:
    """Return a body without what JavaScript and Python write but JSON forbids.

    Halves of surrogate pairs and bytes that are no UTF-8 (a character cut in two) become U+FFFD, NaN and Infinity
    null.

    Raises:
        ValueError: It cannot be read all the same.
    """
    text = body.decode("utf-8-sig", "replace")
    document = json.loads(text, strict=False, parse_constant=lambda _: None)
    return clean(json.dumps(document, ensure_ascii=False)).encode()


def _bad(reply: HttpReply, why: str) -> Fault:
    return Fault(FaultKind.BAD_REPLY, why, http_status=reply.status)


def _response(
    reply: HttpReply, completion: _Completion, messages: list[_Message], reason: str | None
) -> Response | Fault:
    texts = [_text(message) for message in messages]
    if reason in _WITHOUT_ANSWER and not any(texts):
        kind, words = _WITHOUT_ANSWER[reason]
        return Fault(kind, words, http_status=reply.status, provider_code=reason)
    request_id = reply.headers.get("x-request-id")
    return Response(
        text=texts[0] if len(texts) == 1 else texts,
        finish_reason=reason,
        usage=_used(completion.usage),
        model=_word(completion.model),
        request_id=None if request_id is None else clean(request_id),
        tool_calls=tuple(call for message in messages for call in message.tool_calls or ()),
        raw=reply.body,
    )


def _text(message: _Message) -> str:
    """The content's text; a list of chunks (Mistral's reasoning models) is joined, a refusal stands for none."""
    content = message.content
    if not content:
        return message.refusal or ""
    if isinstance(content, str):
        return content
    chunks = (chunk.get("text") if isinstance(chunk, dict) else chunk for chunk in content)
    return "".join(chunk for chunk in chunks if isinstance(chunk, str))


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
    return Usage(
        usage.prompt_tokens or 0,
        usage.completion_tokens or 0,
        into.cached_tokens or usage.prompt_cache_hit_tokens or 0,
        into.cache_write_tokens or 0,
        out.reasoning_tokens or 0,
    )


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None
