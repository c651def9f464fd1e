"""Uploaded files, kept in memory as long as the session: what they are, not what is in them."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from brimline.sim.media import sniff


class StoredFile(NamedTuple):
    """One uploaded file."""

    name: str
    """As the API calls it: files/abc."""
    mime: str
    """The type that the upload named."""
    true: str
    """The type that its first bytes show; the named one where they show none."""
    size: int
    digest: bytes
    """SHA-256."""
    display_name: str
    at: int
    """Unix time of the upload in nanoseconds."""


@dataclass(slots=True)
class Upload:
    """A file whose bytes are still coming."""

    name: str
    mime: str
    display_name: str
    data: bytearray = field(default_factory=bytearray)


class Files:
    """All files of one session, and uploads that have begun."""

    def __init__(self) -> None:
        self.uploads: dict[str, Upload] = {}
        self._files: dict[str, StoredFile] = {}
        self._count = 0

    def __repr__(self) -> str:
        return f"Files({len(self._files)}, uploading={len(self.uploads)})"

    def all(self) -> list[StoredFile]:
        """Every file, in the order of their uploads."""
        return [*self._files.values()]

    def get(self, name: str) -> StoredFile | None:
        """The file of that name."""
        return self._files.get(name)

    def begin(self, mime: str, display_name: str, name: str | None = None) -> Upload:
        """Start an upload."""
        self._count += 1
        upload = Upload(name or f"files/sim{self._count:09d}", mime, display_name)
        self.uploads[upload.name] = upload
        return upload

    def finish(self, upload: Upload, wall: int) -> StoredFile:
        """Keep what was uploaded; `wall` is Unix time in nanoseconds."""
        self.uploads.pop(upload.name, None)
        data = bytes(upload.data)
        true = sniff(data[:64]) or upload.mime
        file = StoredFile(
            upload.name, upload.mime, true, len(data), sha256(data).digest(), upload.display_name, wall
        )
        self._files[file.name] = file
        return file

    def remove(self, name: str) -> bool:
        """Forget a file; False when there is none."""
        return self._files.pop(name, None) is not None
