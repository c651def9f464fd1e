"""The answer cache as an engine uses it: off the event loop, by the name of what is asked of whom."""

import asyncio
import zlib
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

import msgspec

from brimline.config import Config
from brimline.core.time import SECOND
from brimline.data.key import request_key
from brimline.engine.callables import name_of
from brimline.engine.clock import wall_clock
from brimline.store.cache import AnswerCache, Occurrences
from brimline.store.floats import float_bytes, from_bytes
from brimline.types import Outcome, Request, Response

Responses: TypeAlias = tuple[Response, ...]

WAITING = 4096
"""So many answers wait to be written at most; what a slow disk does not take is not kept."""


class _Embedded(msgspec.Struct):
    """Responses whose vectors stand beside them: those of 32-bit floats as bytes, at a quarter of the size."""

    responses: Responses
    vectors: list[list[bytes | list[float]]]

    def whole(self) -> Responses:
        """Return the responses with their vectors."""
        return tuple(
            replace(
                response,
                embeddings=tuple(from_bytes(one) if isinstance(one, bytes) else one for one in vectors),
            )
            for response, vectors in zip(self.responses, self.vectors, strict=True)
        )


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Responses | _Embedded).decode


class Cache:
    """The answers of earlier runs.

    Args:
        folder: Where they are.
        size: Bytes that they may take.

    Raises:
        ConfigError: They cannot be there.
    """

    def __init__(self, folder: Path, *, size: int) -> None:
        self._answers = AnswerCache(folder, size=size)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="brimline-cache")
        self._new: list[tuple[bytes, int, Responses]] = []
        self._writing: asyncio.Task[None] | None = None

    @property
    def notices(self) -> tuple[str, ...]:
        """What people should know."""
        return tuple(self._answers.notices)

    async def find(
        self, names: Sequence[bytes], number: Callable[[int], int]
    ) -> list[tuple[int, Responses | None]]:
        """Return numbers, and what is kept under these names and numbers, or None where there is nothing.

        Args:
            names: The names.
            number: Which of a name's answers is wanted, given the name's place; asked in the cache's thread.
        """

        def look() -> list[tuple[int, Responses | None]]:
            wanted = [(name, number(place)) for place, name in enumerate(names)]
            found = self._answers.find(wanted, wall_clock() // SECOND)
            return [
                (which, None if body is None else _unpacked(body))
                for (_, which), body in zip(wanted, found, strict=True)
            ]

        return await asyncio.get_running_loop().run_in_executor(self._thread, look)

    def add(self, name: bytes, number: int, responses: Responses) -> None:
        """Keep an answer; it is written in a while."""
        if len(self._new) < WAITING:
            self._new.append((name, number, responses))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    def recall(self, config: Config, number: Callable[[Request], int] | None) -> "Recall":
        """Return what a run takes from here."""
        return Recall(self, config, number)

    def submit(self, work: Callable[[], None]) -> None:
        """Do something in the cache's thread, after what it has to do before."""
        self._thread.submit(work)

    async def flush(self) -> None:
        """Return when everything is written that was added."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def close(self) -> None:
        """Write what is left and let go of the file."""
        await self.flush()
        self._thread.submit(self._answers.close)
        self._thread.shutdown(wait=True)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._new:
                new, self._new = self._new, []
                await loop.run_in_executor(self._thread, self._put, new)
        finally:
            self._writing = None

    def _put(self, new: list[tuple[bytes, int, Responses]]) -> None:
        packed = [(name, number, _packed(responses)) for name, number, responses in new]
        self._answers.add(packed, wall_clock() // SECOND)


class Recall:
    """What one run takes from the cache, and gives to it.

    Equal requests of a run are samples: the n-th of them takes the n-th answer, and what it gets anew becomes the n-th.

    Args:
        cache: The cache.
        config: Knows the endpoints.
        number: Says which of equal requests one is, from 0; if not given they are counted as they come.
    """

    def __init__(self, cache: Cache, config: Config, number: Callable[[Request], int] | None = None) -> None:
        self._cache = cache
        self._config = config
        self._number = number
        self._occurrences = Occurrences() if number is None else None
        self._places: dict[str, bytes] = {}
        self._sent: dict[int, tuple[bytes, int]] = {}  # by the request's identity: none is equal to another

    async def find(self, requests: Sequence[Request]) -> list[Responses | None]:
        """Return the answers to requests, or None for those that have to be sent."""
        names = [self._name(request) for request in requests]

        def number(place: int) -> int:
            if self._number is not None:
                return self._number(requests[place])
            assert self._occurrences is not None
            return self._occurrences.count(names[place])

        found = await self._cache.find(names, number)
        for request, name, (which, responses) in zip(requests, names, found, strict=True):
            if name and responses is None:
                self._sent[id(request)] = name, which
        return [responses for _, responses in found]

    def finish(self, outcome: Outcome, *, is_own: bool = True) -> None:
        """Keep the answer to a request that was sent; one that is not the model's own is a fallback's."""
        asked = self._sent.pop(id(outcome.request), None)
        if asked is not None and outcome.ok and is_own:
            self._cache.add(*asked, outcome.responses)

    async def flush(self) -> None:
        """Return when everything is written that was added."""
        await self._cache.flush()

    def close(self) -> None:
        """Let go of what was counted."""
        if self._occurrences is not None:
            self._cache.submit(self._occurrences.close)

    def _name(self, request: Request) -> bytes:
        """Return a digest of what is asked of whom: another server is asked anew. Empty for what cannot be sent."""
        place = self._places.get(request.model)
        if place is None:
            place = self._places[request.model] = _place(self._config, request.model)
        try:
            key = request.key or request_key(
                request.model,
                request.messages,
                request.follow_ups,
                request.params,
                request.operation,
                schema=request.schema,
            )
        except (TypeError, ValueError, RecursionError):
            return b""
        return blake2b(key.encode(), digest_size=16, key=place).digest()


def _place(config: Config, model: str) -> bytes:
    """Return a digest of the place that answers: dialect, base URL and what else is said to it, but no credential."""
    endpoint = config.resolve(model).endpoint
    place = (endpoint.provider, endpoint.base_url or name_of(endpoint.function), dict(endpoint.options))
    return blake2b(msgspec.json.encode(place, order="sorted"), digest_size=32).digest()


def _packed(responses: Responses) -> bytes:
    if not any(response.embeddings for response in responses):
        return zlib.compress(_encode(responses), 1)
    vectors = [
        [
            float_bytes(one) if isinstance(one, array) and one.typecode == "f" else [*one]
            for one in response.embeddings
        ]
        for response in responses
    ]
    bare = tuple(replace(response, embeddings=()) for response in responses)
    return zlib.compress(_encode(_Embedded(bare, vectors)), 1)


def _unpacked(body: bytes) -> Responses | None:
    """Return answers as they were; None if another version wrote them."""
    try:
        kept = _decode(zlib.decompress(body))
        return kept.whole() if isinstance(kept, _Embedded) else kept
    except (zlib.error, msgspec.DecodeError, ValueError):
        return None
