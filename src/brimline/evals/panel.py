"""A panel of judges: who they are, what they are asked about an answer, and what their replies come to."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brimline.data.shape import Shape
from brimline.data.template import RenderError
from brimline.errors import ConfigError, InputError
from brimline.evals.folder import Settings, read_settings, read_templates
from brimline.evals.records import Answer, Ask, Row, ask_with, judge_rows, with_images
from brimline.evals.rubric import Rubric, Verdict, read_rubric

SWAPPED = "-swapped"
"""Behind the name of a comparison that shows the answers in the other order."""

LONGEST = 40
"""Characters of a verdict in free text; what is longer is an essay."""

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Panel:
    """The judges and what they are asked.

    Attributes:
        judges: Who judges, by name: `api`, `model_name` and `parameters`, or a `model`.
        asks: What they are asked, by the name of the template.
        rubric: Which verdicts count; None: any short text or number.
    """

    judges: Mapping[str, Settings]
    asks: Mapping[str, Ask]
    rubric: Rubric | None = None

    @property
    def name(self) -> str:
        """What it is called in the names of files; a folder's is empty, as in prompto."""
        return "" if self.rubric is None else self.rubric.name

    @property
    def is_pairwise(self) -> bool:
        """Whether it compares two answers."""
        return self.rubric is not None and self.rubric.kind == "pairwise"

    @property
    def shape(self) -> Shape | None:
        """What a judge's reply has to be like."""
        return None if self.rubric is None else Shape(self.rubric.schema, self.rubric.read)

    def rows(self, answers: Iterable[Answer]) -> Iterator[dict[str, Any]]:
        """Yield what is sent: a row for each judge, template and answer."""
        return judge_rows(answers, self.judges, self.asks)

    def judge_of(self, line: Row) -> str | None:
        """Return which judge has written a line of results; None if it is none of them."""
        begin = f"judge-%s-{line.get('template_name')}-"
        fitting = [
            name
            for name, settings in self.judges.items()
            if str(line.get("id")).startswith(begin % name)
            and all(line.get(key) == value for key, value in settings.items())
        ]
        return max(fitting, key=len, default=None)

    def verdicts(self, line: Row) -> dict[str, Verdict | float]:
        """Return the verdicts of an answered line by what was judged; empty where it holds none."""
        if self.rubric is not None:
            with suppress(ValueError):
                return dict(self.rubric.verdicts(line.get("response")))
            return {}
        verdict = plain_verdict(line.get("response"))
        return {} if verdict is None else {str(line.get("template_name")): verdict}


def plain_verdict(response: Any) -> float | str | None:
    """Return the number or the few words that a reply in free text is; None if it is longer."""
    text = response.strip().strip("\"'`*.! \n").lower() if isinstance(response, str) else ""
    if _NUMBER.fullmatch(text):
        return float(text)
    return text if 0 < len(text) <= LONGEST else None


def folder_panel(folder: Path, templates: Sequence[str], judges: Sequence[str]) -> Panel:
    """Return the panel that a folder in prompto's form describes.

    Raises:
        ConfigError: Something in it is missing or wrong.
    """
    texts = read_templates(folder, templates)
    return Panel(read_settings(folder, judges), {name: ask_with(text) for name, text in texts.items()})


def rubric_panel(path: Path, judges: Sequence[str] = ()) -> Panel:
    """Return the panel that a rubric describes; `judges` replace its own.

    Raises:
        ConfigError: It is wrong, or nobody judges.
    """
    rubric = read_rubric(path)
    named = tuple(dict.fromkeys(judges or rubric.judges))
    if not named:
        raise ConfigError(
            f"{path} names no judges", hint="Give --judge ENDPOINT/MODEL, or write judges = [...] there."
        )
    for judge in named:
        if "/" not in judge:
            raise ConfigError(f"judge '{judge}' is no model reference like 'openai/gpt-5'")
    people = {judge: {"model": judge} for judge in named}
    if rubric.kind == "pairwise":
        asks = {rubric.name: _pair(rubric), rubric.name + SWAPPED: _pair(rubric, is_swapped=True)}
        return Panel(people, asks, rubric)
    return Panel(people, {rubric.name: _single(rubric)}, rubric)


def _single(rubric: Rubric) -> Ask:
    def ask(answer: Answer) -> Any:
        with _named(answer):
            return with_images(rubric.prompt(answer.row), answer.images)

    return ask


def _pair(rubric: Rubric, *, is_swapped: bool = False) -> Ask:
    def ask(answer: Answer) -> Any:
        one, other = answer.row["response_a"], answer.row["response_b"]
        first, second = (other, one) if is_swapped else (one, other)
        with _named(answer):
            return with_images(rubric.pair(answer.row, first, second), answer.images)

    return ask


@contextmanager
def _named(answer: Answer) -> Iterator[None]:
    """Name the row that a template cannot be filled from."""
    try:
        yield
    except RenderError as error:
        raise InputError(f"row {answer.name} {error}") from None
