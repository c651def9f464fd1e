"""`brimline media`: files that are too large to go with every request, kept by the provider for a while."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
import msgspec

from brimline.cli.options import make_config
from brimline.cli.text import clean
from brimline.data.images import Converted, images_in
from brimline.data.images import convert as convert_image
from brimline.engine.uploads import Uploads
from brimline.errors import InputError
from brimline.providers.gemini_files import RemoteFile


def _shared(function: Any) -> Any:
    """Add the options that all three have."""
    for option in (
        click.option("--json", "to_json", is_flag=True, help="Write a JSON object for each file."),
        click.option(
            "--config", "config_file", type=click.Path(path_type=Path, dir_okay=False), help="Read this file."
        ),
        click.option("--endpoint", default="gemini", show_default=True, help="Whose files."),
    ):
        function = option(function)
    return function


@click.group(name="media")
def command() -> None:
    """Convert images; keep files at Gemini, for 48 hours, and name them in rows.

    A row names an uploaded file in a part of its prompt: {"type": "video", "uploaded_filename": "files/abc"}, or
    {"fileData": {"fileUri": ..., "mimeType": ...}} as Gemini itself has it.
    """


@command.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@_shared
def upload(files: tuple[Path, ...], *, endpoint: str, to_json: bool, **given: Any) -> int:
    """Upload each FILE, unless its content is there already, and print the name that rows give it."""

    async def go() -> None:
        async with Uploads.at(make_config(given), endpoint) as uploads:
            known = [file async for file in uploads.all()]
            for path in files:
                file, is_new = await uploads.upload(path, known)
                _show(file, to_json=to_json, note=str(path) if is_new else f"{path} (was there already)")

    return _run(go())


@command.command(name="list")
@_shared
def list_(*, endpoint: str, to_json: bool, **given: Any) -> int:
    """List the files that are there, and until when."""

    async def go() -> None:
        async with Uploads.at(make_config(given), endpoint) as uploads:
            async for file in uploads.all():
                note = f"{file.display_name}  until {file.expiration_time}".strip()
                _show(file, to_json=to_json, note=note)

    return _run(go())


@command.command()
@click.argument("names", metavar="ID...", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Delete every file of the account.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_shared
def delete(
    names: tuple[str, ...], *, is_all: bool, yes: bool, endpoint: str, to_json: bool, **given: Any
) -> int:
    """Delete files by the names that `list` shows."""
    if is_all == bool(names):
        raise click.UsageError("name the files, or say --all")

    async def go() -> None:
        async with Uploads.at(make_config(given), endpoint) as uploads:
            files = [RemoteFile(name) for name in names]
            if is_all:
                files = [file async for file in uploads.all()]
            if is_all and not yes:
                _confirm(len(files))
            for file in files:
                await uploads.delete(file.name)
                _show(file, to_json=to_json, note="deleted")

    return _run(go())


@command.command()
@click.argument("paths", metavar="FOLDER|FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "to_json", is_flag=True, help="Write a JSON object for each image.")
def convert(paths: tuple[Path, ...], *, to_json: bool) -> int:
    """Make .jpg and .png images plain: in red, green and blue, without transparency, and what their name says.

    Only those that are not get changed; their originals are kept in the folder `originals` beside them.
    """
    images, code = [*images_in([*paths])], 0
    for path in images:
        try:
            done = convert_image(path)
        except InputError as error:  # the others are images all the same
            click.echo(clean(f"brimline: {error}"), err=True)
            code = 2
            continue
        _show_converted(done, to_json=to_json)
    return code


def _show_converted(done: Converted, *, to_json: bool) -> None:
    original = None if done.original is None else str(done.original)
    if to_json:
        told = {"file": str(done.path), "converted": bool(done.why), "why": done.why, "original": original}
        click.echo(msgspec.json.encode(told))
    else:
        what = f"converted, since {done.why}; original: {original}" if done.why else "left as it is"
        click.echo(clean(f"{done.path}: {what}"))


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise InputError(f"{count} files would be deleted; say --yes if they shall")
    click.confirm(f"Delete all {count} files of this account?", abort=True, err=True)


def _run(work: Coroutine[Any, Any, None]) -> int:
    asyncio.run(work)
    return 0


def _show(file: RemoteFile, *, to_json: bool, note: str) -> None:
    if to_json:
        click.echo(msgspec.json.encode({**msgspec.to_builtins(file), "note": note}))
    else:
        click.echo(clean("  ".join(filter(None, (file.name, file.mime_type, _size(file), note)))))


def _size(file: RemoteFile) -> str:
    text = str(file.size_bytes)
    return f"{int(text) / (1 << 20):.1f} MB" if text.isdecimal() else ""
