"""`run` and `map` for programs without a loop of their own; they work inside somebody else's running loop, too."""

import asyncio
import threading
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from brimline.config import Config, Endpoint
from brimline.data.frames import rows_of
from brimline.data.given import GivenRows
from brimline.data.shape import Schema, shape_of
from brimline.engine.callables import Function
from brimline.engine.engine import Engine
from brimline.engine.execution import Execution
from brimline.engine.options import Retry, RunOptions
from brimline.engine.prepared import prepare
from brimline.engine.progress import Progress
from brimline.engine.report import Report
from brimline.engine.stream import Item, Maker, Requests, numbered
from brimline.errors import RunError, UsageError
from brimline.types import Outcome

T = TypeVar("T")


def run(  # noqa: PLR0913  each is an option of its own
    input: str | PathLike[str] | Requests,  # noqa: A002  the command line's word for it
    *,
    model: str | Iterable[str] | None = None,
    output: str | PathLike[str] | None = None,
    prompt: str | None = None,
    prompt_column: str | None = None,
    system: str | None = None,
    params: Mapping[str, Any] | None = None,
    embed: bool = False,
    batch_size: int | None = None,
    schema: Schema | None = None,
    limits: Mapping[str, str] | None = None,
    concurrency: int | Mapping[str, int] | None = None,
    endpoints: Mapping[str, Endpoint | Function] | None = None,
    config: Config | str | Path | None = None,
    timeout: float | None = None,
    max_tries: int | None = None,
    max_wait: float | None = None,
    fallback: Sequence[str] | None = None,
    hedge: bool | None = None,
    stream: bool | None = None,
    idle_timeout: float | None = None,
    share: bool | None = None,
    deadline: float | None = None,
    limit: int | None = None,
    retry: str = "transient",
    fresh: bool = False,
    dedupe: bool | None = None,
    repeat: int | None = None,
    cache: bool | str | Path | None = None,
    cache_size: int | str | None = None,
    raw: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Send every row of a file or a table and write the answers down; calling it again resumes.

        report = brimline.run("prompts.jsonl", model="openai/gpt-5-mini", output="out.jsonl")

    Args:
        input: The name of a `.jsonl`, `.csv` or `.parquet` file (the first two also `.gz` or `.zst`); or rows: a pandas
            or polars data frame, a Hugging Face data set, an Arrow table, any iterable or async iterable of rows (dicts)
            or prompts; an async one is iterated over on a loop of our own. Rows are copied to `<output>.input.jsonl`
            before they are sent; `output` must be given then.
        model: Model reference `endpoint/model`, or several: every row goes to each. It replaces the rows' own.
        output: Results file; `<input stem>.results.jsonl` in the working folder if not given.
        prompt: Jinja template over a row's columns.
        prompt_column: Column that holds a text, a list of turns, or messages.
        system: Jinja template of the system message, for rows without one.
        params: Generation parameters; they win over a row's own.
        embed: Ask for embeddings instead of answers.
        batch_size: How many embeddings go in one HTTP request at most (256); a provider may take fewer.
        schema: What answers have to be like: a JSON schema or the name of a file with one, a Pydantic model, a msgspec
            Struct, a dataclass, ...; `response` in the results is JSON then.
        limits: Declared quotas by model reference or pattern, as text (`500/min, 200k tokens/min`).
        concurrency: Attempts in flight at once, for each model or by model reference or pattern (learned).
        endpoints: Endpoints by name, beside those of the configuration; a function of a request can be one.
        config: A configuration, or the path of a file instead of `brimline.toml`.
        timeout: Seconds for one attempt (600).
        max_tries: Tries of one request (5); refusals for a rate limit do not count.
        max_wait: The longest wait in seconds that a provider may ask for (3600).
        fallback: Model references to which requests go on in order that cannot be answered, as where a filter or an
            endpoint's end is in the way.
        hedge: At the end, send a request once more whose answer is late; both are paid for (False).
        stream: Have every answer sent in pieces, so that one that stalls is noticed early (False).
        idle_timeout: Seconds in which something of a streamed answer has to come (60).
        share: Whether other processes of this account on this machine share the declared limits (yes).
        deadline: Seconds for the run; then nothing more is sent.
        limit: Send at most so many requests.
        retry: Which failed rows are sent again: `transient`, `all` or `none`.
        fresh: Start over; the old results are kept aside.
        dedupe: Send equal requests once; every row gets the answer (off: equal rows are samples).
        repeat: Ask for so many answers to every row, numbered from 0 (1).
        cache: Take answers from the cache and keep them there: True for the user's cache folder, or a folder.
        cache_size: Bytes that the cache may take, or a text like `500MB` (1GB).
        raw: Keep the provider's whole reply in the results.
        on_progress: Called a few times a second with how things stand.

    Returns:
        What came of it. Iterating over it reads the results file.

    Raises:
        InputError: The input cannot be run; nothing was sent.
        OutputError: The results file cannot be used, or another process holds it; nothing was sent.
        ConfigError: A setting is wrong; nothing was sent.
        UsageError: The input is neither a file nor rows, or rows are given without an output.
        RunError: The run could not start, or not go on. What was answered is kept.
    """
    engine = Engine(
        limits=limits,
        concurrency=concurrency,
        endpoints=endpoints,
        config=config,
        timeout=timeout,
        max_tries=max_tries,
        max_wait=max_wait,
        fallback=fallback,
        hedge=hedge,
        batch_size=batch_size,
        stream=stream,
        idle_timeout=idle_timeout,
        cache=cache,
        cache_size=cache_size,
        share=share,
        on_progress=on_progress,
    )
    models = (model,) if isinstance(model, str) else tuple(model or ())
    path, rows = (Path(input), None) if isinstance(input, str | PathLike) else _rows_for(input, output)
    options = RunOptions(
        input=path,
        output=None if output is None else Path(output),
        models=models,
        prompt=prompt,
        prompt_column=prompt_column,
        system=system,
        embed=embed,
        params=dict(params or {}),
        schema=None if schema is None else shape_of(schema),
        deadline=deadline,
        limit=limit,
        retry=Retry(retry),
        fresh=fresh,
        raw=raw,
    )
    settings = engine.config.run.updated({"dedupe": dedupe, "repeat": repeat}, "Python")
    return on_a_loop(lambda: _run(engine, replace(engine.config, run=settings), options, rows))


def map(  # noqa: A001, PLR0913  list in, list out, as the built-in; each is an option of its own
    requests: Requests,
    *,
    model: str | None = None,
    system: str | None = None,
    params: Mapping[str, Any] | None = None,
    embed: bool = False,
    batch_size: int | None = None,
    schema: Schema | None = None,
    limits: Mapping[str, str] | None = None,
    concurrency: int | Mapping[str, int] | None = None,
    endpoints: Mapping[str, Endpoint | Function] | None = None,
    config: Config | str | Path | None = None,
    fallback: Sequence[str] | None = None,
    hedge: bool | None = None,
    cache: bool | str | Path | None = None,
    deadline: float | None = None,
    results: str | PathLike[str] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[Outcome]:
    """Send requests and return their outcomes, in order; for many use `run`.

        outcomes = brimline.map(["Say hi", "Say bye"], model="openai/gpt-5-mini")

    Args:
        requests: Prompts, rows as in a file (dicts), or `Request`s; or a data frame or another table, as for `run`.
        model: The model reference, for items that name none; it replaces a row's own.
        system: System message for items that have none.
        params: Generation parameters; they win over an item's own.
        embed: As for `run`.
        batch_size: As for `run`.
        schema: As for `run`; an outcome's `value` is what the answer says.
        limits: As for `run`.
        concurrency: As for `run`.
        endpoints: As for `run`.
        config: As for `run`.
        fallback: As for `run`.
        hedge: As for `run`.
        cache: As for `run`.
        deadline: Seconds; then all that is left is `Failure(cancelled)`.
        results: A file that keeps the outcomes, so that what is in it is not sent again (none), as for `Engine.stream`.
        on_progress: As for `run`.

    Raises:
        ConfigError: A setting is wrong; nothing was sent.
        OutputError: `results` cannot be used, or another process holds it; nothing was sent.
    """
    engine = Engine(
        limits=limits,
        concurrency=concurrency,
        endpoints=endpoints,
        config=config,
        fallback=fallback,
        hedge=hedge,
        batch_size=batch_size,
        cache=cache,
        on_progress=on_progress,
    )
    maker = Maker(model, system, params, embed=embed, schema=schema, keyed=results is not None)
    rows = rows_of(requests)
    items = rows if isinstance(rows, AsyncIterable) else [*rows]
    return on_a_loop(lambda: _map(engine, items, maker, deadline, results))


def _rows_for(items: Any, output: str | PathLike[str] | None) -> tuple[Path, GivenRows | AsyncIterable[Any]]:
    """Return the file that keeps rows from Python for a later run, and the rows; read here, in the caller's thread."""
    if output is None:
        raise UsageError("rows need a file for their results", hint="Give output='...', or use brimline.map.")
    path, rows = Path(f"{Path(output)}.input.jsonl"), rows_of(items)
    if isinstance(rows, AsyncIterable):
        return path, rows
    given = GivenRows()
    for row in rows:
        given.add(row)
    return path, given


async def _run(
    engine: Engine, config: Config, options: RunOptions, rows: GivenRows | AsyncIterable[Any] | None
) -> Report:
    given = await _collected(rows) if isinstance(rows, AsyncIterable) else rows
    prepared = prepare(options, config, None if given is None else given.table())
    if given is not None and prepared.folder is not None:
        try:
            given.save(options.input)
        except BaseException:
            prepared.release()
            raise
    async with engine:
        report = await Execution(engine, prepared).run()
    if report.error is not None:
        raise RunError(
            f"the run could not go on: {report.error}", hint="What was answered is kept; run it again."
        )
    return report


async def _collected(rows: AsyncIterable[Any]) -> GivenRows:
    given = GivenRows()
    async for row in rows:
        given.add(row)
    return given


async def _map(
    engine: Engine,
    requests: list[Item] | AsyncIterable[Item],
    maker: Maker,
    deadline: float | None,
    results: str | PathLike[str] | None,
) -> list[Outcome]:
    items = [item async for item in requests] if isinstance(requests, AsyncIterable) else requests
    async with engine, aclosing(numbered(engine, items, maker, deadline, results)) as stream:
        outcomes = {number: outcome async for number, outcome in stream}
    return [outcomes[number] for number in range(len(items))]


def on_a_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `work` to its end on a loop of our own; in a thread if this one has a running loop (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run_here(work)
    results: list[T] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            results.append(_run_here(work))
        except BaseException as error:  # noqa: BLE001  raised again where it was asked for
            errors.append(error)

    thread = threading.Thread(target=body, name="brimline")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _run_here(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    import uvloop  # noqa: PLC0415  only where a loop is ours

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work())
