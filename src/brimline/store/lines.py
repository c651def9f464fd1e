"""A line of the results file: how an outcome is written down, and what is read back of it.

A line is the input row's own keys, in their order, then `id` and `model` where the input lacks them, then what
came of it. Rows of an OpenAI batch file come out in the form of OpenAI's batch output, with one more member.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Any, Literal

import msgspec

from brimline.store.answers import answers, repairs
from brimline.store.attempts import name_request
from brimline.store.completion import completion
from brimline.store.floats import packed, short_floats
from brimline.types import Failure, Operation, Outcome, Request, Response, Success, Usage

FIELDS = (
    "repeat",
    "response",
    "embedding",
    "partial_response",
    "repaired",
    "raw_text",
    "tool_calls",
    "reasoning",
    "logprobs",
    "status",
    "error",
    "finish_reason",
    "usage",
    "cost_usd",
    "served_model",
    "served_by",
    "request_id",
    "timestamp_sent",
    "latency_s",
    "time_to_first_token_s",
    "time_per_output_token_s",
    "attempts",
    "key",
    "cached",
    "duplicate",
    "raw",
)
"""Members that a line adds to a row, beside `id` and `model`."""

_RESERVED = {"id", "model", *FIELDS}
_PACE = {"time_to_first_token_s", "time_per_output_token_s"}
_SOMETIMES = {
    "repeat", "partial_response", "repaired", "raw_text", "tool_calls", "reasoning", "logprobs", "served_by", "cached",
    "duplicate", *_PACE,
}  # fmt: skip
"""Members that a line has only if there is something in them; an input's own never stands in their place."""

_UNSENT = {"usage": None, "cost_usd": 0, "timestamp_sent": None, "latency_s": None, "attempts": 0}
"""What a line says where nothing was sent: its answer is free."""

_INPUT = "input-"
_encode = msgspec.json.Encoder().encode
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading JSON raises; the last where it is nested too deep."""


def result_line(columns: Mapping[str, Any], outcome: Outcome, *, raw: bool = False) -> bytes:
    """Return the line for `outcome` of the row with these `columns`, newline included."""
    line = identity(outcome.request)
    line |= findings(outcome, raw=raw)
    if is_plain(columns):
        return _encode({**columns, **line}) + b"\n"
    return _encode(_merge(columns, line)) + b"\n"


def is_plain(columns: Mapping[str, Any]) -> bool:
    """Whether no column of a row is called like a member that a line adds."""
    return _RESERVED.isdisjoint(columns)


def batch_line(outcome: Outcome) -> bytes:
    """Return the line for `outcome` in the form of OpenAI's batch output, newline included."""
    request = outcome.request
    response = error = None
    if isinstance(outcome, Success):
        response = _batch_response(request, outcome.response)
    else:
        error = {"code": outcome.fault.kind, "message": outcome.fault.detail}
    line = {
        "id": _batch_id(request),
        "custom_id": request.id,
        "response": response,
        "error": error,
        "brimline": {
            "key": request.key,
            "model": request.model,
            "status": "ok" if isinstance(outcome, Success) else "failed",
            "attempts": outcome.attempts,
        }
        | _repeat(request)
        | _served_by(outcome)
        | _pace(outcome)
        | ({"cached": True} if outcome.cached else {}),
    }
    return _encode(line) + b"\n"


def moved_line(line: bytes, columns: Mapping[str, Any], request: Request) -> bytes:
    """Return a line that was written for another row as the line of `request`: with its row's columns and id.

    Rows without ids may be the same request and differ in columns that are not sent (a label); what came of the
    request stays as it is.
    """
    written = msgspec.json.decode(line)
    if "custom_id" in written and "brimline" in written:
        return _batch_copy(written, request)
    return _encode(_merge(columns, identity(request) | _recorded(written))) + b"\n"


def copied_line(line: bytes, columns: Mapping[str, Any], request: Request) -> bytes:
    """Return the line of a request that was not sent, since an equal one was: `line` is what came of that one."""
    written = msgspec.json.decode(line)
    if "custom_id" in written and "brimline" in written:
        for name in ("cached", *_PACE):
            written["brimline"].pop(name, None)
        return _batch_copy(written, request, attempts=0, duplicate=True)
    findings = _recorded(written) | _UNSENT | {"duplicate": True}
    ordered = {name: findings[name] for name in FIELDS if name in findings and name not in {"cached", *_PACE}}
    return _encode(_merge(columns, identity(request) | ordered)) + b"\n"


def identity(request: Request) -> dict[str, Any]:
    """Return what tells a line from all others, in the order in which it is written."""
    if request.repeat is None:
        return {"id": request.id, "model": request.model}
    return {"id": request.id, "model": request.model, "repeat": request.repeat}


def _repeat(request: Request) -> dict[str, Any]:
    return {} if request.repeat is None else {"repeat": request.repeat}


def _beside_the_text(last: Response | None) -> dict[str, Any]:
    """Return what the last exchange brought beside its text, where it did."""
    if last is None:
        return {}
    found = {"tool_calls": last.tool_calls, "reasoning": last.reasoning, "logprobs": last.logprobs}
    return {name: value for name, value in found.items() if value}


def _served_by(outcome: Outcome) -> dict[str, Any]:
    """Return what has answered, or failed last, where that is not what was asked."""
    is_other = outcome.served_by not in {None, outcome.request.model}
    return {"served_by": outcome.served_by} if is_other else {}


def _batch_copy(written: Mapping[str, Any], request: Request, **changed: Any) -> bytes:
    """Return a line of a batch file as the line of another row."""
    ours = {name: value for name, value in written["brimline"].items() if name != "repeat"}
    line = {
        **written,
        "id": _batch_id(request),
        "custom_id": request.id,
        "brimline": ours | _repeat(request) | changed,
    }
    return _encode(line) + b"\n"


def _recorded(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a line says came of its request; what its row is called alike stands before that."""
    names = [*written]
    return {name: written[name] for name in names[names.index("response") :] if name in FIELDS}


def findings(outcome: Outcome, *, raw: bool) -> dict[str, Any]:
    """Return what came of a request, in the order in which it is written."""
    responses = outcome.responses
    last = responses[-1] if responses else None
    line: dict[str, Any]
    if outcome.request.operation is Operation.EMBEDDING:
        line = {"response": None, "embedding": _vector(last)}
    else:
        line = {"response": answers(outcome.request, responses) if isinstance(outcome, Success) else None}
    if isinstance(outcome, Failure) and (partial := _partial(outcome)):
        line["partial_response"] = partial
    if outcome.request.schema is not None:
        line |= repairs(outcome)
    line |= _beside_the_text(last)
    line |= {
        "status": "ok" if isinstance(outcome, Success) else "failed",
        "error": _error(outcome) if isinstance(outcome, Failure) else None,
        "finish_reason": last.finish_reason if last else None,
        "usage": _usage(outcome.usage),
        "cost_usd": None,
        "served_model": last.model if last else None,
        **_served_by(outcome),
        "request_id": last.request_id if last else None,
        "timestamp_sent": _timestamp(outcome.sent_at),
        "latency_s": None if outcome.latency is None else round(outcome.latency, 6),
        **_pace(outcome),
        "attempts": outcome.attempts,
        "key": outcome.request.key,
    }
    if outcome.cached:
        line |= {"cost_usd": 0, "cached": True}
    if raw:
        line["raw"] = [_body(response) for response in responses]
    return line


def _vector(response: Response | None) -> Any:
    """Return the vector of the text."""
    return None if response is None else short_floats(response.embeddings[0])


def _partial(failure: Failure) -> Any:
    """Return what was answered of a conversation, and what was heard of an answer that broke off; or nothing."""
    answered = answers(failure.request, failure.responses) if failure.responses else None
    if not failure.partial:
        return answered
    return [*(answered or ()), failure.partial] if failure.request.turns > 1 else failure.partial


def _pace(outcome: Outcome) -> dict[str, float | None]:
    """Return how fast a streamed answer came: of a conversation when the first began, and the mean of all."""
    responses = () if outcome.cached else outcome.responses
    if not responses or responses[0].time_to_first_token is None:
        return {}
    paces = [pace for response in responses if (pace := response.time_per_output_token) is not None]
    return {
        "time_to_first_token_s": round(responses[0].time_to_first_token, 6),
        "time_per_output_token_s": round(sum(paces) / len(paces), 6) if paces else None,
    }


def _error(failure: Failure) -> dict[str, Any]:
    fault = failure.fault
    return {
        "kind": fault.kind,
        "message": fault.detail,
        "http_status": fault.http_status,
        "provider_code": fault.provider_code,
    }


def _usage(usage: Usage | None) -> dict[str, int] | None:
    if usage is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }


@lru_cache(maxsize=16)
def _timestamp(at: int | None) -> str | None:
    """Write Unix nanoseconds as RFC 3339 in UTC with milliseconds."""
    return None if at is None else f"{_second(at // 1_000_000_000)}.{at // 1_000_000 % 1000:03}Z"


@lru_cache(maxsize=16)
def _second(at: int) -> str:
    """Write a whole second; hundreds of requests share one."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}"


def _merge(columns: Mapping[str, Any], line: dict[str, Any]) -> dict[str, Any]:
    """Put a row and its findings together; a row's key of the same name and another value is kept as `input-`."""
    merged: dict[str, Any] = {}
    for name, value in columns.items():
        is_taken = name in line or name in _SOMETIMES
        if is_taken and (name not in line or not _is_same(value, line[name])):
            merged[_free_name(name, columns)] = value
        else:
            merged[name] = value
    for name, value in line.items():
        if name in FIELDS:
            merged.pop(name, None)
        merged[name] = value
    return merged


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are written alike; to Python `True == 1`."""
    return one == other and _encode(one) == _encode(other)


def _free_name(name: str, columns: Mapping[str, Any]) -> str:
    """Results of results have `input-model` already."""
    name = _INPUT + name
    while name in columns:
        name = _INPUT + name
    return name


def _batch_id(request: Request) -> str:
    """Return a name for a line of batch output; as OpenAI's, no other line has it, not even one of the same key."""
    return f"batch_req_{blake2b(name_request(request.id, request.key, request.repeat), digest_size=16).hexdigest()}"


def _batch_response(request: Request, response: Response) -> dict[str, Any]:
    if request.operation is Operation.EMBEDDING:
        body = _list(request, response)
    elif response.time_to_first_token is not None:
        body = completion(response)
    else:
        body = _body(response)
    return {"status_code": 200, "request_id": response.request_id or "", "body": body}


def _list(request: Request, response: Response) -> dict[str, Any]:
    """Return vectors as OpenAI's API answers them, whoever has made them and in whatever company."""
    is_packed = request.params.get("encoding_format") == "base64"
    tokens = 0 if response.usage is None else response.usage.input_tokens
    return {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": place,
                "embedding": packed(vector) if is_packed else short_floats(vector),
            }
            for place, vector in enumerate(response.embeddings)
        ],
        "model": response.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _body(response: Response) -> Any:
    """Return a reply's body as JSON; servers may write it over several lines, so it is not copied as it is."""
    if response.embeddings and not response.raw:
        return None
    try:
        return msgspec.json.decode(response.raw)
    except UNREADABLE:
        return response.raw.decode("utf-8", "replace")


def own_columns(line: bytes) -> dict[str, Any]:
    """Return the plain columns of the row that a line of results repeats; of a batch file its id.

    Raises:
        ValueError: It is no line of results.
    """
    if read_line(line) is None:
        raise ValueError("no line of results")
    written = msgspec.json.decode(line)
    if "custom_id" in written and "brimline" in written:
        return {"custom_id": written["custom_id"]}
    return plain_columns(written)


def plain_columns(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that a line repeats as they are; those named like its own members may be renamed."""
    return {name: value for name, value in columns.items() if _stem(name) not in _RESERVED}


def _stem(name: str) -> str:
    while name.startswith(_INPUT):
        name = name.removeprefix(_INPUT)
    return name


_Key = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")]
_Status = Literal["ok", "failed"]


class Recorded(msgspec.Struct):
    """What is read back of a line; the rest stays on disk."""

    key: _Key
    status: _Status
    id: Any = None
    model: str = ""
    error: Any = None
    repeat: Any = None

    @property
    def sample(self) -> int:
        """Which of several answers to the same row it is; 0 where there was only one."""
        return self.repeat if type(self.repeat) is int and self.repeat >= 0 else 0

    @property
    def is_ok(self) -> bool:
        """Whether the request was answered."""
        return self.status == "ok"

    @property
    def kind(self) -> str | None:
        """The kind of the fault of a failed request."""
        kind = self.error.get("kind") if isinstance(self.error, dict) else None
        return kind if isinstance(kind, str) else None


class _Ours(msgspec.Struct):
    key: _Key
    status: _Status
    model: str
    repeat: Any = None


class _BatchRecorded(msgspec.Struct):
    custom_id: Any
    brimline: _Ours
    error: Any = None


_decode = msgspec.json.Decoder(Recorded).decode
_decode_batch = msgspec.json.Decoder(_BatchRecorded).decode


def read_line(line: bytes) -> Recorded | None:
    """Return what a line of a results file says, or None if it is none."""
    try:
        return _decode(line)
    except UNREADABLE:
        pass
    try:
        batch = _decode_batch(line)
    except UNREADABLE:
        return None
    error = {"kind": batch.error.get("code")} if isinstance(batch.error, dict) else None
    ours = batch.brimline
    return Recorded(ours.key, ours.status, batch.custom_id, ours.model, error, ours.repeat)
