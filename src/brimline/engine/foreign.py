"""What a user's own function returns and raises, in our nouns.

The objects of SDKs are known by what they have, not by their class, so none of them is imported: an answer of the
openai, anthropic or google-genai SDK, of LiteLLM or LangChain is read as the wire's own bytes would be, and so is the
body of an error.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from brimline.errors import ConfigError
from brimline.providers import Provider, find_provider
from brimline.types import Fault, FaultKind, HttpReply, Request, Response, Usage

_BROKEN = ("ConnectionError", "TransportError", "ClientPayloadError")
"""Words in the names of what clients raise when a connection fails, under way too (httpx, aiohttp, the SDKs)."""

_DIALECTS = {"anthropic": "anthropic", "google": "gemini"}
"""Dialects by the package that an object comes from; every other speaks OpenAI's."""


class _Named(msgspec.Struct):
    """What an answer of OpenAI's calls itself."""

    object: str = ""


_UNKNOWN = Request(id=None, model="", messages=())


def response_of(answer: Any) -> Response | Fault:
    """Return what a function has answered."""
    if isinstance(answer, str):
        return Response(text=answer, finish_reason="stop")
    if isinstance(answer, Response | Fault):
        return answer
    if answer is None:
        return Fault(FaultKind.BAD_REPLY, "the function returned nothing")
    if hasattr(answer, "content") and hasattr(answer, "response_metadata"):
        return _of_langchain(answer)
    body = _body(answer)
    if body is not None:
        return _dialect(answer, body).decode(HttpReply(200, {}, body), _UNKNOWN)
    return Fault(
        FaultKind.BAD_REPLY,
        f"the function returned {type(answer).__name__}; it may return text, a Response or the answer of an SDK",
    )


def fault_of(error: Exception) -> Fault:
    """Return the fault that an exception of a function means, as if it had come over the wire."""
    words = f"{type(error).__name__}: {error}"
    reply = _reply(error)
    if reply is not None:
        decoded = _dialect(error).decode(reply, _UNKNOWN)
        if isinstance(decoded, Fault):
            return decoded
    name = " ".join(kind.__name__ for kind in type(error).__mro__)
    if isinstance(error, TimeoutError) or "Timeout" in name:
        return Fault(FaultKind.TIMEOUT, words)
    if isinstance(error, OSError) or any(kind in name for kind in _BROKEN):
        return Fault(FaultKind.CONNECTION, words)
    if "JSONDecodeError" in name:
        return Fault(FaultKind.BAD_REPLY, words)
    return Fault(FaultKind.INTERNAL, f"the function raised {words}")


def _reply(error: Exception) -> HttpReply | None:
    """Return the reply that an SDK's exception stands for, or None if it stands for none."""
    status = next(
        (code for name in ("status_code", "code") if type(code := getattr(error, name, None)) is int), None
    )
    if status is None or not 300 <= status < 600:
        return None
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None)
    return HttpReply(status, _Headers(headers if isinstance(headers, Mapping) else {}), _error_body(error))


def _error_body(error: Exception) -> bytes:
    """Return an error's body as the server sent it, or made up of what the exception tells."""
    for name in ("body", "details"):
        body = getattr(error, name, None)
        if isinstance(body, Mapping) and body:
            whole = body if "error" in body or "detail" in body else {"error": body}
            return msgspec.json.encode(whole, enc_hook=str)
    return msgspec.json.encode({"error": {"message": str(error)}})


def _dialect(thing: object, body: bytes = b"") -> Provider:
    package = type(thing).__module__.partition(".")[0]
    name = _DIALECTS.get(package, "openai-responses" if _is_of_responses(body) else "openai")
    try:
        return find_provider(name)
    except ConfigError:
        return find_provider("openai")


def _is_of_responses(body: bytes) -> bool:
    """Whether an answer says itself that it is one of OpenAI's Responses."""
    try:
        return msgspec.json.decode(body, type=_Named).object == "response"
    except msgspec.DecodeError:
        return False


def _body(answer: Any) -> bytes | None:
    """Return an SDK's answer as the JSON that it was made of, or None if it is none."""
    if isinstance(answer, Mapping):
        return msgspec.json.encode(answer, enc_hook=str)
    dump = getattr(answer, "model_dump_json", None)
    if dump is None:
        return None
    text: str = dump(by_alias=True, exclude_none=True)
    return text.encode()


def _of_langchain(message: Any) -> Response:
    """Return what a message of LangChain says."""
    usage = getattr(message, "usage_metadata", None) or {}
    metadata = message.response_metadata or {}
    calls = [
        {
            "id": call.get("id"),
            "type": "function",
            "function": {
                "name": call.get("name"),
                "arguments": msgspec.json.encode(call.get("args")).decode(),
            },
        }
        for call in getattr(message, "tool_calls", None) or ()
    ]
    content = message.content
    parts = [content] if isinstance(content, str) else [_piece(part) for part in content]
    return Response(
        text="".join(parts),
        finish_reason=metadata.get("finish_reason") or metadata.get("stop_reason") or "stop",
        usage=Usage(usage.get("input_tokens", 0), usage.get("output_tokens", 0)) if usage else None,
        model=metadata.get("model_name"),
        tool_calls=tuple(calls),
    )


def _piece(part: Any) -> str:
    text = part.get("text") if isinstance(part, Mapping) else part
    return text if isinstance(text, str) else ""


class _Headers(dict[str, str]):
    """Headers of another client, looked up without regard to case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in headers.items()})

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())
