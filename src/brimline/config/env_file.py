"""Files of environment variables: `NAME=VALUE` lines, read on request."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from brimline.errors import ConfigError

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)", re.ASCII)
_PLAIN = re.compile(r"(.*?)(?:\s+#.*)?", re.DOTALL)
_QUOTED = re.compile(r"""(["'])(.*)\1(?:\s+#.*)?""")


def read_env_file(path: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with the variables of a file added; what is set already stays as it is.

    A line is `NAME=VALUE`, also with `export` before it; the value may stand in quotes. Empty lines and those that
    begin with `#` are nothing. Values are taken as they are: nothing in them is expanded.

    Raises:
        ConfigError: It cannot be read, or a line is something else. No value is shown.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"the environment file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the environment file {path} is no text in UTF-8") from None
    return {**dict(_variables(path, text)), **environment}


def _variables(path: Path, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            raise ConfigError(f"{path}:{number} is no NAME=VALUE")
        yield found[1], _value(found[2], f"{path}:{number}")


def _value(text: str, where: str) -> str:
    if text[:1] in {'"', "'"}:
        quoted = _QUOTED.fullmatch(text)
        if quoted is None:
            raise ConfigError(f"{where}: the quotes are not closed")
        return quoted[2]
    plain = _PLAIN.fullmatch(text)
    assert plain is not None
    return plain[1]
