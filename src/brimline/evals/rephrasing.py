"""Rephrasing an input file: what is sent to whom, where it goes, and the input that is made of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brimline.data.inputs import STDIN, stem_of
from brimline.engine.options import RunOptions
from brimline.errors import ConfigError
from brimline.evals.answers import InputRows
from brimline.evals.folder import read_lines, read_settings
from brimline.evals.records import find_parser, rephrase_rows, rephrased_rows
from brimline.evals.scoring import refuse_if_busy, write_lines
from brimline.store.export import LastLines


class Rephrasing:
    """One input file before models that say its prompts in other words.

    Args:
        input_: The input file.
        folder: Holds the settings of the models, and the templates.
        models: The names of the models in the settings.
        templates: The file with a template in each line.
        parser: What takes a reply apart that holds several prompts.
        originals: Whether the rows themselves are kept, behind what was made of them.
        output: Where the new input goes; `post-rephrase-<stem>.jsonl` beside the input if not given.

    Attributes:
        rows: The file of what is sent.
        replies: The file of what comes back.
        output: The new input.

    Raises:
        InputError: The input cannot be read.
        ConfigError: A setting is wrong.
    """

    def __init__(
        self,
        input_: Path,
        folder: Path,
        models: Sequence[str],
        *,
        templates: str = "template.txt",
        parser: str | None = None,
        originals: bool = True,
        output: Path | None = None,
    ) -> None:
        if input_ == STDIN:
            raise ConfigError("standard input can be read only once; give a file")
        self._models = read_settings(folder, models)
        self._templates = read_lines(folder, templates)
        self._parse = find_parser(parser)
        self._originals = originals
        self._given = InputRows(input_)
        self.output = output or input_.with_name(f"post-rephrase-{stem_of(input_)}.jsonl")
        self.rows = self.output.with_name(f"rephrase-{stem_of(input_)}.jsonl")
        self.replies = self.output.with_name(f"rephrase-{stem_of(input_)}.results.jsonl")
        if self.output in {self.rows, self.replies} or (
            self.output.exists() and self.output.samefile(input_)
        ):
            raise ConfigError(
                f"{self.output} holds what is sent or comes back", hint="Give another file with -o."
            )

    def write_rows(self) -> int:
        """Write what is sent; return how many rows it is.

        Raises:
            InputError: A row cannot be read, or has no prompt.
            OutputError: The file cannot be written, or its rows are being sent by another process.
        """
        refuse_if_busy(self.replies)
        return write_lines(rephrase_rows(self._given, self._models, self._templates), self.rows)

    def options(self, **given: Any) -> RunOptions:
        """Return the run that asks the models; `given` are options of it."""
        return RunOptions(input=self.rows, output=self.replies, **given)

    def write_output(self) -> int:
        """Write the new input from the replies; return how many rows it has.

        Raises:
            InputError: The replies cannot be read.
            OutputError: The file cannot be written.
        """
        with LastLines(self.replies) as lines:
            originals = self._given if self._originals else ()
            made = rephrased_rows(lines.rows(), parse=self._parse, originals=originals)
            return write_lines(made, self.output)
