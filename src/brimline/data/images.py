"""Images that APIs may refuse, made into what all of them take: PNG and JPEG in plain colours, under their own names.

Nothing is lost: the original is kept aside before another file takes its name, and what needs nothing is left as it is.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from brimline.errors import ConfigError, InputError, OutputError

ORIGINALS = "originals"
"""The folder, beside an image, that keeps what it was."""

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
PLAIN = frozenset({"RGB", "L"})
"""Colours that every API takes: red, green and blue, or grey, of 8 bits, without transparency."""

WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Converted:
    """What became of one image.

    Attributes:
        path: The image.
        why: What was wrong with it; empty if it was left as it is.
        original: Where the original is kept, or None.
    """

    path: Path
    why: str = ""
    original: Path | None = None


def images_in(paths: list[Path]) -> Iterator[Path]:
    """Yield the files that are named, and the `.jpg`, `.jpeg` and `.png` files of the folders that are.

    Raises:
        InputError: There is no such file or folder, or a file of another kind is named.
    """
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.iterdir() if file.suffix.lower() in FORMATS)
        elif not path.is_file():
            raise InputError(f"there is no file or folder {path}")
        elif path.suffix.lower() not in FORMATS:
            raise InputError(f"{path} is no .jpg, .jpeg or .png file")
        else:
            yield path


def convert(path: Path) -> Converted:
    """Make an image one that every API takes, if it is not; transparent parts become white.

    Raises:
        ConfigError: Pillow is not installed.
        InputError: It is no image.
        OutputError: It cannot be written.
    """
    pillow = _pillow()
    wanted = FORMATS[path.suffix.lower()]
    try:
        with pillow.open(path) as image:
            why = _reason(image, wanted)
            if not why:
                return Converted(path)
            plain = _plain(pillow, image)
    except (OSError, SyntaxError, ValueError, pillow.DecompressionBombError) as error:
        raise InputError(f"{path} is no image that can be read: {error}") from None
    try:
        return Converted(path, why, _replace(path, plain, wanted))
    except OSError as error:
        raise OutputError(f"{path} cannot be replaced: {error.strerror or error}") from None


def _reason(image: Any, wanted: str) -> str:
    """Say what APIs may mind; empty if nothing."""
    if image.format != wanted:
        return f"it is {image.format} and is called {wanted}"
    if image.mode not in PLAIN:
        return f"its colours are {image.mode}"
    if "transparency" in image.info:
        return "a colour of it is transparent"
    return ""


def _plain(pillow: Any, image: Any) -> Any:
    """Return an image in red, green and blue, on white."""
    if image.mode.startswith("I;16"):  # grey in 16 bits, which converts to nothing but white
        return image.point(lambda value: value / 256, "L").convert("RGB")
    if "A" not in image.mode and "transparency" not in image.info:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    canvas = pillow.new("RGB", image.size, WHITE)
    canvas.paste(clear, mask=clear.getchannel("A"))
    return canvas


def _replace(path: Path, plain: Any, format_: str) -> Path:
    """Keep the original aside, then let the new image take its name; a crash in between loses neither."""
    part = path.with_name(f"{path.name}.part")
    try:
        plain.save(part, format=format_, **({"quality": 95} if format_ == "JPEG" else {}))
        shutil.copymode(path, part)
        original = _kept(path)
        Path(part).replace(path)
    finally:
        part.unlink(missing_ok=True)
    return original


def _kept(path: Path) -> Path:
    """Copy a file to the originals beside it, under a name that is free; return where it is."""
    folder = path.parent / ORIGINALS
    folder.mkdir(exist_ok=True)
    number = 0
    while True:
        target = folder / (f"{path.stem}.{number}{path.suffix}" if number else path.name)
        number += 1
        try:
            with target.open("xb") as kept, path.open("rb") as given:
                shutil.copyfileobj(given, kept)
        except FileExistsError:
            continue
        shutil.copystat(path, target)
        return target


def _pillow() -> Any:
    try:
        return import_module("PIL.Image")
    except ImportError:
        hint = "Install it with: pip install 'brimline[images]'"
        raise ConfigError("images are converted by Pillow, which is not installed", hint=hint) from None
