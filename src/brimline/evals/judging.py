"""Judging a results file: what is sent to whom, where it goes, and what came of it. Whoever sends it does so as any run.

judging = Judging([Path("out.jsonl")], rubric_panel(Path("rubric.toml")))
judging.write_rows()
...  # run judging.options(...)
judged = judging.sum_up()
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brimline.engine.options import RunOptions
from brimline.errors import ConfigError, InputError, OutputError
from brimline.evals.answers import Answers
from brimline.evals.judged import Judged
from brimline.evals.pairs import Pairs
from brimline.evals.panel import Panel
from brimline.evals.scoring import refuse_if_busy, write_lines
from brimline.store.export import LastLines

if TYPE_CHECKING:
    from brimline.evals.following import Following


class Judging:
    """One results file, or two that are compared, before a panel of judges.

    Args:
        results: The results; of a comparison perhaps two.
        panel: The judges.
        output: Where their replies go; `judge-<results stem>.results.jsonl` beside the results if not given, with the
            rubric's name before the stem.
        prompt: A template of the prompt that was answered, for rows that do not hold it.

    Attributes:
        rows: The file of what is sent to the judges.
        output: The file of their replies.
        verdicts: The file of their verdicts.

    Raises:
        ConfigError: There are too many or too few results.
    """

    def __init__(
        self, results: Sequence[Path], panel: Panel, *, output: Path | None = None, prompt: str | None = None
    ) -> None:
        most = 2 if panel.is_pairwise else 1
        if not 0 < len(results) <= most:
            raise ConfigError("only a pairwise rubric compares two results files; give one")
        self._results, self._panel, self._prompt = results, panel, prompt
        self.output = output or results[0].with_name(f"{self._default_stem()}.results.jsonl")
        stem = self.output.name.removesuffix(".jsonl").removesuffix(".results")
        name = f"{stem}.jsonl" if output is None else f"{output.name}.input.jsonl"
        self.rows = self.output.with_name(name)
        self.verdicts = self.output.with_name(f"{stem}.verdicts.jsonl")
        self._judged = Judged(panel)

    def write_rows(self, path: Path | None = None) -> int:
        """Write what is sent to the judges, to `rows` or another file; return how many rows it is.

        Raises:
            InputError: The results cannot be read, or hold nothing to judge.
            ConfigError: The template of the prompt is none.
            OutputError: The file cannot be written, holds answers, or its judges are being asked by another process.
        """
        refuse_if_busy(self.output)
        path = path or self.rows
        if any(path.exists() and path.samefile(results) for results in self._results if results.exists()):
            raise OutputError(f"{path} holds the answers themselves", hint="Name another file.")
        with ExitStack() as stack:
            answers = [stack.enter_context(Answers(path, self._prompt)) for path in self._results]
            judged: Answers | Pairs = answers[0]
            if self._panel.is_pairwise:
                judged = Pairs(*answers)
            self._judged = Judged(self._panel, judged.total)
            count = write_lines(self._panel.rows(judged), path)
        if not count:
            names = " and ".join(map(str, self._results))
            raise InputError(f"{names}: there is no answered row to judge")
        return count

    def options(self, **given: Any) -> RunOptions:
        """Return the run that asks the judges; `given` are options of it."""
        return RunOptions(input=self.rows, output=self.output, schema=self._panel.shape, **given)

    def following(self, options: RunOptions) -> "Following":
        """Return what judges the answers of a run that still goes on; `options` are those of `options`.

        Raises:
            ConfigError: Answers are compared, which both have to be there for.
        """
        from brimline.evals.following import Following  # noqa: PLC0415  it brings the network code

        if self._panel.is_pairwise:
            raise ConfigError(
                "a comparison needs both answers to a row", hint="Start it when the runs have ended."
            )
        return Following(self._results[0], self._panel, options, self._prompt)

    def sum_up(self) -> Judged:
        """Read the replies, write the verdicts, and return what came of it; `write_rows` was called before.

        Raises:
            InputError: The replies cannot be read.
            OutputError: The verdicts cannot be written.
        """
        with LastLines(self.output) as lines:
            write_lines(self._judged.take(lines.rows()), self.verdicts)
        return self._judged

    def _default_stem(self) -> str:
        name = self._results[0].name.removesuffix(".jsonl").removesuffix(".results")
        name = name.removeprefix("completed-")  # prompto's
        return "-".join(part for part in ("judge", self._panel.name, name) if part)
