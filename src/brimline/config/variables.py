"""The names of an endpoint's environment variables."""

import re

from brimline.config.preset import Preset


def variable(endpoint: str, what: str) -> str:
    """Return the name of an endpoint's environment variable: `lab-2`, `API_KEY` -> `LAB_2_API_KEY`."""
    return f"{endpoint}_{what}".upper().replace("-", "_").replace(".", "_")


def identifier(model: str) -> str:
    """Return how a model's name ends the names of its own variables (prompto's rule): `gpt-4.1` -> `gpt_4_1`."""
    return re.sub(r"[-/.: ]", "_", model)


def key_variables(endpoint: str, preset: Preset) -> tuple[str, ...]:
    """Return where an endpoint's key may be, in order."""
    return tuple(dict.fromkeys((variable(endpoint, "API_KEY"), *preset.key_variables)))


def url_variables(endpoint: str, preset: Preset) -> tuple[str, ...]:
    """Return where an endpoint's base URL may be, in order."""
    return tuple(dict.fromkeys((variable(endpoint, "BASE_URL"), *preset.url_variables)))
