"""`brimline experiment`: files of rows in prompto's data folders, with its queues, its flags and its names."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click

from brimline.cli.judge import show_judged, split_names
from brimline.cli.options import limit_options, run_options, setting_options, show_options
from brimline.cli.run import Terms, carry_out, read_terms
from brimline.cli.score import Scoring, read_scoring
from brimline.cli.summary import as_json
from brimline.cli.text import clean, plural
from brimline.config import Config
from brimline.engine.options import Retry, RunOptions
from brimline.engine.prepare import answering
from brimline.engine.report import Report
from brimline.errors import BrimlineError, ConfigError, InputError
from brimline.evals.chain import judging_of, rephrasing_of
from brimline.evals.data_folder import DataFolder
from brimline.evals.experiment import Experiment, open_experiment
from brimline.evals.panel import Panel, folder_panel
from brimline.evals.queues import Queues, read_rates

ANSWERED = {0, 3}
"""Exit codes of a run in which every row has its outcome."""

_PATH = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, dir_okay=False)
_DATA = click.option("-d", "--data-folder", "data_folder", type=_PATH, default="data", show_default=True,
                     help="Where input, output and media are.")  # fmt: skip
_QUEUES = [
    click.option("-e", "--env-file", "env_file", type=_FILE,
                 help="NAME=VALUE lines; what is set already wins. None is read unless it is named here."),
    click.option("-mq", "--max-queries", type=click.IntRange(min=1), default=10, show_default=True,
                 help="Queries a minute of each queue that nothing else is said of."),
    click.option("-ma", "--max-attempts", type=click.IntRange(min=1), help="Tries of one query (5); as --max-tries."),
    click.option("-p", "--parallel", is_flag=True, help="A queue for each group or API, side by side."),
    click.option("-mqj", "--max-queries-json", type=_FILE,
                 help='Queries a minute by group or API, and within them by model: {"openai": {"gpt-4o": 20, "default": 5}}.'),
    click.option("--output-as-csv", is_flag=True, help="Write the results as CSV, too."),
]  # fmt: skip
_CHAIN = [
    click.option("-rf", "--rephrase-folder", type=_PATH, help="Rephrase the prompts first: settings.json and templates."),
    click.option("-rt", "--rephrase-templates", default="template.txt", show_default=True,
                 help="A file of that folder with one template in each line."),
    click.option("-r", "--rephrase-model", "rephrase_models", multiple=True, metavar="NAME[,NAME]",
                 help="Names in its settings.json."),
    click.option("-rp", "--rephrase-parser", help="Takes replies with several prompts apart: split_numbered_list."),
    click.option("-ro", "--remove-original", is_flag=True, help="Run only what was rephrased."),
    click.option("-or", "--only-rephrase", is_flag=True, help="Stop when the rephrased file is written."),
    click.option("-s", "--scorer", "scorer_names", multiple=True, metavar="NAME[,NAME]",
                 help="As --score; match,includes as prompto has them."),
    click.option("--score", "scorers", multiple=True, metavar="SCORER",
                 help="Score the answers, as `brimline score` does. Repeatable."),
    click.option("--by", multiple=True, metavar="COLUMN", help="Mean scores by this column, too. Repeatable."),
    click.option("--gate", "gates", multiple=True, metavar="'NAME >= X'",
                 help="Exit with 4 if a mean score does not hold it. Repeatable."),
    click.option("-jf", "--judge-folder", type=_PATH, help="Judge the answers: settings.json and templates."),
    click.option("-jt", "--judge-templates", "judge_templates", multiple=True, metavar="A.txt[,B.txt]",
                 help="Templates of that folder (template.txt)."),
    click.option("-j", "--judge", "judges", multiple=True, metavar="NAME[,NAME]", help="Names in its settings.json."),
]  # fmt: skip


def queue_options(function: Any) -> Any:
    """Add prompto's options about queues and what goes with them."""
    for option in reversed(_QUEUES):
        function = option(function)
    return function


def _chain_options(function: Any) -> Any:
    for option in reversed(_CHAIN):
        function = option(function)
    return function


def read_queues(given: dict[str, Any]) -> Queues:
    """Take the options about queues out of `given`.

    Raises:
        ConfigError: They contradict each other, or the file of rates is wrong.
    """
    path = given.pop("max_queries_json")
    rates = {} if path is None else read_rates(path)
    return Queues(max_queries=given.pop("max_queries"), parallel=given.pop("parallel"), rates=rates)


@click.group(name="experiment")
def command() -> None:
    """Run files of rows in prompto's data folders: DATA/input, DATA/output/NAME, DATA/media."""


@command.command()
@click.argument("argument", metavar="FILE", required=False, type=_PATH)
@click.option("-f", "--file", "option", type=_PATH, help="FILE, as prompto has it.")
@_DATA
@queue_options
@_chain_options
@setting_options
@limit_options
@run_options
@show_options
def run(*, argument: Path | None, option: Path | None, **given: Any) -> int:
    """Run FILE (.jsonl or .csv): rephrase it, send it, score and judge the answers, as far as that is asked for.

    FILE is a path, or a name in DATA/input; it stays as and where it is. The results and a log are in DATA/output/NAME, with
    a copy of FILE. The same command again goes on with the last output of the same content; --fresh begins a new one.
    """
    if (argument is None) == (option is None):
        raise click.UsageError("name one FILE")
    sequel = _read_sequel(given)
    queues, as_csv = read_queues(given), given.pop("output_as_csv")
    attempts = given.pop("max_attempts")
    if attempts is not None and given["max_tries"] is not None:
        raise ConfigError("--max-attempts and --max-tries are the same; give one")
    given["repeat"] = None
    folder, fresh = given.pop("data_folder"), given.pop("fresh")
    terms = read_terms(given)
    if sequel.panel is not None:
        _check_judges(sequel.panel, terms.config)
    given |= {"params": dict(given["params"]), "retry": Retry(given["retry"])}
    experiment = open_experiment(
        argument or option or Path(),
        DataFolder(folder),
        queues,
        now=datetime.now(UTC),
        max_attempts=attempts,
        fresh=fresh,
    )
    terms = terms._replace(config=experiment.configured(terms.config))
    return _Sitting(experiment, sequel, terms, given, as_csv=as_csv).run()


class _Sequel(NamedTuple):
    """What goes before and after the answers of an experiment."""

    rephrase_folder: Path | None
    rephrase_models: list[str]
    rephrase_templates: str
    rephrase_parser: str | None
    with_originals: bool
    is_only_rephrased: bool
    scoring: Scoring | None
    panel: Panel | None


def _read_sequel(given: dict[str, Any]) -> _Sequel:
    """Take what concerns rephrasing, scores and judges out of `given`; their files are read now, before anything is sent."""
    folder, models = given.pop("rephrase_folder"), split_names(given.pop("rephrase_models"))
    rephrase = {name: given.pop(f"rephrase_{name}") for name in ("templates", "parser")}
    removes, only = given.pop("remove_original"), given.pop("only_rephrase")
    if (folder is None) != (not models):
        raise ConfigError("--rephrase-folder and --rephrase-model go together")
    if folder is None and (removes or only or rephrase["parser"]):
        raise ConfigError("nothing is rephrased", hint="Say with --rephrase-folder by whom.")
    given["scorers"] = (*split_names(given.pop("scorer_names")), *given["scorers"])
    judges_in, templates = given.pop("judge_folder"), split_names(given.pop("judge_templates"))
    judges = split_names(given.pop("judges"))
    if (judges_in is None) != (not judges) or (templates and judges_in is None):
        raise ConfigError("--judge-folder and --judge go together")
    scoring = read_scoring(given)
    panel = None if judges_in is None else folder_panel(judges_in, templates or ["template.txt"], judges)
    if only and (scoring is not None or panel is not None):
        raise ConfigError("--only-rephrase asks for no answers to score or to judge")
    return _Sequel(
        folder, models, rephrase["templates"], rephrase["parser"], not removes, only, scoring, panel
    )


def _check_judges(panel: Panel, config: Config) -> None:
    """Find judges that cannot be asked before the answers are paid for."""
    for name, settings in panel.judges.items():
        try:
            list(answering(f"{settings['api']}/{settings['model_name']}", config))
        except ConfigError as error:
            raise ConfigError(f"judge '{name}': {error}") from None


class _Sitting:
    """One experiment from its prompts to its judges, as far as is asked for."""

    def __init__(
        self, experiment: Experiment, sequel: _Sequel, terms: Terms, given: dict[str, Any], *, as_csv: bool
    ) -> None:
        self._experiment = experiment
        self._sequel = sequel
        self._terms = terms
        self._given = given
        self._as_csv = as_csv

    def run(self) -> int:
        """Do all of it, and return the exit code."""
        experiment, sequel = self._experiment, self._sequel
        self._say(self._opening())
        if sequel.rephrase_folder is not None:
            made, code = self._rephrase(sequel.rephrase_folder)
            if made is None or sequel.is_only_rephrased:
                return code
            experiment = made
        report, code = self._send(experiment, experiment.options(**self._given))
        if sequel.scoring is not None:
            results = experiment.files.completed
            code = sequel.scoring.after(report, code, results, to_json=self._terms.to_json)
        else:
            self._tell(report, code)
        if sequel.panel is None:
            return code
        if not report.is_complete:
            click.echo("brimline: not all is answered, so nothing was judged", err=True)
            return code
        return self._judge(experiment, sequel.panel) or code

    def _rephrase(self, folder: Path) -> tuple[Experiment | None, int]:
        """Rephrase the prompts; return the experiment that has them, or None if not all are."""
        sequel = self._sequel
        try:
            if not sequel.is_only_rephrased:
                self._experiment.check(self._experiment.options(**self._given), self._terms.config)
            rephrasing, asked, made = rephrasing_of(
                self._experiment,
                folder,
                sequel.rephrase_models,
                templates=sequel.rephrase_templates,
                parser=sequel.rephrase_parser,
                originals=sequel.with_originals,
            )
            rephrasing.write_rows()
            options = asked.options(**self._given | {"params": {}})
            report, code = self._send(asked, options, is_own=False)
        except BrimlineError:
            self._experiment.discard()
            raise
        self._tell(report, code)
        if not report.is_complete:
            click.echo("brimline: not all is rephrased, so nothing else was done", err=True)
            return None, code
        count = rephrasing.write_output()
        if not count:
            raise InputError(f"{asked.files.completed}: nothing was rephrased")
        self._say(f"{plural(count, 'row')} to run: {rephrasing.output}")
        return made, code

    def _judge(self, experiment: Experiment, panel: Panel) -> int:
        judging, asked = judging_of(experiment, panel)
        judging.write_rows()
        options = asked.options(**self._given | {"params": {}})
        report, code = self._send(asked, judging.options(**_beside(options)), is_own=False)
        return show_judged(judging, report, code, [], self._terms)

    def _send(
        self, experiment: Experiment, options: RunOptions, *, is_own: bool = True
    ) -> tuple[Report, int]:
        """Run an experiment; one that brimline has made itself asks once, however often rows are answered."""
        terms, config = self._terms, self._terms.config
        if not is_own:
            config = replace(config, run=replace(config.run, repeat=1))

        def prepare(options: RunOptions, config: Any) -> Any:
            prepared = experiment.prepare(options, config)
            if idle := experiment.idle_rates(prepared):
                prepared.notices.append(f"rates are named for what no row is in: {', '.join(idle)}")
            return prepared

        report, code = carry_out(options, config, terms.display, quiet=terms.quiet, prepare=prepare)
        experiment.finish(report, as_csv=self._as_csv)
        return report, code

    def _opening(self) -> str:
        experiment = self._experiment
        queues = experiment.queues
        flow = f"{queues.max_queries:,} queries a minute " + (
            "for each group or API" if queues.parallel else "in all"
        )
        files = experiment.files
        how = "begins" if experiment.is_new else "goes on (--fresh begins a new one)"
        rates = " unless named otherwise" if queues.rates else ""
        return f"{files.name}, output {files.stamp} {how}; {flow}{rates}"

    def _tell(self, report: Report, code: int) -> None:
        if self._terms.to_json:
            click.echo(as_json(report, code))

    def _say(self, text: str) -> None:
        if not self._terms.quiet:
            click.echo(clean(text), err=True)


def _beside(options: RunOptions) -> dict[str, Any]:
    """Return what is said of a run beside its files and its schema."""
    left_out = {"input", "output", "schema"}
    return {name: getattr(options, name) for name in options.__slots__ if name not in left_out}
