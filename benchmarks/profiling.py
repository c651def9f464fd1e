"""Where brimline's CPU goes in the benchmark `overhead`: a profile of the command, by function and by package.

The command runs in a process of its own under cProfile. Built-in functions are counted with whoever calls them. The
profiler itself makes every call dearer (a run takes about twice as long), so compare shares, not sums. What uvloop and
the kernel take stands under the runner of the standard library; the journal's thread is not in it.
"""

import pstats
from collections import defaultdict
from pathlib import Path

from benchmarks.brimline_cli import PROMPT, Brimline
from benchmarks.inputs import write_questions
from benchmarks.process import HERE, null_server, run_process

SHOWN = 50
_Place = tuple[str, int, str]


def profile(folder: Path, rows: int) -> str:
    """Profile a run of so many rows and return tables in Markdown; times are microseconds a request."""
    source, dump = write_questions(folder, rows), folder / "profile"
    with null_server(folder) as server:
        brimline = Brimline(folder, server.url)
        options = ("-m", "lab/x", *PROMPT, "--concurrency", "256")
        bare = brimline.run(source, *options, timeout=120).expect(0)
        brimline.forget()
        interpreter, *words = brimline.command(source, *options)
        command = [interpreter, HERE / "probes" / "profiled.py", dump, *words[2:]]
        run_process(command, folder=folder, timeout=300).expect(0)
        brimline.require_answers(rows)
    stats = pstats.Stats(str(dump)).stats
    head = f"{rows} rows, {bare.cpu * 1e6 / rows:.0f} us of CPU a request without the profiler\n"
    return "\n".join((head, *_by_package(stats, rows), "", *_by_function(stats, rows)))


def _by_function(stats: dict[_Place, tuple], rows: int) -> list[str]:
    """Return the dearest functions, with the built-in ones they call."""
    own = _own_times(stats)
    dearest = sorted(own, key=own.__getitem__, reverse=True)[:SHOWN]
    lines = ["| own us | with all it calls | calls | function |", "| ---: | ---: | ---: | --- |"]
    for place in dearest:
        _, calls, _, total, _ = stats[place]
        path, number, name = place
        what = f"{_package(path)} {Path(path).name}:{number} {name}"
        lines.append(
            f"| {own[place] * 1e6 / rows:.1f} | {total * 1e6 / rows:.1f} | {calls / rows:.2f} | {what} |"
        )
    return lines


def _by_package(stats: dict[_Place, tuple], rows: int) -> list[str]:
    """Return what each package takes."""
    sums: dict[str, float] = defaultdict(float)
    for place, seconds in _own_times(stats).items():
        sums[_package(place[0])] += seconds
    whole = sum(sums.values())
    dearest = sorted(sums, key=sums.__getitem__, reverse=True)[:20]
    head = ["| us | share | package |", "| ---: | ---: | --- |"]
    return head + [
        f"| {sums[name] * 1e6 / rows:.1f} | {sums[name] / whole:.1%} | {name} |" for name in dearest
    ]


def _own_times(stats: dict[_Place, tuple]) -> dict[_Place, float]:
    """Return the own time of each Python function, with that of the built-in ones it calls."""
    own: dict[_Place, float] = defaultdict(float)
    for place, (_, _, seconds, _, callers) in stats.items():
        if place[0] != "~" or not callers:
            own[place] += seconds
            continue
        for caller, (_, _, spent, _) in callers.items():
            own[caller] += spent
    return own


def _package(path: str) -> str:
    """Return the package that a file belongs to, brimline's by layer."""
    parts = Path(path).with_suffix("").parts
    if "brimline" in parts[:-1]:
        return ".".join(parts[len(parts) - parts[::-1].index("brimline") - 1 : -1])
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    return "built-in" if path == "~" else "standard library"
