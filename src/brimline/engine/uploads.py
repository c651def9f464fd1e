"""Files at Gemini: uploaded once for each content, listed, deleted. One request at a time; they have no quota of the run's."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from brimline.config import Config
from brimline.data.media import MediaError, media_type
from brimline.errors import ConfigError, InputError, RunError
from brimline.providers import find_provider, gemini_files
from brimline.providers.gemini import Gemini, Vertex
from brimline.providers.gemini_files import RemoteFile
from brimline.transport import HttpTransport, Transport
from brimline.types import Fault, FaultKind, HttpReply, HttpRequest, Secret

T = TypeVar("T")

TRIES = 4
"""Of one request, where another try may help; the wait before it doubles from a second on."""
LOOK = 2.0
"""Seconds between looks at a file that Gemini still works on (a video), for `PATIENCE` in all."""
PATIENCE = 600.0
AGAIN = "Run it again: what is there already is not sent twice."
_PASSING = {FaultKind.CONNECTION, FaultKind.SERVER_ERROR, FaultKind.OVERLOADED, FaultKind.RATE_LIMITED}


class Uploads:
    """The files of one account.

    Args:
        transport: The way to it.
        key: Its credential, to keep it out of what the server says.
    """

    def __init__(self, transport: Transport, key: Secret | None) -> None:
        self._transport = transport
        self._key = key

    @classmethod
    def at(cls, config: Config, name: str) -> Self:
        """Return the files at an endpoint.

        Raises:
            ConfigError: It does not exist, lacks its key, or keeps no files.
        """
        place = config.resolve(f"{name}/files")
        endpoint, key = place.endpoint, place.key()
        provider = find_provider(endpoint.provider, endpoint.options, endpoint.base_url)
        if not isinstance(provider, Gemini) or isinstance(provider, Vertex) or endpoint.base_url is None:
            raise ConfigError(
                f"endpoint '{name}' keeps no files; only those of the provider 'gemini' do",
                hint="Files for Vertex AI lie in Cloud Storage; rows name them as gs://...",
            )
        return cls(HttpTransport(endpoint.base_url, provider.headers(key)), key)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

    async def all(self) -> AsyncIterator[RemoteFile]:
        """Yield every file.

        Raises:
            RunError: The provider refuses.
        """
        token = ""
        while True:
            files, token = await self._ask(gemini_files.page(token), gemini_files.read_page)
            for file in files:
                yield file
            if not token:
                return

    async def delete(self, name: str) -> None:
        """Delete a file.

        Raises:
            RunError: The provider refuses.
        """
        await self._ask(gemini_files.delete(name), gemini_files.read_nothing)

    async def upload(self, path: Path, known: list[RemoteFile]) -> tuple[RemoteFile, bool]:
        """Upload a file, unless its content is among those that are known; returns it, and whether it was sent.

        Raises:
            InputError: It cannot be read, or is of no type that models take.
            RunError: The provider refuses.
        """
        size, kind, digest = _examined(path)
        there = next((file for file in known if file.has(digest)), None)
        if there is not None:
            return there, False
        where = await self._ask(gemini_files.begin(path.name, kind, size), gemini_files.place)
        file = await self._send(path, size, where)
        waited = 0.0
        while file.state == "PROCESSING" and waited < PATIENCE:
            await asyncio.sleep(LOOK)
            waited += LOOK
            file = await self._ask(gemini_files.look(file.name), gemini_files.read_file)
        if file.state == "FAILED":
            raise RunError(f"{path}: Gemini cannot read it ({file.name})")
        known.append(file)
        return file, True

    async def _send(self, path: Path, size: int, where: str) -> RemoteFile:
        """Send a file piece by piece."""
        offset = 0
        with path.open("rb") as content:
            while offset + gemini_files.PIECE < size:
                data = await asyncio.to_thread(content.read, gemini_files.PIECE)
                await self._ask(
                    gemini_files.piece(where, data, offset, is_last=False), gemini_files.read_nothing
                )
                offset += len(data)
            last = gemini_files.piece(where, content.read(), offset, is_last=True)
            return await self._ask(last, gemini_files.read_uploaded)

    async def _ask(self, request: HttpRequest, read: Callable[[HttpReply], T | Fault]) -> T:
        for number in range(TRIES):
            reply = await self._transport.send(request, _departed)
            result = reply if isinstance(reply, Fault) else read(reply)
            if not isinstance(result, Fault):
                return result
            fault = result if self._key is None else replace(result, detail=self._key.redact(result.detail))
            if fault.kind not in _PASSING or number == TRIES - 1:
                hint = AGAIN if fault.kind in _PASSING else ""
                raise RunError(f"{fault.kind}: {fault.detail}", hint=hint)
            await asyncio.sleep(2**number if fault.retry_after is None else fault.retry_after / 1e9)
        raise AssertionError("the last try has returned or raised")


def _examined(path: Path) -> tuple[int, str, bytes]:
    """Return size, true type and SHA-256 of a file."""
    try:
        size, kind = path.stat().st_size, media_type(path)
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").digest()
    except MediaError as error:
        raise InputError(str(error)) from None  # it names the file
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if size > gemini_files.LARGEST:
        raise InputError(f"{path}: is larger than {gemini_files.LARGEST >> 30} GB")
    return size, kind, digest


def _departed() -> None:
    """Nobody counts uploads."""
