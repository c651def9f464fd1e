"""Answered rows, as judges are shown them: of the results of `run`, or of a file in prompto's form.

Each has its prompt, also where that was made by a template; and the files beside the original input that it names are named in
full, since the rows that are made of it lie elsewhere.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec

from brimline.data.inputs import open_table
from brimline.data.media import Media, MediaError
from brimline.data.rows import BadRow
from brimline.data.template import Renderer, RenderError, Template
from brimline.engine.manifest import GivenCommand, read_command
from brimline.engine.options import RunOptions
from brimline.errors import InputError, RunError
from brimline.evals.records import Answer, Names, model_of
from brimline.store.export import LastLines
from brimline.store.folder import FolderView
from brimline.store.lines import read_line

_IMAGES = ("image_url", "image", "input_image")


class Answers:
    """The answered rows of one results file, in its order; those that failed are left out.

    Args:
        path: The results, of `run`, or JSONL with a `response` in each row.
        prompt: A template of the prompt over the row's columns; where it is not given, rows have their own, or the template
            of their run.

    Attributes:
        total: How many rows each model has, answered or not, by the model.

    Raises:
        InputError: It cannot be read, or holds no answers, or no prompts.
        ConfigError: The template is none.
    """

    def __init__(self, path: Path, prompt: str | None = None) -> None:
        self.path = path
        self._presenter = Presenter(path, prompt)
        self._lines = _Lines(path)
        self._names = Names(self._lines, with_model=self._presenter.has_several_models)
        self.total = Counter(map(model_of, self._lines))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def __iter__(self) -> Iterator[Answer]:
        """Yield the answered rows; each has its prompt as `prompt`."""
        for number, row in enumerate(self._lines):
            if row.get("status", "ok") == "ok":
                yield self._presenter.present(row, self._names.of(number, row))


class Presenter:
    """Makes what judges are shown of a line of results, by what its run was asked to do.

    Args:
        path: The results.
        prompt: As of `Answers`.

    Attributes:
        has_several_models: Whether every row goes to several models.

    Raises:
        ConfigError: The template is none.
    """

    def __init__(self, path: Path, prompt: str | None = None) -> None:
        self._results = path
        asked = _command_of(path)
        self._renderer = _renderer(prompt, asked)
        column = None if asked is None else asked.options.prompt_column
        self._columns = tuple(name for name in (column, "prompt", "messages") if name)
        places = [path.parent]
        if asked is not None:
            places.insert(0, asked.folder / _media_folder(asked.options))
        self._media = [Media(place.absolute()) for place in places]
        self.has_several_models = asked is not None and len(asked.options.models) > 1

    def present(self, row: dict[str, Any], name: str) -> Answer:
        """Return an answered row by its name, with its prompt and images.

        Raises:
            InputError: It has no prompt.
        """
        prompted = self._prompted(row)
        return Answer(name, prompted, tuple(self._images(prompted)))

    def _images(self, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the images of a row's prompt, local ones with their full names."""
        prompt = row["prompt"]
        for message in prompt if isinstance(prompt, list) else ():
            content = message.get("content", message.get("parts")) if isinstance(message, Mapping) else None
            for part in content if isinstance(content, list) else ():
                if isinstance(part, Mapping) and part.get("type") in _IMAGES:
                    yield self._located(part)

    def _prompted(self, row: dict[str, Any]) -> dict[str, Any]:
        if self._renderer is not None:
            try:
                return {**row, "prompt": self._renderer.render(row)}
            except RenderError as error:
                raise InputError(f"{self._results}: row {row.get('id')!r} {error}") from None
        for name in self._columns:
            if row.get(name) is not None:
                return row if name == "prompt" else {**row, "prompt": row[name]}
        raise InputError(
            f"{self._results}: row {row.get('id')!r} has no prompt that a judge could be shown",
            hint="Say what was asked with -p, a template over the columns: -p '{{ text }}'.",
        )

    def _located(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """Return an image whose file has its full name; what is no local file stays as it is."""
        source, given = part.get("source"), part.get("image_url")
        if isinstance(part.get("media"), str):
            return {**part, "media": self._path(part["media"])}
        if isinstance(source, Mapping) and isinstance(source.get("media"), str):
            return {**part, "source": {**source, "media": self._path(source["media"])}}
        if isinstance(given, str):
            return {**part, "type": "image_url", "image_url": self._path(given)}
        if isinstance(given, Mapping) and isinstance(given.get("url"), str):
            return {**part, "image_url": {**given, "url": self._path(given["url"])}}
        return {**part}

    def _path(self, name: str) -> str:
        if ":" in name[:8]:  # https:, data:, gs:
            return name
        for media in self._media:
            try:
                return str(media.find(name).path)
            except MediaError:
                continue
        return name


class InputRows:
    """The rows of an input file, of any format; in order.

    Args:
        path: The file.

    Raises:
        InputError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._table = open_table(path)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._table.scan():
            if isinstance(row, BadRow):
                raise InputError(f"{self.path}, line {row.line}: {row.reason}")
            yield row.columns


class _Lines:
    """The lines of results, read from one open file; or of a file in prompto's form, which says nothing of what failed."""

    def __init__(self, path: Path) -> None:
        self._recorded = LastLines(path) if _is_ours(path) else None
        self._given = InputRows(path)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if self._recorded is not None:
            yield from self._recorded.rows()
            return
        for number, row in enumerate(self._given):
            if "response" not in row:
                raise InputError(
                    f"{self._given.path}: row {number} has no response",
                    hint="Give the results of `brimline run`.",
                )
            yield row

    def close(self) -> None:
        if self._recorded is not None:
            self._recorded.__exit__()


def _is_ours(path: Path) -> bool:
    """Whether a file is one of `run`, by its first line."""
    try:
        with path.open("rb") as file:
            line = file.readline()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if read_line(line) is None:
        return not line.strip()
    if "custom_id" in msgspec.json.decode(line):
        raise InputError(
            f"{path} holds answers in the form of a batch file, which say nothing of their prompts"
        )
    return True


def _command_of(path: Path) -> GivenCommand | None:
    """Return what the run of these results was asked to do, if that is known."""
    try:
        return read_command(FolderView(path).read_manifest(), path)
    except RunError:
        return None


def _renderer(prompt: str | None, asked: GivenCommand | None) -> Renderer | None:
    if prompt is not None:
        return Template(prompt, "the prompt template")
    if asked is not None and asked.options.prompt is not None:
        return Template(asked.options.prompt, "the prompt template of its run")
    return None


def _media_folder(options: RunOptions) -> Path:
    """Return where a run has looked for local files."""
    return options.media_folder or options.input.parent
