"""OpenAI's chat completions, plain and streaming; Mistral, Groq, vLLM and many others speak the same."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import msgspec

from brimline.sim.chat import Chat
from brimline.sim.dialect import Event, Letterhead, Request
from brimline.sim.dialects.openai_intake import read_chat
from brimline.sim.dialects.openai_words import OpenAI
from brimline.sim.errors import Problem
from brimline.sim.replies import Answer, Call, Choice, Usage, words

_encode = msgspec.json.Encoder().encode
_DONE = Event(b"data: [DONE]\n\n", ends=True)
_LOGPROB = -0.25


class OpenAIChat(OpenAI):
    """POST /v1/chat/completions."""

    broken = b'data: {"id":"chatcmpl-\n\n'

    def read(self, body: bytes) -> Request | Problem:
        """Read a chat; the type of the neutral request is that of this API."""
        return read_chat(body)

    def reply(self, letter: Letterhead, request: Request, made: Answer) -> bytes:
        """A chat.completion."""
        assert isinstance(request, Chat)
        choices = [_choice(letter, request, index, choice) for index, choice in enumerate(made.choices)]
        return _encode(
            self.completion(letter, "chat.completion", choices) | {"usage": usage_table(made.usage)}
        )

    def events(self, letter: Letterhead, request: Request, made: Answer) -> Iterator[Event]:
        """All chunks in order, those of several choices in turn."""
        assert isinstance(request, Chat)
        usage = request.stream_options is not None and request.stream_options.include_usage
        absent: dict[str, Any] = {"usage": None} if usage else {}
        for row in zip_longest(*(_deltas(letter, i, choice) for i, choice in enumerate(made.choices))):
            for index, step in enumerate(row):
                if step is not None:
                    delta, finish, text = step
                    probs = logprobs(request, [text]) if text and request.logprobs else None
                    choice = {"index": index, "delta": delta, "logprobs": probs, "finish_reason": finish}
                    chunk = self.completion(letter, "chat.completion.chunk", [choice]) | absent
                    yield Event(b"data: %b\n\n" % _encode(chunk), len(text.encode()), finish is not None)
        if usage:
            final = self.completion(letter, "chat.completion.chunk", []) | {"usage": usage_table(made.usage)}
            yield Event(b"data: %b\n\n" % _encode(final), ends=True)
        yield _DONE

    def completion(self, letter: Letterhead, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """The members that a completion and each chunk of a stream begin with."""
        return {
            "id": f"chatcmpl-sim{letter.number:024d}",
            "object": kind,
            "created": letter.created,
            "model": letter.model,
            "choices": choices,
            "service_tier": "default",
            "system_fingerprint": "fp_sim",
        }


def usage_table(usage: Usage) -> dict[str, Any]:
    """Usage in OpenAI's words."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def logprobs(request: Chat, texts: list[str]) -> dict[str, Any] | None:
    """How sure each word was, where that was asked for."""
    if not request.logprobs:
        return None
    return {"content": [_sure(text, request.top_logprobs or 0) for text in texts], "refusal": None}


def _sure(token: str, alternatives: int) -> dict[str, Any]:
    one = {"token": token, "logprob": _LOGPROB, "bytes": list(token.encode())}
    others = [
        one | {"token": token + "'" * i, "logprob": _LOGPROB * (1 + 4 * i)} for i in range(alternatives)
    ]
    return one | {"top_logprobs": others}


def _choice(letter: Letterhead, request: Chat, index: int, choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": choice.text,
        "refusal": None,
        "annotations": [],
    }
    if choice.thought is not None:
        message["reasoning_content"] = choice.thought  # OpenAI keeps it to itself; DeepSeek and others do not
    if choice.call is not None:
        message["tool_calls"] = [_tool_call(letter, index, choice.call)]
    probs = logprobs(request, words(choice.text or "")) if request.logprobs else None
    return {"index": index, "message": message, "logprobs": probs, "finish_reason": choice.finish}


def _tool_call(letter: Letterhead, index: int, call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": f"call_sim{letter.number:017d}{index:03d}", "type": "function", "function": function}


def _deltas(
    letter: Letterhead, index: int, choice: Choice
) -> Iterator[tuple[dict[str, Any], str | None, str]]:
    """What is new in each chunk of one choice, its finish reason and its text."""
    first: dict[str, Any] = {"role": "assistant", "content": choice.text and "", "refusal": None}
    if choice.call is not None:
        first["tool_calls"] = [{"index": 0} | _tool_call(letter, index, choice.call._replace(arguments=""))]
    yield first, None, ""
    for word in words(choice.thought or ""):
        yield {"reasoning_content": word}, None, word
    for word in words(choice.text or ""):
        yield {"content": word}, None, word
    for word in words(choice.call.arguments if choice.call else ""):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": word}}]}, None, word
    yield {}, choice.finish, ""
