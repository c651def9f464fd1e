"""Reading the configuration: flags > environment > brimline.toml > the user's file > defaults."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from brimline.config.config import Config
from brimline.config.endpoints import Endpoint, built_in, read_endpoint
from brimline.config.limits import LimitRule, read_limits
from brimline.config.run import RunSettings, read_run, run_from_environment
from brimline.config.section import Section
from brimline.errors import ConfigError

FILE = "brimline.toml"


def user_file(environment: Mapping[str, str]) -> Path:
    """Return where the user's own file is, whether it exists or not."""
    base = environment.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "brimline" / "config.toml"


def load_config(
    file: Path | None = None,
    *,
    flags: Sequence[LimitRule] = (),
    run: Mapping[str, Any] | None = None,
    endpoints: Mapping[str, Endpoint] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Read the configuration.

    Args:
        file: The file to read instead of `brimline.toml` in the working folder.
        flags: Limits given on the command line or in Python.
        run: Run settings given there; None stands for not given.
        endpoints: Endpoints given in Python.
        environment: Instead of the process's own.

    Raises:
        ConfigError: Something in it is wrong; the message says where.
    """
    environment = os.environ if environment is None else environment
    if file is not None and not file.is_file():
        raise ConfigError(f"there is no configuration file {file}")
    files = [path for path in (user_file(environment), file or Path(FILE)) if path.is_file()]
    known, rules, settings = built_in(), [], RunSettings()
    for rank, path in enumerate(files):
        section = Section.read(path)
        for name, table in section.tables("endpoints").items():
            if "/" in name or not name:
                raise ConfigError(f"{table.file}: {table.path}: an endpoint's name holds no '/'")
            known[name] = read_endpoint(table, known.get(name))
        for pattern, table in section.tables("limits").items():
            rules.append(replace(read_limits(table, pattern), rank=rank))
        settings = read_run(section.table("run"), settings)
        section.finish()
    settings = run_from_environment(settings, environment)
    return Config(
        endpoints=known | dict(endpoints or {}),
        rules=(*rules, *(replace(rule, rank=len(files)) for rule in flags)),
        run=settings.updated(run or {}, "flag"),
        files=tuple(str(path) for path in reversed(files)),
        environment=environment,
    )
