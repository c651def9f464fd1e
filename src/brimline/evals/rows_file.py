"""What a pipeline gives, in a file: appended as it comes, and put into the order of the input at the end."""

from array import array
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import msgspec

from brimline.errors import OutputError
from brimline.evals.parcel import Parcel
from brimline.evals.tally import encode_row

_decode_path = msgspec.json.Decoder(tuple[int, ...]).decode


class RowsFile:
    """Writes rows. In memory it takes 16 bytes for each.

    Args:
        path: The file; it is whole, or as it was.

    Attributes:
        count: How many rows there are.

    Raises:
        OutputError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._roots, self._places = array("Q"), array("Q")
        self._end = 0
        try:
            if path.is_dir():
                raise IsADirectoryError(21, "it is a folder")
            self._file: IO[bytes] = self._part.open("wb+")
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}") from None

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self._roots)

    def add(self, parcel: Parcel) -> None:
        """Write a row.

        Raises:
            OutputError: The disk takes no more.
            TypeError: The row holds what is not JSON.
        """
        line = msgspec.json.encode(parcel.path) + b"\t" + encode_row(parcel.columns) + b"\n"
        try:
            self._file.write(line)
        except OSError as error:
            raise OutputError(f"{self._path} cannot be written: {error.strerror}") from None
        self._roots.append(parcel.path[0])
        self._places.append(self._end)
        self._end += len(line)

    def finish(self) -> None:
        """Put the rows into order.

        Raises:
            OutputError: The disk takes no more.
        """
        ordered = self._part.with_suffix(".ordered")
        try:
            self._file.flush()
            with ordered.open("wb") as file:
                file.writelines(self._lines())
            self._file.close()
            ordered.replace(self._path)
            self._part.unlink()
        except OSError as error:
            raise OutputError(f"{self._path} cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Leave the file as it was, if it is not finished."""
        self._file.close()
        self._part.unlink(missing_ok=True)

    def _lines(self) -> Iterator[bytes]:
        numbers = array("Q", sorted(range(self.count), key=self._roots.__getitem__))
        for _, same in groupby(numbers, key=self._roots.__getitem__):
            lines = [self._line(number) for number in same]
            yield from (line for _, line in sorted(lines, key=lambda line: line[0]))

    def _line(self, number: int) -> tuple[tuple[int, ...], bytes]:
        self._file.seek(self._places[number])
        path, _, line = self._file.readline().partition(b"\t")
        return _decode_path(path), line


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file of JSON lines."""
    with path.open("rb") as file:
        for line in file:
            yield msgspec.json.decode(line)
