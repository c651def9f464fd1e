"""What a provider answers: the text, how it ends and what it costs, derived from the request.

Everything here is made from the conversation, so that a reply which reaches the wrong request is seen.
"""

import random
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from brimline.sim.chat import Chat, count_tokens
from brimline.sim.embed import Embed
from brimline.sim.sample import sample
from brimline.sim.scenario import Model

_WORD = re.compile(r"\S{1,16}\s*|\s+")
_LOREM = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et "
    "dolore magna aliqua enim minim veniam quis nostrud exercitation ullamco laboris nisi aliquip commodo"
)


class Call(NamedTuple):
    """A function that the reply calls."""

    name: str
    arguments: str
    """JSON as text, which is how the wire carries it."""


class Choice(NamedTuple):
    """One of the answers to a request."""

    text: str | None
    finish: str = "stop"
    """stop, length, tool_calls or content_filter."""
    call: Call | None = None
    thought: str | None = None
    """The reasoning before it, where it was asked for."""

    @property
    def tokens(self) -> int:
        """What it costs."""
        said = count_tokens(self.text or "") + (count_tokens(self.call.arguments) if self.call else 0)
        return said + self.reasoning_tokens

    @property
    def reasoning_tokens(self) -> int:
        """What the reasoning costs."""
        return count_tokens(self.thought) if self.thought else 0


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is billed."""

    input_tokens: int
    output_tokens: int
    """The reasoning is part of them."""
    reasoning_tokens: int = 0

    @property
    def total(self) -> int:
        """Both."""
        return self.input_tokens + self.output_tokens


class Answer(NamedTuple):
    """All answers to one request and what they cost."""

    choices: tuple[Choice, ...]
    usage: Usage
    inputs: tuple[str, ...] = ()
    """Of a request for embeddings: the texts whose vectors it brings."""


def embed(request: Embed) -> Answer:
    """Answer a request for embeddings."""
    return Answer((), Usage(request.input_tokens, 0), tuple(request.inputs))


def compose(chat: Chat, key: str, model: Model, rng: random.Random, recorded: str = "") -> Answer:
    """Answer a conversation; `key` is its conversation's, `recorded` the text to replay."""
    texts = _texts(chat, key, model, rng, recorded)
    function = chat.forced_function
    if function is not None:
        # OpenAI ends with "stop" when the function was named, and with "tool_calls" when it was left open
        finish = "tool_calls" if chat.must_call else "stop"
        calls = (Call(function.name, _object(function.parameters, text)) for text in texts)
        return answer(chat, [Choice(None, finish, call, _thought(chat)) for call in calls])
    thought = _thought(chat)
    return answer(chat, [_shortened(_formatted(chat, text), chat.limit, thought) for text in texts])


def answer(chat: Chat, choices: Iterable[Choice]) -> Answer:
    """Choices with their bill."""
    made = tuple(choices)
    reasoning = sum(choice.reasoning_tokens for choice in made) if chat.reasoning_effort else 0
    return Answer(made, Usage(chat.input_tokens, sum(choice.tokens for choice in made), reasoning))


def words(text: str) -> list[str]:
    """A text in the pieces of a stream; together they are the text."""
    return _WORD.findall(text)


def cut(text: str, tokens: int) -> str:
    """The first so many tokens of a text; never half a character."""
    return text.encode()[: 4 * tokens].decode(errors="ignore")


def _texts(chat: Chat, key: str, model: Model, rng: random.Random, recorded: str) -> list[str]:
    if chat.separate:
        each = (msgspec.structs.replace(chat, messages=[one], separate=False) for one in chat.messages)
        return [text for one in each for text in _texts(one, key, model, rng, recorded)]
    make = _STYLES.get(model.reply)
    texts = [make(chat, key, model, rng) if make else recorded for _ in range(chat.n or 1)]
    return [text if i == 0 or model.reply == "lorem" else f"{text} [{i}]" for i, text in enumerate(texts)]


def _echo(chat: Chat, _key: str, _model: Model, _rng: random.Random) -> str:
    said = f"echo: {chat.prompt}"
    media = chat.media
    return " ".join([said, *map(str, media)]) if media else said


def _answer(chat: Chat, key: str, _model: Model, _rng: random.Random) -> str:
    return f"Answer {key} to turn {len(chat.users)}."


def _lorem(_chat: Chat, _key: str, model: Model, rng: random.Random) -> str:
    size = 4 * round(model.output_tokens.draw(rng))
    words: list[str] = []
    lexicon = _LOREM.split()
    while len(text := " ".join(words)) < size:
        words += rng.choices(lexicon, k=max(1, (size - len(text)) // 5))
    return text[:size]


_STYLES: Mapping[str, Callable[[Chat, str, Model, random.Random], str]] = {
    "echo": _echo,
    "answer": _answer,
    "lorem": _lorem,
}


def _formatted(chat: Chat, text: str) -> str:
    """The text as JSON, where the request asks for JSON."""
    form = chat.response_format
    if form is None or form.type == "text":
        return text
    if form.json_schema is not None:
        return _object(form.json_schema.schema, text)
    return _object({"properties": {"text": True}}, text)


def _thought(chat: Chat) -> str | None:
    return f"thinking about: {chat.prompt}" if chat.thinks else None


def _shortened(text: str, limit: int | None, thought: str | None) -> Choice:
    """The answer within its limit, which the reasoning uses up first."""
    if limit is not None and thought is not None:
        thought = cut(thought, limit)
        limit -= count_tokens(thought)
    if limit is None or count_tokens(text) <= limit:
        return Choice(text, thought=thought)
    return Choice(cut(text, limit) or None, "length", thought=thought)


def _object(schema: Mapping[str, Any], text: str) -> str:
    """A JSON object that fits, as text; a schema that says nothing allows the empty one."""
    return msgspec.json.encode(sample({"type": "object"} | dict(schema), text)).decode()
