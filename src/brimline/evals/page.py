"""A comparison as one page of HTML that needs nothing else. What models say is text on it, never markup."""

from collections.abc import Iterable, Mapping
from typing import Any

import jinja2
import msgspec

from brimline.evals.compare import Comparison, RowName

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 110em; padding: 0 1em; color: #222; background: #fff }
table { border-collapse: collapse; margin: 1em 0 } th, td { padding: .35em .8em; text-align: left; vertical-align: top }
thead th { border-bottom: 2px solid #888 } tbody tr { border-bottom: 1px solid #ddd } td.n { text-align: right; white-space: nowrap }
.rows td { width: {{ (90 / sides | length) | round(1) }}%; overflow-wrap: anywhere } pre { margin: 0; white-space: pre-wrap; font: inherit }
.failed { color: #a40000 } .won { background: #edf7ed } .lost { background: #fbeeee } small { color: #666 }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } .won { background: #16301a } .lost { background: #3a1b1b } }
</style></head><body>
<h1>{{ title }}</h1>
<table><thead><tr><th>side</th><th>rows</th><th>answered</th>
{% if scorer %}<th>{{ scorer }}</th>{% endif %}<th>median latency</th><th>cost</th></tr></thead><tbody>
{% for side in sides %}<tr><td>{{ side.name }}</td><td class="n">{{ side.cells | length }}</td><td class="n">{{ side.answered }}</td>
{% if scorer %}<td class="n">{{ side.score or "?" }}</td>{% endif %}
<td class="n">{{ "%.3f s" | format(side.latency) if side.latency is not none else "?" }}</td>
<td class="n">{{ "$%.4f" | format(side.cost) if side.cost is not none else "?" }}</td></tr>{% endfor %}
</tbody></table>
<table><thead><tr><th>beside {{ sides[0].name }}</th><th>rows</th><th>same answer</th>
{% if scorer %}<th>win / tie / loss</th><th>difference</th>{% endif %}<th>latency</th><th>cost a row</th></tr></thead><tbody>
{% for each in differences %}<tr><td>{{ each.name }}</td><td class="n">{{ each.rows }}</td><td class="n">{{ each.same }}</td>
{% if scorer %}<td class="n">{{ each.wins }} / {{ each.ties }} / {{ each.losses }}</td><td class="n">{{ each.score or "?" }}</td>{% endif %}
<td class="n">{{ each.latency or "?" }}</td><td class="n">{{ each.cost or "?" }}</td></tr>{% endfor %}
</tbody></table>
<h2>Rows that differ</h2>
<p>{{ shown }} of {{ differing }}</p>
<table class="rows"><thead><tr><th>row</th>{% for side in sides %}<th>{{ side.name }}</th>{% endfor %}</tr></thead><tbody>
{% for row in rows %}<tr><th>{{ row.name }}{% if row.prompt %}<br><small>{{ row.prompt }}</small>{% endif %}</th>
{% for cell in row.cells %}<td class="{{ cell.mark }}"><pre>{{ cell.text }}</pre>{% if cell.score is not none %}<small>{{ cell.score }}</small>{% endif %}</td>{% endfor %}
</tr>{% endfor %}
</tbody></table>
</body></html>
"""

_SHORT = 300
"""Characters of a prompt that are shown."""

_TEMPLATE = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(_PAGE)


def page(
    comparison: Comparison,
    rows: Iterable[tuple[RowName, Mapping[str, Mapping[str, Any]]]],
    *,
    title: str = "Comparison",
) -> str:
    """Return the page of a comparison with these rows."""
    shown = [_row(comparison, name, lines) for name, lines in rows]
    return _TEMPLATE.render(
        title=title,
        sides=comparison.sides,
        differences=comparison.differences,
        differing=len(comparison.differing),
        scorer=comparison.scorer,
        shown=len(shown),
        rows=shown,
    )


def text_of(line: Mapping[str, Any]) -> str:
    """Return what a line answers, or why it does not, for people."""
    if line.get("status") != "ok":
        error = line.get("error") or {}
        return f"{error.get('kind', 'failed')}: {error.get('message', '')}"
    response = line.get("response")
    return response if isinstance(response, str) else msgspec.json.encode(response).decode()


def _row(comparison: Comparison, name: RowName, lines: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    first = comparison.sides[0].cells[name].score
    cells = []
    for side in comparison.sides:
        line, cell = lines[side.name], side.cells[name]
        mark = "" if cell.is_answered else "failed"
        if first is not None and cell.score is not None and cell.score != first:
            mark = "won" if cell.score > first else "lost"
        cells.append({"text": text_of(line), "score": cell.score, "mark": mark})
    prompt = lines[comparison.sides[0].name].get("prompt")
    shown = (
        prompt if isinstance(prompt, str) else "" if prompt is None else msgspec.json.encode(prompt).decode()
    )
    return {"name": _name(name), "prompt": shown[:_SHORT], "cells": cells}


def _name(row: RowName) -> str:
    return f"{row[0]}, {row[1]}" if row[1] else row[0]
