"""Options that several commands share, and what they add up to."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from brimline.cli.display.base import KINDS
from brimline.config import Config, LimitRule, load_config
from brimline.config.duration import parse_duration
from brimline.config.env_file import read_env_file
from brimline.config.run import read_kinds
from brimline.config.size import parse_size
from brimline.core.quota import Dimension, Quota, parse_quotas
from brimline.core.time import MINUTE
from brimline.data.recipe import parse_value
from brimline.data.shape import shape_of
from brimline.engine.options import Retry, RunOptions, Share
from brimline.errors import BrimlineError, ConfigError

F = TypeVar("F", bound=Callable[..., Any])


class Checked(click.ParamType[Any]):
    """An option's text, read by a function whose `ConfigError` becomes a usage error."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the text."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except BrimlineError as error:
            self.fail(str(error), param, ctx)


def read_rate(text: str) -> LimitRule:
    """Read `[REF-PATTERN=]QUOTA`."""
    pattern, equals, quota = text.rpartition("=")
    if equals and not pattern:
        raise ConfigError(f"'{text}' names no model before the '='")
    return LimitRule(pattern=pattern or "*", quotas=parse_quotas(quota), source="--rate")


def read_concurrency(text: str) -> LimitRule:
    """Read `[REF-PATTERN=]N`."""
    pattern, _, number = text.rpartition("=")
    if not number.isdecimal() or int(number) < 1:
        raise ConfigError(f"'{number}' is no number of requests of at least 1")
    return LimitRule(pattern=pattern or "*", concurrency=int(number), source="--concurrency")


def read_amount(text: str) -> int:
    """Read a number as limits have it: 500, 200k."""
    return parse_quotas(f"{text}/min")[0].amount


def read_param(text: str) -> tuple[str, Any]:
    """Read `KEY=VALUE`, the value as JSON or else as text."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"'{text}' is no KEY=VALUE")
    return key, parse_value(value)


def read_shard(text: str) -> tuple[int, int]:
    """Read `i/N`."""
    part, _, parts = text.partition("/")
    if not part.isdecimal() or not parts.isdecimal() or not 1 <= int(part) <= int(parts):
        raise ConfigError(f"'{text}' is no part; write it like '1/4' up to '4/4'")
    return int(part), int(parts)


def read_folder(text: str) -> Path | bool:
    """Read `--cache`'s folder; without one it is the user's."""
    if Path(text).is_file():
        raise ConfigError(
            f"{text} is a file, and the cache a folder; write --cache after INPUT, or --cache=DIR"
        )
    return Path(text).expanduser() if text else True


RATE = Checked("[PATTERN=]QUOTA", read_rate)
CONCURRENCY = Checked("[PATTERN=]N", read_concurrency)
AMOUNT = Checked("N", read_amount)
PARAM = Checked("KEY=VALUE", read_param)
SHARD = Checked("i/N", read_shard)
SHARE = Checked("N|P%", Share.parse)
FOLDER = Checked("DIR", read_folder)
SIZE = Checked("SIZE", parse_size)
FAULTS = Checked("KIND,...", lambda text: read_kinds([name.strip() for name in text.split(",")]))
SHAPE = Checked("FILE", shape_of)
SPAN = Checked("SECONDS", parse_duration)

RUN = (
    "timeout", "idle_timeout", "stream", "max_tries", "max_wait", "fallback", "fallback_on", "hedge", "share", "dedupe",
    "repeat", "batch_size", "cache", "cache_size",
)  # fmt: skip
"""Options that `[run]` has, too."""

_PARAM = click.option("-P", "--param", "params", type=PARAM, multiple=True,
                      help="Generation parameter, JSON or else text; wins over the row's; repeatable.")  # fmt: skip
_CONFIG = click.option("--config", "config_file", type=click.Path(path_type=Path, dir_okay=False),
                       help="Read this file instead of brimline.toml.")  # fmt: skip
_FALLBACK = [
    click.option(
        "--fallback",
        multiple=True,
        metavar="REF",
        help="Where a request goes that its own model cannot answer; repeatable: one after another.",
    ),
    click.option(
        "--fallback-on",
        type=FAULTS,
        metavar="KIND,...",
        help="For which faults it does, as in content_filter,too_long (all but invalid_request).",
    ),
]
_INPUT = [
    click.argument("input_", metavar="INPUT", type=click.Path(path_type=Path, allow_dash=True)),
    click.option("-m", "--model", "models", multiple=True, metavar="REF",
                 help="ENDPOINT/MODEL, as in openai/gpt-5-mini or sim/echo; repeatable: every row goes to each. "
                      "Replaces the rows' own."),
    click.option("-p", "--prompt", metavar="TEMPLATE", help="Jinja over the row's columns: 'Translate: {{ text }}'."),
    click.option("--prompt-file", type=click.Path(path_type=Path, dir_okay=False), help="The template, in a file."),
    click.option("--prompt-column", metavar="C", help="Column with a text, a list of turns, or messages."),
    click.option("--system", metavar="TEMPLATE", help="System message, for rows without one."),
    _PARAM,
    click.option("--embed", is_flag=True, help="Ask for the embedding of each row's text instead of an answer."),
    click.option("--schema", type=SHAPE,
                 help="JSON schema that answers have to follow; `response` is JSON then."),
    click.option("--repeat", type=click.IntRange(min=1), metavar="N",
                 help="Ask for N answers to every row, numbered from 0 (1)."),
    *_FALLBACK,
    _CONFIG,
]  # fmt: skip
_LIMITS = [
    click.option("--rate", "rates", type=RATE, multiple=True,
                 help="Declared limit for each model, or for those that match: '500/min', 'openai/*=200k tokens/min'; "
                      "repeatable."),
    click.option("--rpm", type=AMOUNT, help="Requests per minute for each model."),
    click.option("--tpm", type=AMOUNT, help="Tokens per minute for each model."),
    click.option("--concurrency", "concurrencies", type=CONCURRENCY, multiple=True,
                 help="Requests in flight for each model (32), or for those that match; repeatable."),
]  # fmt: skip
_SENDING = [
    click.option(
        "--max-tries", type=click.IntRange(min=1), help="Tries of one request (5); refusals do not count."
    ),
    click.option("--timeout", type=SPAN, help="Seconds for one attempt (600)."),
    click.option(
        "--stream/--no-stream",
        default=None,
        help="Have answers sent in pieces, to notice early what stalls (off).",
    ),
    click.option(
        "--idle-timeout", type=SPAN, help="Seconds in which something of a streamed answer has to come (60)."
    ),
    click.option(
        "--no-share",
        "share",
        flag_value=False,
        type=bool,
        default=None,
        help="Do not share declared limits with other runs of the same account on this machine.",
    ),
    click.option(
        "--max-failed", type=SHARE, default="0", help="More failed rows than this mean exit code 3 (0)."
    ),
    click.option(
        "--dedupe/--no-dedupe",
        default=None,
        help="Send equal requests once; every row gets the answer (off).",
    ),
    click.option(
        "--cache",
        type=FOLDER,
        metavar="[DIR]",
        is_flag=False,
        flag_value="",
        help="Take answers from the cache and keep them there; in the user's cache folder if DIR is left out (off).",
    ),
    click.option("--no-cache", is_flag=True, help="Use no cache, whatever the configuration says."),
    click.option("--cache-size", type=SIZE, help="Forget the oldest answers above this (1GB)."),
    click.option("--raw", is_flag=True, help="Keep the provider's whole reply in the results."),
    click.option("--max-wait", type=SPAN, help="The longest wait that a provider may ask for (3600)."),
    click.option(
        "--hedge/--no-hedge",
        default=None,
        help="At the end, send a request once more whose answer is late; both are paid for (off).",
    ),
]
_CHOOSING = [
    click.option("--deadline", type=SPAN, help="Seconds for the run; then nothing more is sent."),
    click.option("--stop-after-failed", type=SHARE, help="Stop when so many rows have failed."),
    click.option("--limit", type=click.IntRange(min=0), help="Send at most so many requests."),
    click.option(
        "--retry",
        type=click.Choice([kind.value for kind in Retry]),
        default="transient",
        show_default=True,
        help="Which failed rows are sent again.",
    ),
    click.option("--fresh", is_flag=True, help="Start over; the old results are kept aside."),
]
_SHOW = [
    click.option("--display", "display_kind", type=click.Choice(KINDS), default="auto", show_default=True),
    click.option(
        "--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True
    ),
    click.option("--json", "to_json", is_flag=True, help="Write the report to standard output as JSON."),
    click.option("--yes", is_flag=True, help="Do not ask."),
    click.option("-q", "--quiet", is_flag=True, help="Show errors only."),
    click.option("-v", "--verbose", is_flag=True, help="Log what the engine does."),
]


def input_options(function: F) -> F:
    """Add the argument and options that say what is sent."""
    return _apply(_INPUT, function)


def limit_options(function: F) -> F:
    """Add the options that declare limits."""
    return _apply(_LIMITS, function)


def setting_options(function: F) -> F:
    """Add those of them that go with rows that brimline has made itself."""
    return _apply([_PARAM, *_FALLBACK, _CONFIG], function)


def run_options(function: F) -> F:
    """Add the options that say how requests are sent, which of them, and when to stop."""
    return _apply([*_SENDING, *_CHOOSING], function)


def sending_options(function: F) -> F:
    """Add those of them that say how requests are sent."""
    return _apply(_SENDING, function)


def show_options(function: F) -> F:
    """Add the options that say what people see."""
    return _apply(_SHOW, function)


def _apply(options: Sequence[Callable[[Any], Any]], function: F) -> F:
    for option in reversed(options):
        function = option(function)
    return function


def make_config(given: dict[str, Any]) -> Config:
    """Take the configuration's options out of `given` and read the configuration.

    Raises:
        ConfigError: Something in it is wrong.
    """
    rules = limit_rules(given)
    run = {name: given.pop(name, None) for name in RUN}
    run["fallback"] = run["fallback"] or None
    env_file = given.pop("env_file", None)
    environment = None if env_file is None else read_env_file(env_file, os.environ)
    return load_config(given.pop("config_file"), flags=rules, run=run, environment=environment)


def limit_rules(given: dict[str, Any]) -> list[LimitRule]:
    """Take the options that declare limits out of `given`."""
    rules: list[LimitRule] = [*given.pop("rates", ()), *given.pop("concurrencies", ())]
    for name, dimension in (("rpm", Dimension.REQUESTS), ("tpm", Dimension.TOKENS)):
        amount = given.pop(name, None)
        if amount is not None:
            rules.append(LimitRule(quotas=(Quota.of(amount, MINUTE, dimension),), source=f"--{name}"))
    return rules


def make_options(given: dict[str, Any]) -> RunOptions:
    """Take the run's options out of `given`.

    Raises:
        ConfigError: They contradict each other, or a file cannot be read.
    """
    prompt, prompt_file = given.pop("prompt"), given.pop("prompt_file")
    column = given.get("prompt_column")
    if sum(option is not None for option in (prompt, prompt_file, column)) > 1:
        raise ConfigError("only one of --prompt, --prompt-file and --prompt-column can be given")
    if prompt_file is not None:
        prompt = _read(prompt_file)
    if given.get("embed") and given.get("system") is not None:
        raise ConfigError("--system is for chats; an embedding has no system message")
    models: tuple[str, ...] = given.pop("models")
    if len(set(models)) < len(models):
        raise ConfigError("the same --model is given twice")
    return RunOptions(
        input=given.pop("input_"), models=models, prompt=prompt, params=dict(given.pop("params")), **given
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--prompt-file {path}: {error}") from None
