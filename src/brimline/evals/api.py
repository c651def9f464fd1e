"""`judge` and `rephrase` for programs; they work inside a notebook's running loop, too."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from brimline.errors import UsageError
from brimline.evals.judged import Judged
from brimline.evals.judging import Judging
from brimline.evals.panel import folder_panel, rubric_panel
from brimline.evals.rephrasing import Rephrasing

if TYPE_CHECKING:
    from brimline.config import Config, Endpoint
    from brimline.engine.callables import Function
    from brimline.engine.options import RunOptions
    from brimline.engine.progress import Progress
    from brimline.engine.report import Report


_OF_RUNS = {"params", "deadline", "limit", "retry", "fresh"}
"""Those of the options below that are a run's, and no engine's."""


class Sending(TypedDict, total=False):
    """How requests are sent: options of `brimline.run`, with the same meaning."""

    params: Mapping[str, Any] | None
    limits: Mapping[str, str] | None
    concurrency: int | Mapping[str, int] | None
    endpoints: "Mapping[str, Endpoint | Function] | None"
    config: "Config | str | Path | None"
    timeout: float | None
    max_tries: int | None
    max_wait: float | None
    hedge: bool | None
    share: bool | None
    deadline: float | None
    limit: int | None
    retry: str
    fresh: bool
    cache: bool | str | Path | None
    on_progress: "Callable[[Progress], None] | None"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of judging.

    Attributes:
        report: What came of asking the judges.
        judged: What they have said.
        verdicts: The file with the verdict on each row.
    """

    report: "Report"
    judged: Judged
    verdicts: Path


@dataclass(frozen=True, slots=True)
class Rephrased:
    """What came of rephrasing.

    Attributes:
        report: What came of asking the models.
        output: The new input; None where not all is rephrased: call it again.
        rows: How many rows it has.
    """

    report: "Report"
    output: Path | None
    rows: int = 0


def judge(  # noqa: PLR0913  each is an option of its own
    results: str | PathLike[str],
    other: str | PathLike[str] | None = None,
    *,
    rubric: str | PathLike[str] | None = None,
    judge_folder: str | PathLike[str] | None = None,
    templates: Sequence[str] = ("template.txt",),
    judges: Sequence[str] = (),
    prompt: str | None = None,
    output: str | PathLike[str] | None = None,
    follow: bool = False,
    **sending: Unpack[Sending],
) -> Judgement:
    """Let models judge the answers in a results file; calling it again resumes.

        judgement = brimline.evals.judge("out.jsonl", rubric="helpful.toml", judges=["openai/gpt-5"])

    Args:
        results: The results of `run`.
        other: The results that they are compared with, for a pairwise rubric.
        rubric: What is judged, a TOML file.
        judge_folder: Or a folder in prompto's form, with `settings.json` and templates.
        templates: The templates of the folder.
        judges: Names in `settings.json`; with a rubric model references, in the place of its own.
        prompt: Jinja template of what was asked, where the rows do not hold it.
        output: Where the replies go; `judge-<results stem>.results.jsonl` beside the results if not given.
        follow: Judge while another process or thread still runs what is judged, until that has ended.
        sending: How they are asked, as for `brimline.run`.

    Raises:
        UsageError: Neither a rubric nor a folder is given, or both are; or `follow` with `fresh` or `limit`.
        ConfigError: A setting is wrong; nothing was sent.
        InputError: The results cannot be judged; nothing was sent.
        OutputError: A file cannot be written, or another process holds it; nothing was sent.
        RunError: It could not start, or not go on. What was answered is kept.
    """
    if rubric is not None and judge_folder is None:
        panel = rubric_panel(Path(rubric), judges)
    elif judge_folder is not None and rubric is None:
        panel = folder_panel(Path(judge_folder), templates, judges)
    else:
        raise UsageError("give either rubric or judge_folder: it says what the judges are asked")
    paths = [Path(path) for path in (results, other) if path is not None]
    judging = Judging(paths, panel, output=None if output is None else Path(output), prompt=prompt)
    if follow:
        _follow(judging, sending)
    judging.write_rows()
    report = _send(judging.options(), sending)
    return Judgement(report, judging.sum_up(), judging.verdicts)


def rephrase(
    input: str | PathLike[str],  # noqa: A002  the command line's word for it
    *,
    rephrase_folder: str | PathLike[str],
    models: Sequence[str],
    templates: str = "template.txt",
    parser: str | None = None,
    originals: bool = True,
    output: str | PathLike[str] | None = None,
    **sending: Unpack[Sending],
) -> Rephrased:
    r"""Let models say the prompts of a file in other words, and write a file that can be run; calling it again resumes.

    Args:
        input: The input file.
        rephrase_folder: Holds `settings.json` and the templates.
        models: Names in `settings.json`.
        templates: The file of the folder with one template in each line; `\n` in it is a line break.
        parser: Takes replies with several prompts apart: `split_numbered_list`.
        originals: Whether the rows themselves are kept, behind what was made of them.
        output: The new input; `post-rephrase-<stem>.jsonl` beside the input if not given.
        sending: How the models are asked, as for `brimline.run`.

    Raises:
        ConfigError: A setting is wrong; nothing was sent.
        InputError: The input cannot be read, or has no prompts; nothing was sent.
        OutputError: A file cannot be written, or another process holds it.
        RunError: It could not start, or not go on. What was answered is kept.
    """
    rephrasing = Rephrasing(
        Path(input),
        Path(rephrase_folder),
        models,
        templates=templates,
        parser=parser,
        originals=originals,
        output=None if output is None else Path(output),
    )
    rephrasing.write_rows()
    report = _send(rephrasing.options(), sending)
    if not report.is_complete:
        return Rephrased(report, None)
    return Rephrased(report, rephrasing.output, rephrasing.write_output())


def _send(options: "RunOptions", sending: Sending) -> "Report":
    """Send the rows of a file; each is asked once, whatever the configuration says of other runs."""
    from brimline.engine.api import run  # noqa: PLC0415  it brings the network code

    return run(options.input, output=options.output, schema=options.schema, repeat=1, **sending)


def _follow(judging: Judging, sending: Sending) -> None:
    """Judge what a live run answers, until it has ended."""
    from brimline.engine.api import on_a_loop  # noqa: PLC0415
    from brimline.engine.engine import Engine  # noqa: PLC0415

    if sending.get("fresh") or sending.get("limit") is not None:
        raise UsageError("fresh and limit do not go with follow")
    options = judging.options(params=dict(sending.get("params") or {}), deadline=sending.get("deadline"))
    following = judging.following(options)
    settings: dict[str, Any] = {name: value for name, value in sending.items() if name not in _OF_RUNS}

    async def run() -> None:
        async with Engine(**settings) as engine:
            await following.run(engine)

    on_a_loop(run)
