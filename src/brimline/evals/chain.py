"""What belongs to an experiment, in folders of its own: its rephrased prompts and its judges, with the time of its output.

`output/rephrase-<name>` and `output/post-rephrase-<name>` come before it, `output/judge-<name>` after it, as prompto has them.
All are experiments: they have the queues of the first, their own results and their own log, and go on as it does.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from brimline.evals.experiment import Experiment
from brimline.evals.judging import Judging
from brimline.evals.panel import Panel
from brimline.evals.rephrasing import Rephrasing


def chained(experiment: Experiment, prefix: str) -> Experiment:
    """Return the experiment that belongs to another one, with its folder; its input is still to be written.

    Raises:
        OutputError: The folder cannot be made.
    """
    files = experiment.files.chained(prefix)
    experiment.data.make(files.folder)
    return replace(experiment, file=files.input, files=files, is_new=not files.completed.exists())


def rephrasing_of(
    experiment: Experiment,
    folder: Path,
    models: Sequence[str],
    *,
    templates: str,
    parser: str | None,
    originals: bool,
) -> tuple[Rephrasing, Experiment, Experiment]:
    """Return how an experiment's prompts are rephrased, the experiment that does, and the one that is run instead.

    Raises:
        InputError: The input cannot be read.
        ConfigError: A setting is wrong.
        OutputError: A folder cannot be made.
    """
    rephrasing = Rephrasing(
        experiment.files.input, folder, models, templates=templates, parser=parser, originals=originals
    )
    asked, made = chained(experiment, "rephrase"), chained(experiment, "post-rephrase")
    rephrasing.rows, rephrasing.replies = asked.files.input, asked.files.completed
    rephrasing.output = made.files.input
    return rephrasing, asked, made


def judging_of(experiment: Experiment, panel: Panel) -> tuple[Judging, Experiment]:
    """Return how the answers of an experiment are judged, and the experiment that does.

    Raises:
        OutputError: The folder cannot be made.
    """
    asked = chained(experiment, "judge")
    judging = Judging([experiment.files.completed], panel, output=asked.files.completed)
    judging.rows = asked.files.input
    return judging, asked
