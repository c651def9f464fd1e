"""OpenAI's legacy text completions, which vLLM and Ollama serve as well."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from brimline.sim.chat import Chat, Count, Message, StreamOptions
from brimline.sim.dialect import Event, Letterhead, Request
from brimline.sim.dialects.openai_chat import usage_table
from brimline.sim.dialects.openai_intake import wrong
from brimline.sim.dialects.openai_words import OpenAI
from brimline.sim.embed import token_text
from brimline.sim.errors import NOT_JSON, Problem, invalid
from brimline.sim.replies import Answer, words

_DEFAULT_LIMIT = 16
_encode = msgspec.json.Encoder().encode


class _Body(msgspec.Struct):
    model: str
    prompt: str | list[str | int | list[int]] | None = None
    max_tokens: Count | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=5)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


_decode = msgspec.json.Decoder(_Body).decode


class OpenAIText(OpenAI):
    """POST /v1/completions; each of several prompts gets answers of its own."""

    broken = b'data: {"id":"cmpl-\n\n'

    def read(self, body: bytes) -> Request | Problem:
        """Read the prompts as so many messages of a user."""
        try:
            asked: _Body = _decode(body)
        except msgspec.ValidationError as error:
            return wrong(str(error))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return NOT_JSON
        prompts = _prompts(asked.prompt)
        if not prompts:
            return invalid("Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter")
        return Chat(
            model=asked.model,
            messages=[Message("user", prompt) for prompt in prompts],
            max_tokens=asked.max_tokens or _DEFAULT_LIMIT,
            n=asked.n,
            stream=asked.stream,
            stream_options=asked.stream_options,
            logprobs=asked.logprobs is not None,
            separate=len(prompts) > 1,
        )

    def reply(self, letter: Letterhead, request: Request, made: Answer) -> bytes:
        """A text_completion."""
        assert isinstance(request, Chat)
        choices = [
            _choice(index, choice.text or "", choice.finish, sure=bool(request.logprobs))
            for index, choice in enumerate(made.choices)
        ]
        return _encode(_completion(letter, choices) | {"usage": usage_table(made.usage)})

    def events(self, letter: Letterhead, request: Request, made: Answer) -> Iterator[Event]:
        """One choice after the other."""
        assert isinstance(request, Chat)
        for index, choice in enumerate(made.choices):
            for word in words(choice.text or ""):
                chunk = _completion(letter, [_choice(index, word, None, sure=bool(request.logprobs))])
                yield _event(chunk, len(word.encode()))
        for index, choice in enumerate(made.choices):
            yield _event(_completion(letter, [_choice(index, "", choice.finish, sure=False)]), ends=True)
        if request.stream_options is not None and request.stream_options.include_usage:
            yield _event(_completion(letter, []) | {"usage": usage_table(made.usage)}, ends=True)
        yield Event(b"data: [DONE]\n\n", ends=True)


def _event(chunk: dict[str, Any], text_bytes: int = 0, *, ends: bool = False) -> Event:
    return Event(b"data: %b\n\n" % _encode(chunk), text_bytes, ends)


def _completion(letter: Letterhead, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"cmpl-sim{letter.number:024d}",
        "object": "text_completion",
        "created": letter.created,
        "model": letter.model,
        "choices": choices,
        "system_fingerprint": "fp_sim",
    }


def _choice(index: int, text: str, finish: str | None, *, sure: bool) -> dict[str, Any]:
    return {
        "text": text,
        "index": index,
        "logprobs": _sure(text) if sure else None,
        "finish_reason": finish,
    }


def _sure(text: str) -> dict[str, Any]:
    tokens = words(text)
    offsets = [sum(map(len, tokens[:i])) for i in range(len(tokens))]
    chances = [-0.25] * len(tokens)
    return {"tokens": tokens, "token_logprobs": chances, "top_logprobs": None, "text_offset": offsets}


def _prompts(given: str | list[str | int | list[int]] | None) -> list[str]:
    if given is None or isinstance(given, str):
        return [given] if given is not None else []
    if given and all(isinstance(item, int) for item in given):
        return [token_text([item for item in given if isinstance(item, int)])]
    return [
        item if isinstance(item, str) else token_text([item] if isinstance(item, int) else item)
        for item in given
    ]
