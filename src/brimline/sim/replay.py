"""Recorded answers: a file of prompts and responses that stands in for the model."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from brimline.sim.chat import Chat


class Recorded(msgspec.Struct):
    """A row of a file to replay: a prompt, or a conversation as a list of prompts or of messages."""

    prompt: str | list[str | dict[str, Any]]
    response: str | list[str] | None
    model_name: str | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """Recorded responses, by the user's messages and the model; the first one for each counts."""

    file: str
    responses: dict[tuple[str | None, tuple[str, ...]], str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str) -> "Replay":
        """Read a JSONL file of rows with `prompt` and `response`. Raises ValueError, OSError."""
        replay = cls(path)
        for number, line in enumerate(Path(path).read_bytes().splitlines(), 1):
            if line.strip():
                try:
                    replay.add(msgspec.json.decode(line, type=Recorded))
                except msgspec.DecodeError as error:
                    raise ValueError(f"{path}:{number}: expected prompt and response: {error}") from None
        return replay

    def add(self, row: Recorded) -> None:
        """Keep a row under its model, and for any other model that has none of its own."""
        prompts = [row.prompt] if isinstance(row.prompt, str) else [*_user_texts(row.prompt)]
        responses = row.response if isinstance(row.response, list) else [row.response]
        first = max(0, len(prompts) - len(responses))  # one response to a conversation answers its last turn
        for turns, response in enumerate(responses, first + 1):
            for model in (row.model_name, None):
                if response is not None:
                    self.responses.setdefault((model, tuple(prompts[:turns])), response)

    def find(self, chat: Chat) -> str | None:
        """The response recorded for that conversation, if there is one."""
        users = tuple(chat.users)
        own = self.responses.get((chat.model, users))
        return own if own is not None else self.responses.get((None, users))


def _user_texts(prompt: Iterable[str | dict[str, Any]]) -> Iterable[str]:
    for turn in prompt:
        if isinstance(turn, str):
            yield turn
        elif turn.get("role") == "user":
            yield str(turn.get("content"))
