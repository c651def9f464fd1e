"""Finished turns of unfinished conversations: paid for, and not to be paid for again after a crash."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from brimline.store.appender import Appender
from brimline.store.attempts import name_request
from brimline.types import Outcome, Rejection, Request, Response, Usage


class _Turn(msgspec.Struct, tag_field="what", tag="turn", omit_defaults=True):
    key: str
    id: Any
    text: str | list[str]
    finish_reason: str | None = None
    usage: tuple[int, int, int, int, int] | None = None
    model: str | None = None
    request_id: str | None = None
    tool_calls: list[Any] = []
    raw: str = ""
    repeat: int | None = None
    document: str | list[str] | None = None
    rejection: Rejection | None = None


class _Done(msgspec.Struct, tag_field="what", tag="done", omit_defaults=True):
    key: str
    id: Any
    repeat: int | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Turn | _Done).decode


class TurnLog:
    """The turns of one run.

    Args:
        path: The log; read first, then rewritten with what is still of use.
        stalled: As for `Appender`.
    """

    def __init__(self, path: Path, *, stalled: Callable[[OSError | None], None]) -> None:
        self._path = path
        self._stalled = stalled
        self._kept = _read(path)
        self._appender: Appender | None = None
        if path.exists():
            _rewrite(path, self._kept)

    def kept(self, request: Request) -> tuple[Response, ...]:
        """Return the turns of `request` that an earlier process has kept, but never all that make its outcome."""
        if not self._kept:
            return ()
        answered, responses = 0, []
        for turn in self._kept.get(_name(request), []):
            answered += turn.rejection is None
            if answered == request.turns:
                break
            responses.append(_response(turn))
        return tuple(responses)

    def append(self, request: Request, response: Response) -> asyncio.Future[None]:
        """Keep a finished turn; the future is done when it is durable."""
        usage = response.usage
        turn = _Turn(
            key=request.key,
            id=request.id,
            text=response.text,
            finish_reason=response.finish_reason,
            usage=_numbers(usage) if usage else None,
            model=response.model,
            request_id=response.request_id,
            tool_calls=[*response.tool_calls],
            raw=response.raw.decode("utf-8", "replace"),
            repeat=request.repeat,
            document=response.document,
            rejection=response.rejection,
        )
        return self._open().append(_encode(turn) + b"\n")

    def forget(self, outcome: Outcome) -> None:
        """Note that a conversation has its outcome; its turns are of no more use, nor what was asked for again."""
        request = outcome.request
        if request.turns > 1 or any(response.rejection for response in outcome.responses):
            self._kept.pop(_name(request), None)
            done = _Done(request.key, request.id, request.repeat)
            self._open().append(_encode(done) + b"\n").add_done_callback(_ignore)

    async def close(self) -> None:
        """Write what is left and close the log."""
        if self._appender is not None:
            await self._appender.close()

    def _open(self) -> Appender:
        if self._appender is None:
            self._appender = Appender(self._path, stalled=self._stalled)
        return self._appender


def _read(path: Path) -> dict[bytes, list[_Turn]]:
    kept: dict[bytes, list[_Turn]] = {}
    if not path.exists():
        return kept
    with path.open("rb") as log:
        for line in log:
            try:
                entry = _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            name = _name(entry)
            if isinstance(entry, _Done):
                kept.pop(name, None)
            else:
                kept.setdefault(name, []).append(entry)
    return kept


def _rewrite(path: Path, kept: dict[bytes, list[_Turn]]) -> None:
    """Drop what is of no more use, atomically."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as log:
        for turns in kept.values():
            log.writelines(_encode(turn) + b"\n" for turn in turns)
        log.flush()
        os.fsync(log.fileno())
    temporary.replace(path)


def _response(turn: _Turn) -> Response:
    return Response(
        text=turn.text,
        finish_reason=turn.finish_reason,
        usage=Usage(*turn.usage) if turn.usage else None,
        model=turn.model,
        request_id=turn.request_id,
        tool_calls=tuple(turn.tool_calls),
        raw=turn.raw.encode(),
        document=turn.document,
        rejection=turn.rejection,
    )


def _name(whose: Request | _Turn | _Done) -> bytes:
    return name_request(whose.id, whose.key, whose.repeat)


def _numbers(usage: Usage) -> tuple[int, int, int, int, int]:
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    )


def _ignore(future: asyncio.Future[None]) -> None:
    """The mark is a convenience; a full disk is reported by what matters."""
    if not future.cancelled():
        future.exception()
