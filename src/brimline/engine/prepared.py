"""A run that is ready to be sent: input checked, results locked and matched, what is to be sent chosen."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from brimline.config import Config
from brimline.data.inputs import open_table, stem_of
from brimline.data.plan import Plan
from brimline.data.rows import Table
from brimline.engine.choose import Choice, choose, equal_requests, sample_numbers
from brimline.engine.clock import wall_clock
from brimline.engine.options import STREAM, RunOptions
from brimline.engine.prepare import Checked, check_input, make_recipe, match_results
from brimline.errors import OutputError
from brimline.store.attempts import History, name_request, read_history
from brimline.store.folder import RunFolder, make_cache_folder
from brimline.store.lines import Recorded
from brimline.store.matching import Match, Standing, standing_of
from brimline.store.results import ResultsReader, check_writable, make_results, mend_tail

OTHER_FORMATS = {".csv", ".parquet", ".gz", ".zst", ".xlsx"}
"""Endings of files that are not JSONL."""


@dataclass(slots=True)
class Prepared:
    """Everything a run needs before its first request.

    Attributes:
        options: What is asked.
        config: The configuration.
        checked: The input.
        matched: How what is on file belongs to it.
        choice: What is to be sent, and what is not since it is equal.
        folder: The folder beside the results, locked; None if results go to standard output.
        lines: Lines that the results file holds.
        history: What earlier processes left behind.
        is_stale: Whether recorded lines may repeat columns that rows do not have any more.
        kept_aside: Where `--fresh` has put the old results, or None.
        notices: What people should know.
    """

    options: RunOptions
    config: Config
    checked: Checked
    matched: Match
    choice: Choice
    folder: RunFolder | None = None
    lines: int = 0
    history: History = field(default_factory=lambda: History(frozenset(), ()))
    is_stale: bool = False
    kept_aside: Path | None = None
    notices: list[str] = field(default_factory=list)

    def release(self) -> None:
        """Let another process write the results."""
        if self.folder is not None:
            self.folder.release()


def prepare(options: RunOptions, config: Config, given: Table | None = None) -> Prepared:
    """Lock the results, check the input and match what is on file; send nothing.

    Args:
        options: What is asked.
        config: The configuration.
        given: The input, where it does not come from the file that the options name.

    Raises:
        InputError: The input cannot be run; all its problems are in it.
        OutputError: The results file cannot be used, or another process holds it.
        ConfigError: A template is none, or there can be no cache where it should be.
    """
    output = options.results
    to_file = output != STREAM
    if to_file:
        _check_name(output)
        check_writable(output)
        if output.exists() and options.input.exists() and output.samefile(options.input):
            raise OutputError(f"{output} is the input", hint="Give another file with -o.")
    recipe = make_recipe(options, options.input.parent if given is None else Path(), config)
    needs_keys = config.run.dedupe or config.cache is not None
    if config.cache is not None:
        make_cache_folder(config.cache)
    table = open_table(options.input) if given is None else given
    if not to_file:
        checked = check_input(table, recipe, config, with_keys=needs_keys)
        checked.require()
        matched = Match(checked.plan.requests)
        return Prepared(
            options, config, checked, matched, _choose(options, config, checked, matched.standing)
        )
    folder = RunFolder(output)  # first of all: whoever holds it may be about to answer what this would send
    try:
        is_resumed = not options.fresh and output.exists() and output.stat().st_size > 0
        checked = check_input(table, recipe, config, with_keys=is_resumed or needs_keys)
        checked.require()
        return _with_results(options, config, checked, folder)
    except BaseException:
        folder.discard()
        folder.release()
        raise


def _check_name(output: Path) -> None:
    """Results are JSONL, whatever their file is called; a name that says otherwise would lie."""
    if output.suffix.lower() in OTHER_FORMATS:
        plain = output.with_name(f"{stem_of(output)}.jsonl")
        hint = f"Write them with -o {plain}, then: brimline export {plain} -o {output}"
        raise OutputError(f"{output}: results are written as JSONL", hint=hint)


def _with_results(options: RunOptions, config: Config, checked: Checked, folder: RunFolder) -> Prepared:
    output, plan = options.results, checked.plan
    history = read_history(folder.attempts, now=wall_clock(), span=_longest_window(plan, config))
    matched = Match(plan.requests)
    prepared = Prepared(options, config, checked, matched, Choice({}), folder, history=history)
    chosen = bytearray(1)
    if options.fresh:
        prepared.kept_aside = _keep_aside(output)
        folder.turns.unlink(missing_ok=True)
    elif output.exists():
        unfinished = set(history.unfinished)
        reader = ResultsReader(output)
        lines = _chosen(_without_results(reader, unfinished), options, chosen)
        prepared.matched = match_results(output, checked, reader, lines, is_known=folder.attempts.exists())
        prepared.matched.strays.extend(reader.damaged)
        prepared.history = History(frozenset(unfinished), history.recent)
        prepared.lines = reader.lines
        prepared.is_stale = _is_stale(folder.read_manifest(), checked.plan.table.source.stamp)
        _tidy(output, reader, prepared.notices)
    standing = prepared.matched.standing
    if options.only is not None:
        standing = _only(prepared.matched, chosen)
    prepared.choice = _choose(options, config, checked, standing, prepared.matched.standing)
    checked.forget()
    make_results(output)
    return prepared


def _choose(
    options: RunOptions,
    config: Config,
    checked: Checked,
    standing: bytearray,
    on_file: bytearray | None = None,
) -> Choice:
    keys, repeat = checked.identities.keys, config.run.repeat
    equals = equal_requests(keys, repeat) if config.run.dedupe else ()
    choice = choose(checked.plan, standing, options, equals, on_file=on_file)
    if config.cache is not None and not config.run.dedupe:
        choice.samples = sample_numbers(keys, repeat)
    return choice


def _is_stale(manifest: dict[str, Any], stamp: list[int]) -> bool:
    """Whether the input was changed since its rows were written into results; unknown counts as no."""
    was = manifest.get("input_stamp")
    return bool(manifest.get("stale")) or (was is not None and was != stamp)


def _longest_window(plan: Plan, config: Config) -> int:
    """Return how far back, ns, a quota of these models and groups looks."""
    quotas = [quota for model in config.answering(plan.models) for quota in config.limits(model).quotas]
    quotas += [quota for _, group in plan.lanes.values() for quota in config.group_quotas(group)]
    return max((quota.window for quota in quotas), default=0)


def _without_results(reader: ResultsReader, unfinished: set[bytes]) -> Iterator[tuple[int, Recorded]]:
    """Pass recorded lines on; requests that have their answer are no more unfinished."""
    for line, recorded in reader:
        if unfinished and standing_of(recorded) in {Standing.OK, Standing.HOPELESS}:
            unfinished.discard(name_request(recorded.id, recorded.key, recorded.sample))
        yield line, recorded


def _chosen(
    lines: Iterator[tuple[int, Recorded]], options: RunOptions, chosen: bytearray
) -> Iterator[tuple[int, Recorded]]:
    """Pass recorded lines on, and mark those that failed for one of the kinds that are to be sent again."""
    for line, recorded in lines:
        if options.only is not None:
            chosen.extend(bytes(line - len(chosen)))
            chosen.append(recorded.kind in options.only)
        yield line, recorded


def _only(matched: Match, chosen: bytearray) -> bytearray:
    """Return how requests stand, as if all but those whose line is marked had their outcome."""
    standing = bytearray(matched.standing)
    for number, line in enumerate(matched.line_of):
        again = standing[number] and chosen[line]
        standing[number] = Standing.MISSING if again else Standing.OK
    return standing


def _tidy(output: Path, reader: ResultsReader, notices: list[str]) -> None:
    """Cut the torn tail of a crash, and say what else is wrong."""
    if cut := mend_tail(output, reader.end):
        notices.append(f"{output}: the last {cut} bytes were torn by a crash and were cut off")
    if reader.damaged:
        lines = ", ".join(map(str, reader.damaged[:5]))
        notices.append(f"{output}: {len(reader.damaged)} damaged lines are put aside (line {lines} ...)")


def _keep_aside(output: Path) -> Path | None:
    """Move the old results to a name of their own."""
    if not output.exists():
        return None
    stamp = datetime.fromtimestamp(wall_clock() / 1e9, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = output.with_name(f"{output.name}.{stamp}")
    output.rename(aside)
    return aside
