"""What a user asks of one run, the same from the command line and from Python."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from brimline.data.grouping import Grouping
from brimline.data.inputs import STDIN, stem_of
from brimline.data.shape import Shape
from brimline.errors import ConfigError
from brimline.types import FaultKind

STREAM = STDIN
"""Standard input as an input, standard output as an output."""


class Retry(StrEnum):
    """Which failed rows a rerun sends again."""

    TRANSIENT = "transient"
    """Those that failed for a passing reason."""
    ALL = "all"
    """All."""
    NONE = "none"
    """None."""


@dataclass(frozen=True, slots=True)
class Share:
    """A number of requests, or a share of all of them."""

    number: float
    is_percent: bool = False

    @classmethod
    def parse(cls, text: str) -> "Share":
        """Read `20` or `5%`.

        Raises:
            ConfigError: It is neither.
        """
        number = text.strip().removesuffix("%")
        is_percent = text.strip().endswith("%")
        try:
            value = float(number) if is_percent else int(number)
        except ValueError:
            raise ConfigError(f"'{text}' is neither a number of rows nor a share like '5%'") from None
        if value < 0 or (is_percent and value > 100):
            raise ConfigError(f"'{text}' is out of range")
        return cls(value, is_percent)

    def of(self, total: int) -> float:
        """Return the number of requests it means when there are `total`."""
        return total * self.number / 100 if self.is_percent else self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What to run, where to, and when to stop.

    Attributes:
        input: The input file, or `-`.
        output: The results file, `-`, or None: `<input stem>.results.jsonl` in the working folder.
        models: Model references that replace the rows' own.
        prompt: Template of the prompt.
        prompt_column: Column that holds the prompt.
        embed: Whether embeddings are asked for instead of answers.
        system: Template of the system message.
        params: Generation parameters that win over the rows' own.
        schema: What answers have to be like.
        retry: Which failed rows are sent again.
        only: Send only rows that failed for one of these kinds of fault, and none that is missing.
        fresh: Whether to start over, with the old results kept aside.
        raw: Whether results hold the provider's whole reply.
        limit: Send at most so many requests.
        shard: Send only part i of N of the rows, from 1.
        media_folder: Where local files are looked for, if not beside the input.
        grouping: What tells the groups of rows, if not their column `group`.
        deadline: Seconds after which nothing more is sent.
        stop_after_failed: Stop when so many requests have failed.
        max_failed: More failed requests than this are a failed run.
    """

    input: Path
    output: Path | None = None
    models: tuple[str, ...] = ()
    prompt: str | None = None
    prompt_column: str | None = None
    embed: bool = False
    system: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    schema: Shape | None = None
    retry: Retry = Retry.TRANSIENT
    only: frozenset[FaultKind] | None = None
    fresh: bool = False
    raw: bool = False
    limit: int | None = None
    shard: tuple[int, int] = (1, 1)
    media_folder: Path | None = None
    grouping: Grouping | None = None
    deadline: float | None = None
    stop_after_failed: Share | None = None
    max_failed: Share = Share(0)

    @property
    def results(self) -> Path:
        """Where the results go."""
        if self.output is not None:
            return self.output
        return Path(f"{stem_of(self.input)}.results.jsonl")
