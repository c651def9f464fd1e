"""Rows made of rows, as prompto makes them: for judges, for rephrasing, and of what was rephrased.

What a row was before stands in it under `input-<name>`. A row without an id is `NA` in the ids that are made of it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from brimline.errors import ConfigError
from brimline.evals.folder import INPUT, Settings, fill, shown

Row = Mapping[str, Any]
_PREFIX = "input-"
_IMAGES = ("image_url", "image", "input_image")


def judge_rows(
    results: Iterable[Row], judges: Mapping[str, Settings], templates: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each judge, template and answered result, in that order; what has no answer is not judged.

    Images of a prompt go to the judge, too, where the template shows it the prompt.
    """
    answered = [row for row in results if row.get("status", "ok") == "ok"]
    for judge, settings in judges.items():
        for template, text in templates.items():
            for row in answered:
                filled = fill(text, prompt=shown(row.get("prompt")), response=shown(row.get("response")))
                yield {
                    "id": f"judge-{judge}-{template}-{_id(row)}",
                    "template_name": template,
                    "prompt": _with_images(filled, row) if INPUT in text else filled,
                    **settings,
                    **_inputs(row),
                }


def rephrase_rows(
    rows: Iterable[Row], models: Mapping[str, Settings], templates: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each model, template and row, in that order."""
    given = [*rows]
    for model, settings in models.items():
        for index, template in enumerate(templates):
            for row in given:
                yield {
                    "id": f"rephrase-{model}-{index}-{_id(row)}",
                    "template_index": index,
                    "prompt": fill(template, prompt=shown(row.get("prompt"))),
                    **settings,
                    **_inputs(row),
                }


def rephrased_rows(
    results: Iterable[Row], *, parse: Callable[[str], list[str]] | None = None, originals: bool = True
) -> Iterator[dict[str, Any]]:
    """Yield the rows that were made by rephrasing, then the originals.

    Args:
        results: Answered rows of `rephrase_rows`; what has no answer is left out.
        parse: Takes a response apart where a model gave several; if not given it is one.
        originals: Whether the rows that were rephrased are kept beside.
    """
    seen: dict[str, dict[str, Any]] = {}
    for row in results:
        restored = {
            name.removeprefix(_PREFIX): value for name, value in row.items() if name.startswith(_PREFIX)
        }
        seen.setdefault(repr(restored.get("id", restored.get("prompt"))), restored)
        if row.get("status", "ok") != "ok":
            continue
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
    if originals:
        yield from ({**row, "input-id": row.get("id")} for row in seen.values())


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


def _id(row: Row) -> Any:
    name = row.get("id")
    return "NA" if name is None else name


def _inputs(row: Row) -> dict[str, Any]:
    return {f"{_PREFIX}{name}": value for name, value in row.items()}


def _with_images(text: str, row: Row) -> Any:
    """Return a judge's prompt; with the images of the row's prompt it is a message, else a text."""
    prompt = row.get("prompt")
    messages = prompt if isinstance(prompt, list) else []
    contents = (
        message.get("content", message.get("parts")) for message in messages if isinstance(message, Mapping)
    )
    parts = [part for content in contents if isinstance(content, list) for part in content]
    images = [part for part in parts if isinstance(part, Mapping) and part.get("type") in _IMAGES]
    if not images:
        return text
    return [{"role": "user", "content": [{"type": "text", "text": text}, *images]}]
