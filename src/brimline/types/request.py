"""A request: one thing to be answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, TypeAlias

Message: TypeAlias = Mapping[str, Any]
"""One message of a conversation as the chat dialect has it: `{"role": ..., "content": ...}` and more."""


class Priority(IntEnum):
    """Named priorities; any integer is allowed, and a higher one goes first."""

    LOW = -10
    NORMAL = 0
    HIGH = 10


class Operation(StrEnum):
    """What is asked of a model."""

    CHAT = "chat"
    """The next message of a conversation."""
    COMPLETION = "completion"
    """How a text goes on, for models without a chat; the text is that of the only message."""
    EMBEDDING = "embedding"
    """The vector of a text; the text is that of the only message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One thing to be answered by one model.

    A prompt is one exchange. A conversation adds `follow_ups`: each is sent as a user message with the
    whole history so far, so it takes `1 + len(follow_ups)` exchanges.

    Attributes:
        id: The user's name for it, any JSON scalar; a row number where the input gives none.
        model: The model reference `endpoint/model`, split at the first `/`.
        messages: What the first exchange sends, system message included.
        operation: What is asked for.
        follow_ups: The user's later turns.
        media: Local files that the messages name: the path for each URL of the form `media:<digest>`.
        params: Generation parameters as the user gave them, passed through (`temperature`, `tools`, ...).
        schema: The JSON schema that the answer has to follow, or None.
        priority: Higher goes first within a quota.
        group: The group whose limits hold for it beside those of its model, or an empty string.
        repeat: Which of several answers to the same row it is, from 0; None where only one is asked for.
        key: The request's identity for resuming (a hex digest), or an empty string where nothing is kept.
        origin: Whatever the giver of the request needs to find it again; nothing in between reads it.
        parts: Of a bundle the requests that it carries in one exchange; it has no messages of its own then.
    """

    id: str | float | bool | None
    model: str
    messages: tuple[Message, ...]
    follow_ups: tuple[str, ...] = ()
    media: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    operation: Operation = Operation.CHAT
    schema: Mapping[str, Any] | None = None
    priority: int = Priority.NORMAL
    group: str = ""
    repeat: int | None = None
    key: str = ""
    origin: object = None
    parts: "tuple[Request, ...]" = ()

    @property
    def turns(self) -> int:
        """How many exchanges answer it in full."""
        return 1 + len(self.follow_ups)

    @property
    def lane(self) -> str:
        """What its lane is called: those of one model and one group flow together."""
        return f"{self.model} ({self.group})" if self.group else self.model

    @property
    def endpoint(self) -> str:
        """The endpoint's name: the model reference up to its first `/`."""
        return self.model.partition("/")[0]

    @property
    def model_name(self) -> str:
        """The model's name at its endpoint: the model reference after its first `/`."""
        return self.model.partition("/")[2]
