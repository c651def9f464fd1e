"""The pages about providers, written from the rows of the presets and from what the providers say themselves.

`python -m brimline.testing.pages docs/providers` writes them; the suite says when they are out of date.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from brimline.config import Config
from brimline.config.preset import KeyRule, Preset
from brimline.config.presets import PRESETS
from brimline.config.variables import identifier, key_variables, url_variables
from brimline.providers import PROVIDERS, Provider, StreamingProvider, find_provider
from brimline.types import Operation, Request

WRITTEN = "<!-- Written by `python -m brimline.testing.pages docs/providers` from config/presets.py; change it there. -->"

_PIXEL = "data:image/png;base64,iVBORw0KGgo="
_TOOL = {"type": "function", "function": {"name": "f", "description": "x", "parameters": {"type": "object"}}}
_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def _user(*parts: Mapping[str, object]) -> dict[str, object]:
    return {"messages": ({"role": "user", "content": [{"type": "text", "text": "Hi"}, *parts]},)}


_KINDS: dict[str, dict[str, object]] = {
    "single prompts": {},
    "conversations": {"follow_ups": ("And then?",)},
    "system messages": {"messages": ({"role": "system", "content": "x"}, {"role": "user", "content": "Hi"})},
    "images by URL": _user({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
    "images from files": _user({"type": "image_url", "image_url": {"url": _PIXEL}}),
    "tools": {"params": {"tools": [_TOOL]}},
    "several answers (`n`)": {"params": {"n": 2}},
    "log probabilities": {"params": {"logprobs": True}},
    "JSON schemas": {"schema": _SCHEMA},
    "completions": {"operation": Operation.COMPLETION},
    "embeddings": {"operation": Operation.EMBEDDING},
}
"""Kinds of request, each as one that is tried on the provider."""


def pages() -> dict[str, str]:
    """Return the pages by the names of their files."""
    found = {f"{names[0]}.md": "\n".join(_page(names, preset)) for names, preset in _services()}
    return {"index.md": "\n".join(_index()), **found}


def _services() -> Iterator[tuple[tuple[str, ...], Preset]]:
    """Yield each row once, with all names that stand for it."""
    seen: list[Preset] = []
    for preset in PRESETS.values():
        if not any(preset is other for other in seen):
            seen.append(preset)
            yield tuple(name for name, other in PRESETS.items() if other is preset), preset


def _index() -> Iterator[str]:
    yield WRITTEN
    yield from ("# Providers", "")
    yield "These endpoints exist without a file. Other servers take a table in [brimline.toml](../configuration.md), dialects that"
    yield "brimline does not know [a provider of your own](your-own.md)."
    yield from ("", "| endpoint | service | dialect | key | limits it advertises |", "|---|---|---|---|---|")
    for names, preset in _services():
        shown = ", ".join(f"`{name}`" for name in names[1:])
        name = f"[`{names[0]}`]({names[0]}.md)" + (f" ({shown})" if shown else "")
        variables = " or ".join(f"`{name}`" for name in key_variables(names[0], preset))
        key = "none" if preset.key is KeyRule.NONE else variables
        key += ", if it wants one" if preset.key is KeyRule.OPTIONAL else ""
        yield f"| {name} | {preset.title} | {_dialect(preset)} | {key} | {preset.limits} |"
    yield ""


def _dialect(preset: Preset) -> str:
    return "a function" if preset.function is not None else f"`{preset.provider}`"


def _page(names: tuple[str, ...], preset: Preset) -> Iterator[str]:
    name = names[0]
    yield WRITTEN
    yield from (f"# {preset.title}", "")
    also = "".join(f" or `{other}/<model>`" for other in names[1:])
    yield f"Its models are `{name}/<model>`{also}, as in `{preset.example}`: what follows the first `/` is the model's name there."
    yield from ("", "```bash", *_exports(name, preset))
    yield f"brimline run questions.jsonl -m {preset.example} -p '{{{{ question }}}}'"
    yield from ("```", "")
    if preset.function is None:
        yield from _place(name, preset)
    yield from ("## Limits", "")
    yield f"- Advertised: {preset.limits}."
    yield f"- Counted: {preset.charges}."
    yield ""
    yield from _supported(name, preset)
    if preset.notes:
        yield from ("## Good to know", "")
        yield from (f"- {note}" for note in preset.notes)
        yield ""
    yield "[All providers](index.md)"
    yield ""


def _exports(name: str, preset: Preset) -> Iterator[str]:
    """Yield what has to be set before anything works."""
    if preset.base_url is None and preset.url_variables:
        yield f"export {preset.url_variables[-1]}=https://..."
    if preset.key is KeyRule.NEEDED:
        yield f"export {key_variables(name, preset)[0]}=..."
    for option, variables in preset.option_variables.items():
        if f"{{{option}}}" in (preset.base_url or "") and option not in preset.options:
            yield f"export {variables[0]}=..."


def _place(name: str, preset: Preset) -> Iterator[str]:
    yield from ("## Where it is, and with which key", "")
    yield from ("| what | variables; the first that is set counts | otherwise |", "|---|---|---|")
    keys, urls = key_variables(name, preset), url_variables(name, preset)
    if preset.key is KeyRule.NONE:
        yield "| key | | none is wanted |"
    else:
        yield f"| key | {_listed(keys)} | {'none is sent' if preset.key is KeyRule.OPTIONAL else 'an error'} |"
    where = "an error" if preset.base_url is None else f"`{preset.base_url}`"
    yield f"| base URL | {_listed(urls)} | {'the simulator is started' if preset.is_simulated else where} |"
    for option, variables in preset.option_variables.items():
        default = preset.options.get(option)
        yield f"| `{option}` | {_listed(variables)} | {f'`{default}`' if default else ''} |"
    yield ""
    own = (
        f"{(urls if preset.key is KeyRule.NONE else keys)[0]}_{identifier(preset.example.partition('/')[2])}"
    )
    yield f"Each of them may end in a model's name and then counts for that model alone: `{own}`"
    yield f"([how](../configuration.md#variables-of-one-model)). The dialect is `{preset.provider}`{_quirks(preset)}."
    yield ""


def _listed(variables: tuple[str, ...]) -> str:
    return ", ".join(f"`{variable}`" for variable in variables)


def _quirks(preset: Preset) -> str:
    quirks = {name: value for name, value in preset.options.items() if name not in preset.option_variables}
    said = ", ".join(f'`{name} = "{value}"`' for name, value in quirks.items())
    return f", with {said}" if quirks else ""


def _supported(name: str, preset: Preset) -> Iterator[str]:
    """Yield what the provider says to each kind of request."""
    if preset.function is not None or preset.provider not in PROVIDERS:
        return
    provider = _provider(name, preset)
    yield from ("## What can be asked for", "")
    yield "In this dialect; whether a model takes it is for the service to say."
    yield from ("", "| kind of request | |", "|---|---|")
    for kind, given in _KINDS.items():
        request = {"messages": ({"role": "user", "content": "Hi"},), **given}
        problem = provider.problem(Request(id=0, model=preset.example, **request))  # type: ignore[arg-type]
        yield f"| {kind} | {'yes' if problem is None else f'no: {problem}'} |"
    yield f"| answers in pieces | {'yes' if isinstance(provider, StreamingProvider) else 'no'} |"
    yield ""


def _provider(name: str, preset: Preset) -> Provider:
    """Return the provider as it is when everything is set that has to be."""
    variables = {
        names[0]: "example" for option, names in preset.option_variables.items() if option != "api_version"
    }
    if preset.base_url is None and preset.url_variables:
        variables[preset.url_variables[0]] = "https://example.com"
    endpoint = Config(environment=variables).place(name).endpoint
    return find_provider(endpoint.provider, endpoint.options, endpoint.base_url)


def main() -> None:
    """Write the pages into the folder that is named."""
    folder = Path(sys.argv[1])
    for name, page in pages().items():
        (folder / name).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
