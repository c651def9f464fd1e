"""Rows made of rows, as prompto makes them: for judges, for rephrasing, and of what was rephrased.

What a row was before stands in it under `input-<name>`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple, TypeAlias

from brimline.errors import ConfigError, InputError
from brimline.evals.folder import INPUT, Settings, fill, shown

Row = Mapping[str, Any]
_PREFIX = "input-"


class Answer(NamedTuple):
    """An answered row.

    Attributes:
        name: Its name in the ids of what is made of it.
        row: Its columns and what came of it.
        images: The images of its prompt.
    """

    name: str
    row: Row
    images: Sequence[Mapping[str, Any]] = ()


Ask: TypeAlias = Callable[[Answer], Any]
"""Makes a judge's prompt of an answer."""


class Names:
    """What rows are called in the ids of what is made of them: their id, or `NA`, as prompto has it.

    Ids have to tell rows apart: where several rows have the same, the model follows it, and for rows without one their
    number. Of several answers to one row their number follows.

    Args:
        rows: All of them.
        with_model: Whether the model always follows.
    """

    def __init__(self, rows: Iterable[Row], *, with_model: bool = False) -> None:
        self._with_model = with_model
        self._count = Counter(_id(row) for row in rows)

    def of(self, number: int, row: Row) -> str:
        """Return the name of row `number`."""
        name = _id(row)
        if self._with_model or self._count[name] > 1:
            name = f"{name}-{model_of(row)}" if row.get("id") is not None else str(number)
        return name if row.get("repeat") is None else f"{name}-{row['repeat']}"


def model_of(row: Row) -> str:
    """Return which model answers a row, or has answered it."""
    if isinstance(row.get("model"), str):
        return str(row["model"])
    return f"{row.get('api', '?')}/{row.get('model_name', '?')}"


def ask_with(template: str) -> Ask:
    """Return what fills a template in prompto's form; images go along where it shows the prompt."""

    def ask(answer: Answer) -> Any:
        row = answer.row
        text = fill(template, prompt=shown(row.get("prompt")), response=shown(row.get("response")))
        return with_images(text, answer.images) if INPUT in template else text

    return ask


def with_images(text: str, images: Sequence[Mapping[str, Any]]) -> Any:
    """Return a prompt; with images it is a message, else a text."""
    if not images:
        return text
    return [{"role": "user", "content": [{"type": "text", "text": text}, *images]}]


def judge_rows(
    answers: Iterable[Answer], judges: Mapping[str, Settings], asks: Mapping[str, Ask]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each judge, template and answer, in that order; the answers are gone through for each template."""
    for judge, settings in judges.items():
        for template, ask in asks.items():
            for answer in answers:
                yield {
                    "id": f"judge-{judge}-{template}-{answer.name}",
                    "template_name": template,
                    "prompt": ask(answer),
                    **settings,
                    **_inputs(answer.row),
                }


def rephrase_rows(
    rows: Iterable[Row], models: Mapping[str, Settings], templates: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each model, template and row, in that order; the rows are gone through for each template.

    Raises:
        InputError: A row has no prompt.
    """
    names = Names(rows)
    for (model, settings), (index, template) in product(models.items(), enumerate(templates)):
        for number, row in enumerate(rows):
            prompt = row.get("prompt")
            if prompt is None or prompt == "":
                raise InputError(f"row {number} (id {_id(row)}) has no prompt to rephrase")
            yield {
                "id": f"rephrase-{model}-{index}-{names.of(number, row)}",
                "template_index": index,
                "prompt": fill(template, prompt=shown(prompt)),
                **settings,
                **_inputs(row),
            }


def rephrased_rows(
    results: Iterable[Row], *, parse: Callable[[str], list[str]] | None = None, originals: Iterable[Row] = ()
) -> Iterator[dict[str, Any]]:
    """Yield the rows that were made by rephrasing, then the originals.

    Args:
        results: Answered rows of `rephrase_rows`; what has no answer is left out.
        parse: Takes a response apart where a model gave several; if not given it is one.
        originals: Rows that were rephrased and are kept beside.
    """
    for row in results:
        if row.get("status", "ok") != "ok":
            continue
        restored = {
            name.removeprefix(_PREFIX): value for name, value in row.items() if name.startswith(_PREFIX)
        }
        response = shown(row.get("response"))
        parsed = [response] if parse is None else parse(response)
        for number, prompt in enumerate(parsed):
            name = str(row["id"]) if parse is None else f"{row['id']}-{number}"
            made = {
                "id": name,
                "prompt": prompt,
                "input-prompt": restored.get("prompt"),
                "input-id": restored.get("id"),
            }
            yield made | {name: value for name, value in restored.items() if name not in {"id", "prompt"}}
    yield from ({**row, "input-id": row.get("id")} for row in originals)


def split_numbered_list(text: str) -> list[str]:
    """Return the items of a numbered list (`1. ...`, `2) ...`), or of a text without numbers its lines (prompto's parser)."""
    items = re.findall(r"^\s*\d+\s*[.):]\s*(.+?)\s*(?=^\s*\d+\s*[.):]|\Z)", text, re.MULTILINE | re.DOTALL)
    return items or [line.strip() for line in text.splitlines() if line.strip()]


PARSERS: dict[str, Callable[[str], list[str]]] = {"split_numbered_list": split_numbered_list}
"""Parsers by the name that `--rephrase-parser` takes."""


def find_parser(name: str | None) -> Callable[[str], list[str]] | None:
    """Return the parser called `name`; None for none.

    Raises:
        ConfigError: There is none of that name.
    """
    if name is not None and name not in PARSERS:
        raise ConfigError(f"there is no parser '{name}'; there is {', '.join(PARSERS)}")
    return None if name is None else PARSERS[name]


def _id(row: Row) -> str:
    name = row.get("id")
    return "NA" if name is None else str(name)


def _inputs(row: Row) -> dict[str, Any]:
    return {f"{_PREFIX}{name}": value for name, value in row.items()}
