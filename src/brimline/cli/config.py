"""`brimline config explain`: every value that holds, and where it was said."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from brimline.cli.options import limit_options, make_config
from brimline.cli.text import clean
from brimline.config import Config
from brimline.config.endpoints import NO_KEY, variable
from brimline.engine.callables import name_of
from brimline.errors import ConfigError
from brimline.types import Secret


@click.group(name="config")
def command() -> None:
    """Show what is configured."""


@command.command(name="explain")
@click.argument("models", nargs=-1)
@limit_options
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path, dir_okay=False), help="Read this file."
)
def explain(models: tuple[str, ...], **given: Any) -> int:
    """Print every value that holds, and where it was said; for each of MODELS what limits it.

    A quota is printed with its burst and its discipline. Keys are never printed, only whether they are set.
    """
    config = make_config(given)
    for line in (*_files(config), *_run(config), *_endpoints(config), *_rules(config)):
        click.echo(clean(line))
    for model in models:
        for line in _model(config, model):
            click.echo(clean(line))
    return 0


def _files(config: Config) -> Iterator[str]:
    yield f"files: {', '.join(config.files) if config.files else 'none'}"


def _run(config: Config) -> Iterator[str]:
    yield "[run]"
    run = config.run
    for name, unit in (
        ("timeout", " s"), ("max_tries", ""), ("max_wait", " s"), ("backoff_initial", " s"), ("backoff_max", " s"),
        ("repeat", ""),
    ):  # fmt: skip
        yield f"  {name} = {getattr(run, name):g}{unit}  ({run.sources.get(name, 'default')})"
    yield f"  hedge = {str(run.hedge).lower()}  ({run.sources.get('hedge', 'default')})"
    yield f"  dedupe = {str(run.dedupe).lower()}  ({run.sources.get('dedupe', 'default')})"
    yield f"  cache = {config.cache or 'false'}  ({run.sources.get('cache', 'default')})"
    yield f"  cache_size = {run.cache_size:,} bytes  ({run.sources.get('cache_size', 'default')})"
    yield f"  share = {str(run.share).lower()}  ({run.sources.get('share', 'default')})"


def _endpoints(config: Config) -> Iterator[str]:
    for name, endpoint in config.endpoints.items():
        yield f"[endpoints.{name}]  ({endpoint.source})"
        if endpoint.function is not None:
            yield f"  function = {name_of(endpoint.function)}"
            continue
        yield f"  provider = {endpoint.provider}"
        yield f"  base_url = {endpoint.base_url or 'the simulator, started when it is needed'}"
        yield f"  key = {_key(config, name)}"
        for option, value in endpoint.options.items():
            yield f"  {option} = {value}"


def _key(config: Config, name: str) -> str:
    key = config.endpoints[name].key
    if key == NO_KEY or isinstance(key, Secret):
        return "none" if key == NO_KEY else "given in Python"
    where = key.removeprefix("env:") if key else variable(name, "API_KEY")
    try:
        config.key(name)
    except ConfigError:
        return f"env:{where}, which is not set"
    return f"env:{where}, which is set"


def _rules(config: Config) -> Iterator[str]:
    for rule in config.rules:
        yield f'[limits."{rule.pattern}"]  ({rule.source})'
        for quota in rule.quotas:
            yield f"  {quota.explain()}"
        if rule.concurrency is not None:
            yield f"  concurrency {rule.concurrency}"
        if rule.scope is not None:
            yield f"  scope {rule.scope}"


def _model(config: Config, model: str) -> Iterator[str]:
    config.endpoint(model)
    limits = config.limits(model)
    yield f"{model}:"
    shared = "" if limits.scope == model else f", shared under the name '{limits.scope}'"
    concurrency = "as many as it bears" if limits.concurrency is None else limits.concurrency
    yield f"  concurrency {concurrency}  ({limits.sources['concurrency']}){shared}"
    for quota in limits.quotas:
        yield f"  {quota.explain()}  ({limits.sources[str(quota)]})"
    if not limits.quotas:
        yield "  no quota declared: what is advertised and learned holds"
