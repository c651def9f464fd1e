"""OpenAI chat completions, and every server that speaks them (vLLM, Ollama's /v1, Groq, ...).

Sources: the official Python SDK 3.51 and the API reference. What other servers do differently and is accepted
here: an `error` that is a plain string, a number as its code, error fields at the top level, an error inside a
200, content as a list of chunks, an unknown finish reason, usage left out.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from brimline.providers.openai_errors import classify
from brimline.types import Fault, FaultKind, HttpReply, HttpRequest, Request, Response, Secret, Usage

_RESERVED = {"model", "messages", "stream"}
_encode = msgspec.json.Encoder().encode


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: int | None = None


class _Message(msgspec.Struct):
    content: str | list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    model: str | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Completion).decode


class OpenAIChat:
    """The chat completions dialect."""

    def headers(self, key: Secret | None, options: Mapping[str, str]) -> dict[str, str]:
        """Return credential, organisation and project; `options` holds the latter two."""
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key.reveal()}"
        if organization := options.get("organization"):
            headers["OpenAI-Organization"] = organization
        if project := options.get("project"):
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

    def decode(self, reply: HttpReply) -> Response | Fault:
        """Return the answer, or why there is none."""
        if reply.status != 200:
            return classify(reply)
        try:
            completion = _decode(reply.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Fault(FaultKind.BAD_REPLY, f"the reply is no chat completion: {error}", http_status=200)
        if completion.error:
            return classify(reply)
        if not completion.choices:
            return Fault(FaultKind.BAD_REPLY, "the reply holds no choices", http_status=200)
        return _response(reply, completion, completion.choices)


def _response(reply: HttpReply, completion: _Completion, choices: list[_Choice]) -> Response | Fault:
    messages = [choice.message or _Message() for choice in choices]
    texts = [_text(message) for message in messages]
    tool_calls = tuple(call for message in messages for call in message.tool_calls or ())
    reason = choices[0].finish_reason
    if reason == "content_filter" and not any(texts):
        return Fault(
            FaultKind.CONTENT_FILTER,
            "the provider's filter withheld the answer",
            http_status=200,
            provider_code=reason,
        )
    return Response(
        text=texts[0] if len(texts) == 1 else texts,
        finish_reason=reason,
        usage=_used(completion.usage),
        model=completion.model,
        request_id=reply.headers.get("x-request-id"),
        tool_calls=tool_calls,
        raw=reply.body,
    )


def _text(message: _Message) -> str:
    """The content's text; a list of chunks (Mistral's reasoning models) is joined, a refusal stands for none."""
    content = message.content
    if isinstance(content, str):
        return content
    if content is None:
        return message.refusal or ""
    chunks = (chunk.get("text") if isinstance(chunk, dict) else chunk for chunk in content)
    return "".join(chunk for chunk in chunks if isinstance(chunk, str))


def _used(usage: _Usage | None) -> Usage | None:
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
