"""`brimline config explain`: every value that holds, and where it was said."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from brimline.cli.options import limit_options, make_config
from brimline.cli.text import clean
from brimline.config import Config, Place
from brimline.config.endpoints import BUILT_IN, NO_KEY
from brimline.config.pools import Member
from brimline.engine.callables import name_of
from brimline.errors import ConfigError
from brimline.types import FaultKind, Secret


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
    for line in (*_files(config), *_run(config), *_endpoints(config, models), *_rules(config)):
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
        ("timeout", " s"), ("idle_timeout", " s"), ("max_tries", ""), ("max_wait", " s"), ("backoff_initial", " s"), ("backoff_max", " s"),
        ("repeat", ""),
        ("batch_size", ""),
    ):  # fmt: skip
        yield f"  {name} = {getattr(run, name):g}{unit}  ({run.sources.get(name, 'default')})"
    yield f"  fallback = {', '.join(run.fallback) or 'none'}  ({run.sources.get('fallback', 'default')})"
    kinds = ", ".join(kind for kind in FaultKind if kind in run.fallback_on)
    yield f"  fallback_on = {kinds}  ({run.sources.get('fallback_on', 'default')})"
    yield f"  stream = {str(run.stream).lower()}  ({run.sources.get('stream', 'default')})"
    yield f"  hedge = {str(run.hedge).lower()}  ({run.sources.get('hedge', 'default')})"
    yield f"  dedupe = {str(run.dedupe).lower()}  ({run.sources.get('dedupe', 'default')})"
    yield f"  cache = {config.cache or 'false'}  ({run.sources.get('cache', 'default')})"
    yield f"  cache_size = {run.cache_size:,} bytes  ({run.sources.get('cache_size', 'default')})"
    yield f"  share = {str(run.share).lower()}  ({run.sources.get('share', 'default')})"


def _endpoints(config: Config, models: tuple[str, ...]) -> Iterator[str]:
    """Describe the endpoints that somebody has set up, and name the others."""
    asked = {model.partition("/")[0] for model in models}
    others = []
    for name, endpoint in config.endpoints.items():
        if name in asked or endpoint.source != BUILT_IN or config.is_set_up(name):
            yield f"[endpoints.{name}]  ({endpoint.source})"
            if endpoint.fallback is not None:
                yield f"  fallback = {', '.join(endpoint.fallback) or 'none'}"
            yield from _pool(endpoint.pool) if endpoint.pool else _place(config, name)
        else:
            others.append(name)
    if others:
        yield f"built in, and nothing is said about them: {', '.join(sorted(others))}"


def _pool(members: tuple[Member, ...]) -> Iterator[str]:
    named = (
        f"{member.endpoint}{f'/{member.model}' if member.model else ''}{_weight(member.weight)}"
        for member in members
    )
    yield f"  members = {', '.join(named)}"


def _weight(weight: float) -> str:
    return "" if weight == 1 else f" (weight {weight:g})"


def _place(config: Config, name: str, model: str = "") -> Iterator[str]:
    try:
        place = config.resolve(f"{name}/{model}") if model else config.place(name)
    except ConfigError as error:
        yield from (f"  {line.strip()}" for line in str(error).splitlines())
        return
    endpoint = place.endpoint
    if endpoint.function is not None:
        yield f"  function = {name_of(endpoint.function)}"
        return
    yield f"  provider = {endpoint.provider}"
    said = "  (environment)" if endpoint.source == "environment" else ""
    yield f"  base_url = {endpoint.base_url or 'the simulator, started when it is needed'}{said}"
    yield f"  key = {_key(place)}"
    for option, value in endpoint.options.items():
        yield f"  {option} = {value}"


def _key(place: Place) -> str:
    key = place.endpoint.key
    if key is None or key == NO_KEY or isinstance(key, Secret):
        return "given in Python" if isinstance(key, Secret) else "none"
    try:
        place.key()
    except ConfigError:
        return f"{key}, which is not set"
    return f"{key}, which is set"


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
    members, fallbacks = config.members(model), config.fallbacks(model)
    if [*members] != [model]:
        named = ", ".join(f"{member}{_weight(weight)}" for member, weight in members.items())
        yield f"{model} is answered by {named}"
    if fallbacks:
        yield f"{model} falls back to {', then '.join(fallbacks)}"
    for member in members:
        yield from _limits(config, member)


def _limits(config: Config, model: str) -> Iterator[str]:
    place = config.resolve(model)
    limits = config.limits(model)
    yield f"{model}:"
    if place.name != place.configured_as:
        yield f"  at {place.name}, for which there are variables of its own:"
        yield from (f"  {line}" for line in _place(config, *model.split("/", 1)))
    shared = "" if limits.scope == model else f", shared under the name '{limits.scope}'"
    concurrency = "as many as it bears" if limits.concurrency is None else limits.concurrency
    yield f"  concurrency {concurrency}  ({limits.sources['concurrency']}){shared}"
    for quota in limits.quotas:
        yield f"  {quota.explain()}  ({limits.sources[str(quota)]})"
    if not limits.quotas:
        yield "  no quota declared: what is advertised and learned holds"
