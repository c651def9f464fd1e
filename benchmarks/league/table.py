"""The table of docs/benchmarks.md, made of the raw results and of nothing else."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.contract import BenchmarkError
from benchmarks.league.clients import CLIENTS
from benchmarks.league.record import Record
from benchmarks.league.scenarios import SCENARIOS, Scenario
from benchmarks.league.score import Run
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
    loads = sorted(run.load for record in results.values() for run in record.runs)
    machine = conditions[0].machine
    return (
        f"Measured {' to '.join(dict.fromkeys((dates[0], dates[-1])))} on {machine['processors']} shared, noisy cores "
        f"({machine['processor']}), {machine['system']}, Python {machine['python']}. Load average at the end of a race "
        f"{loads[0]:.1f} to {loads[-1]:.1f}: other work ran on the machine.\n"
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
    rounds = max(len(record.runs) for record in records)
    titles = [title for title in COLUMNS if title in _shown(scenario)]
    lines = [[COLUMNS[title](record) for title in titles] for record in records]
    absent = [
        [client.title, *[""] * (len(titles) - 2), f"not entered: {client.absent[name]}"]
        for client in CLIENTS.values()
        if name in client.absent
    ]
    title = f"{scenario.title[0].upper()}{scenario.title[1:]}"
    return f"### {title}\n\n{_about(scenario, rounds)}\n\n{grid(titles, lines + absent)}"


def _shown(scenario: Scenario) -> set[str]:
    """Return the titles of a scenario's columns."""
    if scenario.ideal is None:
        of_one_row = {"CPU ms a row"} if scenario.rows == 1 else set()
        return (
            COLUMNS.keys()
            - {"time s", "x ideal", "429s", "paid twice", "latency s", "in flight"}
            - of_one_row
        )
    only_elsewhere = {"wall s", "CPU ms a row"}
    return COLUMNS.keys() - only_elsewhere - (set() if scenario.shows_load else {"latency s", "in flight"})


def _about(scenario: Scenario, rounds: int) -> str:
    """Describe a scenario, with what it asks for and allows."""
    sentences = [scenario.about]
    if scenario.ideal is not None:
        sentences.append(f"{scenario.rows:,} rows, ideal {scenario.ideal:.2f} s.")
    sentences.append(f"Stopped after {scenario.patience:.0f} s.")
    if rounds > 1:
        sentences.append(f"Medians of up to {rounds} rounds.")
    return " ".join(sentences)


def _rank(record: Record) -> tuple[float, ...]:
    """All rows answered first, then the faster one, with fewer refusals, the cheaper; else who answered more."""
    refused, cpu = (record.median(pick) or 0.0 for pick in (lambda run: run.refused, lambda run: run.cpu_s))
    return not record.is_complete, -record.worst.answered, round(record.ratio or 0.0, 2), refused, cpu


def _median(form: str, figure: Callable[[Run], float | None]) -> Callable[[Record], str]:
    """Return what writes the median of a figure, or nothing where no run has it."""

    def text(record: Record) -> str:
        value = record.median(figure)
        return "" if value is None else format(value, form)

    return text


def _remark(record: Record) -> str:
    worst = record.worst
    if worst.was_stopped:
        return f"stopped after {worst.wall_s:.0f} s, {worst.answered:,} of {worst.rows:,} answered"
    return f"exit code {worst.exit_code}" if worst.exit_code else ""


COLUMNS: Mapping[str, Callable[[Record], str]] = {
    "client": lambda record: CLIENTS[record.client].title,
    "time s": _median(".1f", lambda run: run.span_s),
    "x ideal": lambda record: f"{record.ratio:.2f}" if record.ratio else "-",
    "wall s": _median(".2f", lambda run: run.wall_s),
    "429s": _median(",.0f", lambda run: run.refused),
    "lost": lambda record: f"{record.worst.lost:,}",
    "paid twice": _median(",.0f", lambda run: run.twice),
    "latency s": _median(".2f", lambda run: run.latency_s),
    "in flight": _median(",.0f", lambda run: run.in_flight),
    "CPU s": _median(".2f", lambda run: run.cpu_s),
    "CPU ms a row": _median(".2f", lambda run: run.cpu_s * 1e3 / run.rows),
    "MiB": _median(",.0f", lambda run: run.peak_mb),
    "load": _median(".1f", lambda run: run.load),
    "remark": _remark,
}
"""What the tables of the scenarios show, in this order."""


def _entrants(results: Results) -> str:
    """Return who took part, with versions, script and the settings at that time."""
    lines, settings = [], {}
    for name, client in CLIENTS.items():
        records = [record for (_, of), record in results.items() if of == name]
        if records:
            versions = sorted({_versions(record) for record in records})
            link = f"[{client.path.name}](../benchmarks/league/peers/{client.path.name})"
            lines.append([client.title, "; ".join(versions), link])
            for text in sorted({record.conditions.settings for record in records}):
                settings.setdefault(" ".join(text.split()), client.title)
    table = grid(["client", "versions", "script"], lines)
    listed = "".join(f"- **{title}**: {text}\n" for text, title in settings.items())
    return f"### Versions and settings\n\n{table}\n{listed}"


def _versions(record: Record) -> str:
    return ", ".join(f"{package} {version}" for package, version in record.conditions.versions.items())


def grid(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, numbers to the right."""
    rule = ["---", *("---" if title in {"remark", "versions", "script"} else "---:" for title in head[1:])]
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *lines))
