"""The manifest: what was run, with what, and when. For people, and for `retry`, which runs it again. Holds no secret."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from brimline._version import __version__
from brimline.config import Config, LimitRule, ModelLimits
from brimline.config.load import user_file
from brimline.data.shape import Shape, shape_of
from brimline.engine.options import RunOptions
from brimline.engine.status import Limits
from brimline.errors import RunError

_GIVEN = {"flag", "Python"}
"""Sources of settings that no file says again."""


def describe_command(options: RunOptions, config: Config) -> dict[str, Any]:
    """Return what a run was asked to do, as far as no configuration file and no environment says it."""
    run = config.run
    given = {name: getattr(run, name) for name, source in run.sources.items() if source in _GIVEN}
    rules = [rule for rule in config.rules if rule.source not in config.files]
    files = [file for file in config.files if file != str(user_file(config.environment))]
    return {
        "folder": str(Path.cwd()),
        "config": files[0] if files else None,
        "options": msgspec.to_builtins(options, enc_hook=_write),
        "rules": msgspec.to_builtins(rules),
        "run": given,
    }


def describe_process() -> dict[str, Any]:
    """Return what runs it."""
    return {
        "brimline": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "pid": os.getpid(),
    }


def describe_limits(limits: ModelLimits) -> Limits:
    """Return what is declared for a model, as people write it."""
    quotas = tuple(quota.explain() for quota in limits.quotas)
    return Limits(quotas=quotas, concurrency=limits.concurrency)


def moment(at: int) -> str:
    """Return Unix nanoseconds as RFC 3339 in UTC."""
    return datetime.fromtimestamp(at / 1e9, UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class GivenCommand:
    """What a run was asked to do.

    Attributes:
        folder: The working folder of that time.
        config: The weightiest configuration file, or None.
        options: The options.
        rules: Limits that no file says.
        run: Settings that no file says.
    """

    folder: Path
    config: Path | None
    options: RunOptions
    rules: tuple[LimitRule, ...]
    run: Mapping[str, Any]


def read_command(manifest: Mapping[str, Any], output: Path) -> GivenCommand:
    """Return what the run with these results was asked to do.

    Raises:
        RunError: The manifest does not say.
    """
    hint = "Run the same command again with --retry, or give the options anew."
    if not manifest:
        raise RunError(f"{output}.run holds no manifest, so the options of its run are not known", hint=hint)
    try:
        return msgspec.convert(manifest["command"], GivenCommand, dec_hook=_read)
    except (KeyError, msgspec.ValidationError) as error:
        raise RunError(f"the manifest of {output} cannot be read: {error}", hint=hint) from None


def _write(value: Any) -> Any:
    return value.schema if isinstance(value, Shape) else str(value)


def _read(kind: type, value: Any) -> Any:
    if kind is Shape:
        return shape_of(value)
    return Path(value) if kind is Path else value
