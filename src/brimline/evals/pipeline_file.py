"""A pipeline in a TOML file: `[[steps]]` in the words of `Ask`, `Map`, `Split` and `Gather`, functions as `module:name`."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brimline.config import Endpoint, LimitRule
from brimline.config.endpoints import built_in, read_endpoint
from brimline.config.limits import read_limits
from brimline.config.section import Section
from brimline.data.shape import Schema
from brimline.engine.callables import find_function
from brimline.engine.options import Share
from brimline.errors import ConfigError
from brimline.evals.steps import Ask, Gather, Map, PipelineStep, Split, check_steps, parse_json

NONE = Share(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineFile:
    """What a file says of a pipeline; its paths are relative to it.

    Attributes:
        steps: The steps.
        input: Where rows come from.
        output: Where rows go.
        folder: Where outcomes are kept.
        deadline: Seconds.
        stop_after_failed: It stops when more rows than this have failed.
        max_failed: More failed rows than this are a failed run.
        endpoints: Endpoints of its own.
        rules: Limits of its own.
    """

    steps: tuple[PipelineStep, ...]
    input: Path | None = None
    output: Path | None = None
    folder: Path | None = None
    deadline: float | None = None
    stop_after_failed: int | None = None
    max_failed: Share = NONE
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    rules: tuple[LimitRule, ...] = ()


def read_pipeline(file: Path) -> PipelineFile:
    """Read a file. Modules beside it are found.

    Raises:
        ConfigError: Something in it is wrong; the message says where.
    """
    section = Section.read(file)
    base = file.parent
    if str(base.resolve()) not in sys.path:
        sys.path.insert(0, str(base.resolve()))
    steps = tuple(_read_step(step, base) for step in _tables(section))
    known = built_in()
    read = PipelineFile(
        steps=steps,
        input=_path(section, "input", base),
        output=_path(section, "output", base),
        folder=_path(section, "folder", base),
        deadline=section.duration("deadline"),
        stop_after_failed=section.take("stop_after_failed", int),
        max_failed=_share(section),
        endpoints={
            name: read_endpoint(table, known.get(name)) for name, table in section.tables("endpoints").items()
        },
        rules=tuple(read_limits(table, pattern) for pattern, table in section.tables("limits").items()),
    )
    section.finish()
    try:
        check_steps(steps)
    except ConfigError as error:
        raise section.error("steps", str(error)) from None
    return read


def _tables(section: Section) -> list[Section]:
    tables = []
    for number, values in enumerate(section.take("steps", list) or [], 1):
        if not isinstance(values, dict):
            raise section.error("steps", f"expected tables [[steps]], got {values!r}")
        tables.append(Section(values, section.file, f"steps[{number}]"))
    return tables


def _read_step(section: Section, base: Path) -> PipelineStep:
    kinds: dict[str, Callable[[Section, str, Path], PipelineStep]] = {
        "ask": _read_ask,
        "map": _read_map,
        "split": _read_split,
        "gather": _read_gather,
    }
    given = {kind: word for kind in kinds if (word := section.take(kind, str)) is not None}
    if len(given) != 1:
        said = " and ".join(given) or "none"
        raise ConfigError(
            f"{section.file}: {section.path}: a step has one of ask, map, split and gather, not {said}"
        )
    ((kind, word),) = given.items()
    try:
        step = kinds[kind](section, word, base)
    except ConfigError as error:
        where = f"{section.file}: "
        raise error if str(error).startswith(where) else section.error(kind, str(error)) from None
    section.finish()
    return step


def _read_ask(section: Section, name: str, base: Path) -> Ask:
    prompt, prompt_file = section.take("prompt", str), _path(section, "prompt_file", base)
    if prompt is not None and prompt_file is not None:
        raise section.error("prompt_file", "prompt is given, too")
    return Ask(
        name,
        model=section.take("model", str),
        prompt=prompt if prompt_file is None else _text(section, prompt_file),
        system=section.take("system", str),
        schema=_schema(section, base),
        params=section.take("params", dict) or {},
        parse=_parser(section),
    )


def _read_map(section: Section, word: str, _: Path) -> Map:
    return Map(_function(section, "map", word), name=section.take("name", str) or "")


def _read_split(section: Section, word: str, _: Path) -> Split:
    size, into, name = section.take("size", int), section.take("into", str), section.take("name", str)
    return Split(word, into or "", size=4000 if size is None else size, name=name or "split")


def _read_gather(section: Section, word: str, _: Path) -> Gather:
    complete = section.take("complete", str)
    return Gather(
        _function(section, "gather", word),
        of=section.take("of", str) or "id",
        by=section.take("by", str),
        complete=None if complete is None else _function(section, "complete", complete),
        name=section.take("name", str) or "",
    )


def _parser(section: Section) -> Callable[[Any], Any] | None:
    word = section.take("parse", str)
    if word is None:
        return None
    parser: Callable[[Any], Any] = parse_json if word == "json" else _function(section, "parse", word)
    return parser


def _function(section: Section, key: str, reference: str) -> Any:
    module, colon, name = reference.partition(":")
    if not (module and colon and name):
        raise section.error(key, f"expected a function as 'module:name', got '{reference}'")
    try:
        return find_function(Endpoint(function=reference))
    except ConfigError as error:
        raise section.error(key, str(error)) from None


def _schema(section: Section, base: Path) -> Schema | None:
    schema = section.take_either("schema", str, dict)
    return base / schema if isinstance(schema, str) else schema


def _path(section: Section, key: str, base: Path) -> Path | None:
    text = section.take(key, str)
    return None if text is None else base / Path(text).expanduser()


def _share(section: Section) -> Share:
    value = section.take_either("max_failed", int, str)
    try:
        return Share.parse(str(value or 0))
    except ConfigError as error:
        raise section.error("max_failed", str(error)) from None


def _text(section: Section, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise section.error("prompt_file", f"{path}: {error}") from None
