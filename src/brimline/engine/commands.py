"""What can be said to a run that is alive: one command, one reply, each a line of JSON."""

from functools import cache
from typing import TypeAlias

import msgspec

from brimline.config import LimitRule
from brimline.core.quota import parse_quotas
from brimline.engine.status import Status
from brimline.errors import ConfigError

LONGEST_COMMAND = 1 << 16
"""Bytes."""

LONGEST_REPLY = 1 << 24
"""Bytes; a run of ten thousand models needs less."""


class Look(msgspec.Struct, frozen=True, tag_field="command", tag="status"):
    """Say how the run stands."""


class Pause(msgspec.Struct, frozen=True, tag_field="command", tag="pause"):
    """Start nothing until `Resume`; what is in flight ends."""


class Resume(msgspec.Struct, frozen=True, tag_field="command", tag="resume"):
    """Go on."""


class Stop(msgspec.Struct, frozen=True, tag_field="command", tag="stop"):
    """End the run: what is in flight is finished, or with `now` dropped."""

    now: bool = False


class Change(msgspec.Struct, frozen=True):
    """New limits of the models that match a pattern, as people write them."""

    pattern: str = "*"
    rate: str | None = None
    concurrency: int | None = None

    def rule(self) -> LimitRule:
        """Return what is declared by it.

        Raises:
            ConfigError: A limit is none.
        """
        if self.concurrency is not None and self.concurrency < 1:
            raise ConfigError(f"concurrency is at least 1, not {self.concurrency}")
        quotas = () if self.rate is None else parse_quotas(self.rate)
        return LimitRule(
            pattern=self.pattern, quotas=quotas, concurrency=self.concurrency, source="brimline set"
        )


class Set(msgspec.Struct, frozen=True, tag_field="command", tag="set"):
    """Change declared limits."""

    changes: tuple[Change, ...]


Command: TypeAlias = Look | Pause | Resume | Stop | Set


class Done(msgspec.Struct, frozen=True, tag_field="reply", tag="done"):
    """It is done: what people should know of it, and how the run stands now."""

    said: str
    status: Status


class Refused(msgspec.Struct, frozen=True, tag_field="reply", tag="refused"):
    """Nothing was changed, and why."""

    reason: str


Reply: TypeAlias = Done | Refused

encode = msgspec.json.Encoder(enc_hook=str).encode
decode_command = msgspec.json.Decoder(Command).decode


@cache
def _replies() -> msgspec.json.Decoder[Reply]:
    return msgspec.json.Decoder(Reply)  # to make it takes longer than to start a run, which needs none


def decode_reply(line: bytes) -> Reply:
    """Read a reply.

    Raises:
        msgspec.DecodeError: It is none.
    """
    return _replies().decode(line)
