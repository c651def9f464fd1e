"""A folder of settings and templates, in prompto's form: who judges or rephrases, and what they are told.

`settings.json` holds one object for each model: `{"name": {"api", "model_name", "parameters"}}`. Templates are text files with
`{INPUT_PROMPT}` and `{OUTPUT_RESPONSE}`; every other brace stands for itself.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from brimline.errors import ConfigError

INPUT, OUTPUT = "{INPUT_PROMPT}", "{OUTPUT_RESPONSE}"
_HOLES = re.compile(r"\{(?:INPUT_PROMPT|OUTPUT_RESPONSE)\}")

Settings = Mapping[str, Any]
"""`api`, `model_name` and `parameters`."""


def read_settings(folder: Path, wanted: Sequence[str]) -> dict[str, Settings]:
    """Return the settings of these models, in the order asked for.

    Raises:
        ConfigError: The file is missing or wrong, or does not know one of them.
    """
    path = folder / "settings.json"
    known = _object(path)
    for name, settings in known.items():
        _check(settings, f"{path}: {name}")
    missing = [name for name in wanted if name not in known]
    if missing or not wanted:
        what = f"does not know {', '.join(missing)}" if missing else "is read for nobody"
        raise ConfigError(f"{path} {what}; it knows {', '.join(known) or 'nobody'}")
    return {name: known[name] for name in wanted}


def read_templates(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the templates in these files by their names without `.txt`.

    Raises:
        ConfigError: A file is no text, is missing, or has nothing to fill in.
    """
    templates = {}
    for name in names:
        path = folder / name
        if path.suffix != ".txt":
            raise ConfigError(f"template '{name}' is no .txt file")
        text = _text(path)
        if not _HOLES.search(text):
            raise ConfigError(f"{path} holds neither {INPUT} nor {OUTPUT}")
        templates[path.stem] = text
    return templates


def read_lines(folder: Path, name: str) -> list[str]:
    r"""Return the templates in a file that has one in each line; `\n` in a line is a line break.

    Raises:
        ConfigError: The file is missing, or a line has no place for the prompt.
    """
    path = folder / name
    lines = [line.replace("\\n", "\n") for line in _text(path).splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        if INPUT not in line:
            raise ConfigError(f"{path}: template {number} has no {INPUT}")
    if not lines:
        raise ConfigError(f"{path} holds no template")
    return lines


def fill(template: str, *, prompt: str, response: str = "") -> str:
    """Return a template with prompt and response in their places; braces in either stand for themselves."""
    return _HOLES.sub(lambda hole: prompt if hole[0] == INPUT else response, template)


def shown(value: Any) -> str:
    """Return a prompt or a response as text: a conversation turn by turn, a JSON value as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(turn, str) for turn in value):
        return "\n".join(value)
    if isinstance(value, list) and value and all(isinstance(turn, dict) for turn in value):
        return "\n".join(f"{turn.get('role', '?')}: {_content(turn)}" for turn in value)
    return "" if value is None else msgspec.json.encode(value).decode()


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content", message.get("parts"))
    parts: Iterable[Any] = content if isinstance(content, list) else [content]
    return "".join(_part(part) for part in parts)


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping):
        text = part.get("text") or (part.get("media") if part.get("type") == "text" else None)
        return text if isinstance(text, str) else f"[{part.get('type', 'part')}]"
    return ""


def _check(settings: Any, where: str) -> None:
    if not isinstance(settings, dict):
        raise ConfigError(f"{where}: expected an object with api, model_name and parameters")
    for name, kind in (("api", str), ("model_name", str), ("parameters", dict)):
        if not isinstance(settings.get(name), kind):
            raise ConfigError(f"{where}: {name} is missing or of the wrong kind")


def _object(path: Path) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(_text(path).encode())
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no object")
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is no text in UTF-8") from None
