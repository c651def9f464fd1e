"""The table of docs/benchmarks.md, made of the raw results and of nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.contract import BenchmarkError
from benchmarks.league.clients import CLIENTS
from benchmarks.league.record import Record
from benchmarks.league.scenarios import SCENARIOS, Scenario
from benchmarks.process import HERE

PAGE = HERE.parent / "docs" / "benchmarks.md"
BEGIN = "<!-- league: from here on made by `python -m benchmarks.league table` -->"
END = "<!-- league: up to here -->"

Results = Mapping[tuple[str, str], Record]


def update(page: str, records: Iterable[Record]) -> str:
    """Return a page with the tables between its two marks made anew.

    Raises:
        BenchmarkError: The page lacks the marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchmarkError("the page lacks the marks between which the tables stand")
    return f"{before}{BEGIN}\n\n{render(records)}\n{END}{after}"


def write(records: Iterable[Record], page: Path = PAGE) -> None:
    """Make the tables of the page anew."""
    page.write_text(update(page.read_text(encoding="utf-8"), records), encoding="utf-8")


def render(records: Iterable[Record]) -> str:
    """Return all tables."""
    results = {(record.scenario, record.client): record for record in records}
    if not results:
        return "Nothing has been raced yet.\n"
    raced = [name for name in SCENARIOS if any(scenario == name for scenario, _ in results)]
    parts = [_conditions(results), _overview(results, raced)]
    parts += [_scenario(name, results) for name in raced]
    parts.append(_entrants(results))
    return "\n".join(parts)


def _conditions(results: Results) -> str:
    """Say when and on what all this was measured."""
    conditions = [record.conditions for record in results.values()]
    dates = sorted({each.date[:10] for each in conditions})
    loads = sorted(each.load_before for each in conditions)
    machine = conditions[0].machine
    return (
        f"Measured {' to '.join(dict.fromkeys((dates[0], dates[-1])))} on {machine['processors']} shared, noisy cores "
        f"({machine['processor']}), {machine['system']}, Python {machine['python']}; load average before a race "
        f"{loads[0]:.1f} to {loads[-1]:.1f}.\n"
    )


def _overview(results: Results, raced: Sequence[str]) -> str:
    """Return one line for each client: time over the ideal, or how far it got."""
    timed = [name for name in raced if SCENARIOS[name].ideal is not None]
    head = ["client", *(SCENARIOS[name].title for name in timed)]
    lines = [
        [CLIENTS[client].title, *(_cell(results.get((name, client))) for name in timed)]
        for client in CLIENTS
        if any((name, client) in results for name in timed)
    ]
    about = (
        "Time over the ideal, where every row was answered; otherwise how many were, and whether the client ended by "
        "itself (lost the rest) or was stopped.\n"
    )
    return f"### Overview\n\n{about}\n{grid(head, lines)}"


def _cell(record: Record | None) -> str:
    if record is None:
        return ""
    if record.ratio is not None:
        return f"{record.ratio:.2f}"
    worst = record.worst
    return f"{worst.answered:,} of {worst.rows:,}{', stopped' if worst.was_stopped else ''}"


def _scenario(name: str, results: Results) -> str:
    """Return the table of one scenario, the best first."""
    scenario = SCENARIOS[name]
    records = sorted((record for (of, _), record in results.items() if of == name), key=_rank)
    head = ["client", "time s", "x ideal", "429s", "lost", "paid twice", "CPU s", "MiB", "remark"]
    if scenario.shows_load:
        head[6:6] = ["latency s", "in flight"]
    if scenario.ideal is None:
        head = ["client", "CPU s", "CPU ms a row", "wall s", "MiB", "lost", "remark"]
    lines = [_line(record, scenario) for record in records]
    absent = [
        [client.title, *[""] * (len(head) - 2), f"not entered: {client.absent[name]}"]
        for client in CLIENTS.values()
        if name in client.absent
    ]
    return f"### {scenario.title.capitalize()}\n\n{_about(scenario)}\n\n{grid(head, lines + absent)}"


def _about(scenario: Scenario) -> str:
    rows = f"{scenario.rows:,} row{'s' if scenario.rows > 1 else ''}"
    bounds = f"Stopped after {scenario.patience:.0f} s."
    if scenario.ideal is not None:
        bounds = f"{rows}, ideal {scenario.ideal:.2f} s; stopped after {scenario.patience:.0f} s."
    return f"{scenario.about} {bounds}" + (
        f" Medians of {scenario.rounds} rounds." if scenario.rounds > 1 else ""
    )


def _rank(record: Record) -> tuple[bool, float, float]:
    """All rows answered first, then the faster or the cheaper, then who answered more."""
    cpu = record.median(lambda run: run.cpu_s) or 0.0
    return not record.is_complete, -record.worst.answered, record.ratio or cpu


def _line(record: Record, scenario: Scenario) -> list[str]:
    title = CLIENTS[record.client].title
    cpu, peak = (f"{record.median(pick):.2f}" for pick in (lambda run: run.cpu_s, lambda run: run.peak_mb))
    peak = peak.partition(".")[0]
    lost, remark = f"{record.worst.lost:,}", _remark(record)
    if scenario.ideal is None:
        wall = f"{record.median(lambda run: run.wall_s):.2f}"
        each = f"{record.median(lambda run: run.cpu_s * 1e3 / run.rows):.2f}"
        return [title, cpu, each, wall, peak, lost, remark]
    span = record.median(lambda run: run.span_s)
    line = [title, f"{span:.1f}" if span else "", f"{record.ratio:.2f}" if record.ratio else "-"]
    counts = [record.median(lambda run: run.refused), record.median(lambda run: run.twice)]
    refused, twice = (f"{count:,.0f}" if count is not None else "" for count in counts)
    load = [
        f"{record.median(lambda run: run.latency_s) or 0:.2f}",
        f"{record.median(lambda run: run.in_flight) or 0:.0f}",
    ]
    return [*line, refused, lost, twice, *(load if scenario.shows_load else []), cpu, peak, remark]


def _remark(record: Record) -> str:
    worst = record.worst
    if worst.was_stopped:
        return f"stopped after {worst.wall_s:.0f} s, {worst.answered:,} of {worst.rows:,} answered"
    return f"exit code {worst.exit_code}" if worst.exit_code else ""


def _entrants(results: Results) -> str:
    """Return who took part, with versions, script and settings."""
    lines = []
    for name, client in CLIENTS.items():
        records = [record for (_, of), record in results.items() if of == name]
        if records:
            versions = sorted({_versions(record) for record in records})
            link = f"[{client.path.name}](../benchmarks/league/peers/{client.path.name})"
            lines.append([client.title, "; ".join(versions), link])
    settings = [
        f"- **{client.title}**: {' '.join(client.settings.split())}"
        for name, client in CLIENTS.items()
        if any(of == name for _, of in results) and client.only is None
    ]
    table = grid(["client", "versions", "script"], lines)
    return f"### Versions and settings\n\n{table}\n" + "\n".join(settings) + "\n"


def _versions(record: Record) -> str:
    return ", ".join(f"{package} {version}" for package, version in record.conditions.versions.items())


def grid(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, numbers to the right."""
    rule = ["---", *("---" if title in {"remark", "versions", "script"} else "---:" for title in head[1:])]
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *lines))
