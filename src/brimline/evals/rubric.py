"""Rubrics: what a judge is asked about an answer, in which form it says its verdict, and what that verdict is.

A rubric is a TOML file: `judges`, `kind` (`rubric` or `pairwise`), perhaps a `prompt` (Jinja over the row and `response`), and
a table for each criterion with a `question` and its `scale` (two whole numbers) or `choices`.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import msgspec

from brimline.data.template import Template
from brimline.errors import ConfigError
from brimline.evals.folder import shown

Verdict: TypeAlias = int | str
Kind: TypeAlias = Literal["rubric", "pairwise"]

FIRST, SECOND, TIE = "first", "second", "tie"

_RUBRIC = """You judge an answer to a prompt. Judge what is there, not what you would have written.

[Prompt]
{{ prompt }}

[Answer]
{{ response }}

[Criteria]
{{ criteria }}

Reply with JSON only: for each criterion its reason, in a sentence, and then its verdict."""

_PAIRWISE = """You compare two answers to the same prompt. Their order and their length say nothing about their quality.

[Prompt]
{{ prompt }}

[First answer]
{{ first }}

[Second answer]
{{ second }}

[Criteria]
{{ criteria }}

Reply with JSON only: the reason, in a sentence, and then the verdict: "first", "second" or "tie"."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that is judged.

    Attributes:
        name: What it is called.
        question: What the judge is asked.
        verdicts: What the judge may say: whole numbers of a scale, or words.
    """

    name: str
    question: str
    verdicts: tuple[Verdict, ...]

    @property
    def is_scale(self) -> bool:
        """Whether its verdicts are numbers."""
        return all(isinstance(verdict, int) for verdict in self.verdicts)

    def __str__(self) -> str:
        if self.is_scale:
            return f"{self.name}: {self.question} ({self.verdicts[0]} to {self.verdicts[-1]})"
        return f"{self.name}: {self.question} ({', '.join(map(str, self.verdicts))})"


@dataclass(frozen=True, slots=True)
class Rubric:
    """What judges are asked.

    Attributes:
        name: What it is called: its file, without what is behind the dot.
        kind: Whether answers are judged one by one or in pairs.
        judges: Model references.
        criteria: What is judged; of a comparison all of it together.
        template: Makes the judge's prompt.
    """

    name: str
    kind: Kind
    judges: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    template: Template

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of a verdict; the reason comes first, so that the verdict follows from it."""
        if self.kind == "pairwise":
            return _object({"reason": {"type": "string"}, "verdict": _one_of((FIRST, SECOND, TIE))})
        return _object({
            criterion.name: _object({
                "reason": {"type": "string"},
                "verdict": _one_of(criterion.verdicts),
            })
            for criterion in self.criteria
        })

    def prompt(self, row: Mapping[str, Any]) -> str:
        """Return what a judge is asked about an answered row."""
        return self._render(row, response=shown(row.get("response")))

    def pair(self, row: Mapping[str, Any], first: Any, second: Any) -> str:
        """Return what a judge is asked about two answers to a row, in this order."""
        return self._render(row, first=shown(first), second=shown(second))

    def verdicts(self, said: Any) -> dict[str, Verdict]:
        """Return the verdicts in a judge's JSON, by criterion; of a comparison under `verdict`.

        Raises:
            ValueError: It says something else.
        """
        if self.kind == "pairwise":
            return {"verdict": _verdict(said, (FIRST, SECOND, TIE), "verdict")}
        named = said if isinstance(said, Mapping) else {}
        return {
            criterion.name: _verdict(named.get(criterion.name), criterion.verdicts, criterion.name)
            for criterion in self.criteria
        }

    def read(self, text: str) -> dict[str, Verdict]:
        """Return the verdicts in a JSON text.

        Raises:
            ValueError: It is no JSON, or says something else.
        """
        return self.verdicts(msgspec.json.decode(text.encode()))

    def _render(self, row: Mapping[str, Any], **more: str) -> str:
        criteria = "\n".join(f"- {criterion}" for criterion in self.criteria)
        return self.template.render({**row, "prompt": shown(row.get("prompt")), "criteria": criteria, **more})


def both_ways(forth: str, back: str) -> str:
    """Return the verdict of a comparison that was asked in both orders: `first`, `second`, or a tie if they differ.

    Args:
        forth: The verdict with the first answer first.
        back: The verdict with the second answer first.
    """
    turned = {FIRST: SECOND, SECOND: FIRST, TIE: TIE}[back]
    return forth if forth == turned else TIE


def read_rubric(path: Path) -> Rubric:
    """Read a rubric.

    Raises:
        ConfigError: It cannot be read, or something in it is missing or wrong.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}") from None
    unknown = table.keys() - {"kind", "judges", "prompt", "criteria"}
    if unknown:
        raise ConfigError(f"{path}: unknown key '{min(unknown)}'; there is criteria, judges, kind, prompt")
    kind = table.get("kind", "rubric")
    if kind not in {"rubric", "pairwise"}:
        raise ConfigError(f"{path}: kind is 'rubric' or 'pairwise', not {kind!r}")
    judges = table.get("judges", [])
    if not isinstance(judges, list) or not all(isinstance(judge, str) and "/" in judge for judge in judges):
        raise ConfigError(f"{path}: judges is a list of model references like 'openai/gpt-5'")
    prompt = table.get("prompt", _PAIRWISE if kind == "pairwise" else _RUBRIC)
    return Rubric(
        path.stem,
        cast(Kind, kind),
        tuple(judges),
        _criteria(table.get("criteria"), kind, str(path)),
        Template(prompt, f"{path}: prompt"),
    )


def _criteria(tables: Any, kind: str, file: str) -> tuple[Criterion, ...]:
    if not isinstance(tables, dict) or not tables:
        raise ConfigError(f"{file}: there is no criterion; write [criteria.NAME] with question = '...'")
    return tuple(_criterion(name, table, kind, f"{file}: criteria.{name}") for name, table in tables.items())


def _criterion(name: str, table: Any, kind: str, where: str) -> Criterion:
    if not isinstance(table, dict) or not isinstance(table.get("question"), str):
        raise ConfigError(f"{where}: question is missing")
    unknown = table.keys() - {"question", "scale", "choices"}
    if unknown:
        raise ConfigError(f"{where}: unknown key '{min(unknown)}'; there is choices, question, scale")
    scale, choices = table.get("scale"), table.get("choices")
    if kind == "pairwise":
        if scale is not None or choices is not None:
            raise ConfigError(f"{where}: of two answers one is better; it has neither scale nor choices")
        return Criterion(name, table["question"], (FIRST, SECOND, TIE))
    if (scale is None) == (choices is None):
        raise ConfigError(f"{where}: it has either a scale or choices")
    return Criterion(
        name, table["question"], _scale(scale, where) if choices is None else _choices(choices, where)
    )


def _scale(scale: Any, where: str) -> tuple[int, ...]:
    is_one = isinstance(scale, list) and len(scale) == 2 and all(type(end) is int for end in scale)
    if not is_one or not 0 < scale[1] - scale[0] <= 100:
        raise ConfigError(f"{where}: scale is its ends, as [1, 5]")
    return tuple(range(scale[0], scale[1] + 1))


def _choices(choices: Any, where: str) -> tuple[str, ...]:
    is_one = isinstance(choices, list) and all(isinstance(choice, str) and choice for choice in choices)
    if not is_one or len({*choices}) != len(choices) or len(choices) < 2:
        raise ConfigError(f"{where}: choices is a list of at least two different words")
    return tuple(choices)


def _verdict(said: Any, allowed: Sequence[Verdict], what: str) -> Verdict:
    verdict = said.get("verdict") if isinstance(said, Mapping) else None
    if isinstance(verdict, bool) or verdict not in allowed:
        raise ValueError(f"{what}: {verdict!r} is none of {', '.join(map(str, allowed))}")
    return allowed[allowed.index(verdict)]  # 4.0 is a 4


def _one_of(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the schema of one of these; some providers want its type, too."""
    kind = "string" if isinstance(verdicts[0], str) else "integer"
    return {"type": kind, "enum": [*verdicts]}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [*properties],
        "additionalProperties": False,
    }
