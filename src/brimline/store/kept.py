"""Results of a stream on disk: an outcome is durable before anybody sees it, and what is on file is not sent again."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import msgspec

from brimline.errors import OutputError
from brimline.store.appender import Appender
from brimline.store.floats import short_floats
from brimline.store.folder import RunFolder
from brimline.store.lines import UNREADABLE, Recorded, result_line
from brimline.store.matching import PackedIndex, Standing, request_digest, standing_of
from brimline.store.results import NOT_OURS, ResultsReader, check_writable, mend_tail
from brimline.store.turns import TurnLog
from brimline.types import Failure, Fault, FaultKind, Operation, Outcome, Request, Response, Success, Usage

_GONE = 2**64 - 1
_NO_COLUMNS: Mapping[str, Any] = {}


class _Error(msgspec.Struct):
    kind: FaultKind
    message: str = ""
    http_status: int | None = None
    provider_code: str | None = None


class _Line(msgspec.Struct):
    key: str
    status: str
    response: Any = None
    partial_response: Any = None
    raw_text: Any = None
    embedding: list[float] | None = None
    error: _Error | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    served_model: str | None = None
    request_id: str | None = None
    tool_calls: list[Any] = []
    reasoning: str | None = None
    logprobs: Any = None
    timestamp_sent: str | None = None
    latency_s: float | None = None
    attempts: int = 0
    served_by: str | None = None
    time_to_first_token_s: float | None = None
    time_per_output_token_s: float | None = None


_decode = msgspec.json.Decoder(_Line).decode


class KeptResults:
    """The results of one stream, in a file of lines as a run writes them. One process may have it at a time.

    In memory it takes 20 bytes for each line on file.

    Args:
        path: The file; made if it does not exist, with its folder `<path>.run` beside it.

    Attributes:
        turns: Finished turns of unfinished conversations.
        stalled: Called with the error while the disk is full, and with None when writing goes on.

    Raises:
        OutputLocked: Another process has it.
        OutputError: It holds something else, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        check_writable(path)
        self.stalled: Callable[[OSError | None], None] = lambda _: None
        self._path = path
        self._folder = RunFolder(path)
        try:
            self._places = _Places(path)
            self._appender = Appender(path, stalled=self._tell)
            self._file: IO[bytes] = path.open("rb")
            self.turns = TurnLog(self._folder.turns, stalled=self._tell)
        except OSError as error:
            self._folder.release()
            raise OutputError(f"{path} cannot be written: {error.strerror}") from None
        except BaseException:
            self._folder.release()
            raise

    def find(self, request: Request) -> Outcome | None:
        """Return what is on file of a request; None if there is nothing, or a failure that is worth another try.

        What was returned once is not returned again: the next equal request is another sample.
        """
        place = self._places.take(request_digest(_recorded(request)))
        if place is None:
            return None
        self._file.seek(place)
        for text in self._file:  # a damaged line may stand before it
            try:
                line = _decode(text)
            except UNREADABLE:
                continue
            return _outcome(line, request) if line.key == request.key else None
        return None

    async def keep(self, rows: Sequence[tuple[Mapping[str, Any], Outcome]]) -> None:
        """Append outcomes, each with the columns of its row; they are durable when this returns.

        Raises:
            OutputError: The disk fails, or the file was closed.
        """
        lines = b"".join(_line(columns, outcome) for columns, outcome in rows)
        try:
            await self._appender.append(lines)
        except OSError as error:
            raise OutputError(f"{self._path} cannot be written: {error.strerror}") from None
        for _, outcome in rows:
            self.turns.forget(outcome)

    async def close(self) -> None:
        """Write what is left, which a full disk may not take, and let others have the file."""
        await self._appender.close()
        await self.turns.close()
        self._file.close()
        self._folder.release()

    def _tell(self, error: OSError | None) -> None:
        self.stalled(error)


class _Places:
    """Where the lines stand that need not be asked for again, by their request.

    A line after a failure of the same request is its next try. A line after an answer is another sample: several
    requests of a stream may be equal.

    Args:
        path: The file; a torn end is cut off.

    Raises:
        OutputError: It holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._digests, self._begins = array("Q"), array("Q")
        answered = bytearray()
        if path.exists():
            begin, reader = 0, ResultsReader(path)
            for _, recorded in reader:
                standing = standing_of(recorded)
                self._digests.append(request_digest(recorded))
                self._begins.append(_GONE if standing is Standing.TRANSIENT else begin)
                answered.append(standing is Standing.OK)
                begin = reader.end
            if reader.is_foreign and not reader.is_torn:
                raise OutputError(f"{path} is no results file of brimline", hint=NOT_OURS)
            mend_tail(path, reader.end)
        self._index = PackedIndex(self._digests)
        for group in self._index.groups():
            for place in group[:-1]:
                if not answered[place]:
                    self._begins[place] = _GONE

    def take(self, digest: int) -> int | None:
        """Return where the first line of a request begins that was not taken yet, or None."""
        for place in self._index.find(digest):
            begin = self._begins[place]
            if begin != _GONE:
                self._begins[place] = _GONE
                return begin
        return None


def _line(columns: Mapping[str, Any], outcome: Outcome) -> bytes:
    """Return the line of an outcome; a row from Python may hold what is not JSON, and is left out then."""
    try:
        return result_line(columns, outcome)
    except (TypeError, ValueError, RecursionError):
        return result_line(_NO_COLUMNS, outcome)


def _recorded(request: Request) -> Recorded:
    return Recorded(request.key, "ok", request.id, request.model, None, request.repeat)


def _outcome(line: _Line, request: Request) -> Outcome:
    """Return what a line says came of its request."""
    responses = _responses(line, request)
    sent_at = None if line.timestamp_sent is None else _nanoseconds(line.timestamp_sent)
    served_by = line.served_by or (request.model if line.attempts else None)
    if line.status == "ok":
        return Success(
            request=request,
            responses=responses,
            attempts=line.attempts,
            sent_at=sent_at,
            latency=line.latency_s,
            served_by=served_by,
        )
    error = line.error or _Error(FaultKind.INTERNAL)
    fault = Fault(error.kind, error.message, None, error.http_status, error.provider_code)
    return Failure(
        request=request,
        fault=fault,
        responses=responses,
        attempts=line.attempts,
        sent_at=sent_at,
        latency=line.latency_s,
        served_by=served_by,
    )


def _responses(line: _Line, request: Request) -> tuple[Response, ...]:
    """Return the responses to each exchange; what a line says once for all of them stands in the last."""
    if request.operation is Operation.EMBEDDING:
        texts, vectors = ([""], (_vector(line.embedding),)) if line.embedding is not None else ([], ())
    else:
        texts, vectors = _texts(line, request), ()
    if not texts:
        return ()
    last = Response(
        text=texts[-1],
        finish_reason=line.finish_reason,
        usage=line.usage,
        model=line.served_model,
        request_id=line.request_id,
        tool_calls=tuple(line.tool_calls),
        reasoning=line.reasoning,
        logprobs=line.logprobs,
        embeddings=vectors,
        time_to_first_token=line.time_to_first_token_s if len(texts) == 1 else None,
        time_per_output_token=line.time_per_output_token_s if len(texts) == 1 else None,
    )
    return (*(Response(text=text) for text in texts[:-1]), last)


def _texts(line: _Line, request: Request) -> list[Any]:
    """Return the text of each exchange, as the provider wrote it where that is not what the answer says."""
    said = line.response if line.status == "ok" else line.partial_response
    if line.raw_text is not None:  # of several exchanges a list; of one it is as its text
        is_one = not isinstance(line.raw_text, list) or (
            _asks_for_several(request) and isinstance(line.raw_text[0], str)
        )
        return [line.raw_text] if is_one else line.raw_text
    if said is None:
        return []
    turns = said if request.turns > 1 else [said]
    if request.schema is None:
        return turns
    return [_written(turn, request, is_call=bool(line.tool_calls)) for turn in turns]


def _written(answer: Any, request: Request, *, is_call: bool) -> Any:
    """Return what an answer in JSON says as its text; a list of several as one of texts."""
    if is_call and isinstance(answer, str):
        return answer  # it goes with what tools are asked for, and need not follow the schema
    if isinstance(answer, list) and _asks_for_several(request):
        return [msgspec.json.encode(one).decode() for one in answer]
    return msgspec.json.encode(answer).decode()


def _asks_for_several(request: Request) -> bool:
    return any(request.params.get(name, 1) != 1 for name in ("n", "candidate_count", "candidateCount"))


def _vector(floats: list[float]) -> "Sequence[float]":
    """Return a vector as the provider sent it: of 32-bit floats if these are written in their few digits."""
    narrow = array("f", floats)
    return narrow if short_floats(narrow) == floats else floats


def _nanoseconds(timestamp: str) -> int:
    """Read RFC 3339 as Unix nanoseconds."""
    moment = datetime.fromisoformat(timestamp)
    return round(moment.timestamp() * 1000) * 1_000_000
