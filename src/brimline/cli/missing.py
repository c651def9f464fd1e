"""`brimline status OUTPUT --missing`: the rows that have no answer, ready to be run, and why they have none."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from brimline.cli.text import clean, plural
from brimline.data.writers import whole_file
from brimline.engine.missing import Missing, missing_of

SHOWN = 5
"""So many different reasons are shown."""

TOLD = 120
"""So much of a reason is shown."""


def show_missing(output: Path, target: Path | None, *, to_json: bool) -> int:
    """Write the rows of a run that have no answer to `target` or standard output; say on standard error why."""
    reasons: Counter[str] = Counter()
    lines = _lines(_noted(missing_of(output), reasons), to_json=to_json)
    if target is None:
        for line in lines:
            click.echo(line)
    else:
        with whole_file(target, overwrite=False) as path, path.open("wb") as file:
            file.writelines(line + b"\n" for line in lines)
    for text in _summary(reasons, target):
        click.echo(clean(text), err=True)
    return 0


def _noted(found: Iterable[Missing], reasons: Counter[str]) -> Iterator[Missing]:
    for missing in found:
        reasons[f"{missing.kind}: {missing.message[:TOLD]}" if missing.message else missing.kind] += 1
        yield missing


def _lines(found: Iterable[Missing], *, to_json: bool) -> Iterator[bytes]:
    """Yield each row as it was given, once; or an object for each request."""
    last = -1
    for missing in found:
        if to_json:
            yield msgspec.json.encode(_as_json(missing))
        elif missing.number != last:
            yield msgspec.json.encode(missing.columns)
        last = missing.number


def _as_json(missing: Missing) -> dict[str, Any]:
    return {
        "id": missing.id,
        "model": missing.model,
        "kind": missing.kind,
        "message": missing.message,
        "row": missing.columns,
    }


def _summary(reasons: Counter[str], target: Path | None) -> Iterator[str]:
    if not reasons:
        yield "Every request has its answer."
        return
    where = "" if target is None else f"; their rows are in {target}"
    yield f"{plural(reasons.total(), 'request')} without an answer{where}"
    for reason, count in reasons.most_common(SHOWN):
        yield f"  {count:,}: {reason}"
    if len(reasons) > SHOWN:
        yield f"  ... and {len(reasons) - SHOWN} other reasons"
