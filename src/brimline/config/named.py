"""Things of users' own modules, by name: a function as an endpoint, a scorer, a model."""

import importlib
import sys
from pathlib import Path
from typing import Any

from brimline.errors import ConfigError


def load_named(reference: str) -> Any:
    """Return what `package.module:name` names; modules of the working folder are found, too.

    Raises:
        ConfigError: There is nothing of that name, or its module fails.
    """
    module, _, name = reference.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise ConfigError(f"'{reference}' cannot be loaded: {type(error).__name__}: {error}") from error
    return found


def load_function(reference: str) -> Any:
    """Return the function that `package.module:name` names.

    Raises:
        ConfigError: There is nothing of that name, its module fails, or it is no function.
    """
    found = load_named(reference)
    if not callable(found):
        raise ConfigError(f"'{reference}' is no function")
    return found
