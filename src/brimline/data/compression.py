"""Compressed files by their name: `.gz`, and `.zst` where the Zstandard module is there."""

import gzip
import sys
import zlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, cast

from brimline.errors import ConfigError, InputError

SUFFIXES = (".gz", ".zst")
CHUNK = 1 << 20


def plain_name(path: Path) -> Path:
    """Return the name that a file would have if it were not compressed: `in.csv` for `in.csv.gz`."""
    return path.with_suffix("") if is_compressed(path) else path


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed, judged by its name."""
    return path.suffix.lower() in SUFFIXES


def decompressed(path: Path) -> Iterator[bytes]:
    """Yield the content of a compressed file, a piece at a time.

    Raises:
        InputError: It is damaged, torn, or not compressed at all.
        ConfigError: The module that reads it is not installed.
    """
    is_zstd = path.suffix.lower() == ".zst"
    damage = (EOFError, zlib.error, gzip.BadGzipFile, *((_zstd().ZstdError,) if is_zstd else ()))
    try:
        with _zstd().open(path, "rb") if is_zstd else gzip.open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except EOFError:
        raise InputError(f"{path} ends too early: it was not copied or written to its end") from None
    except damage as error:
        reason = "Zstandard" if is_zstd else "gzip"
        raise InputError(f"{path} cannot be read as {reason}: {error}") from None


def compressing(file: BinaryIO, suffix: str) -> BinaryIO:
    """Return a file that writes to `file` compressed; closing it completes the data and leaves `file` open.

    Args:
        file: Where the data goes.
        suffix: `.gz` or `.zst`.

    Raises:
        ConfigError: The module that writes it is not installed.
    """
    if suffix == ".zst":
        return cast(BinaryIO, _zstd().open(file, "wb"))
    return cast(BinaryIO, gzip.GzipFile("", "wb", fileobj=file, mtime=0))


def _zstd() -> Any:
    """Import what reads Zstandard: in the standard library from Python 3.14 on, in an extra before."""
    try:
        return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    except ImportError:
        hint = "Install it with: pip install 'brimline[zstd]'"
        raise ConfigError("files ending in '.zst' need a module that is not installed", hint=hint) from None
