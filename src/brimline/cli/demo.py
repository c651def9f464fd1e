"""`brimline demo`: a real file through real limits, against the simulator: no key, no network."""

from dataclasses import replace
from pathlib import Path

import click

from brimline.cli.display import make_display
from brimline.cli.run import run
from brimline.config import Config, Endpoint, LimitRule
from brimline.config.endpoints import NO_KEY
from brimline.core.quota import parse_quotas
from brimline.engine.options import RunOptions
from brimline.errors import RunError

PROMPT = "A customer wrote by {{ channel }}: {{ text }}\n\nIn one word: complaint, question, praise or other?"
MODELS = ("sim/quick", "sim/careful", "sim/local")
LIMITS = (
    LimitRule(pattern="sim/quick", quotas=parse_quotas("1500/min"), source="demo"),
    LimitRule(pattern="sim/careful", quotas=parse_quotas("1200/min"), source="demo"),
    LimitRule(pattern="sim/local", concurrency=6, source="demo"),
)


@click.command(name="demo")
@click.option("--input", "input_", type=click.Path(path_type=Path, exists=True), help="Another file to run.")
@click.option("--output", type=click.Path(path_type=Path), default="demo.results.jsonl", show_default=True)
@click.option("--fresh", is_flag=True, help="Start over even if it was interrupted.")
def command(input_: Path | None, output: Path, fresh: bool) -> int:  # noqa: FBT001
    """Label 240 customer messages with three simulated models, each with limits of its own.

    Press Ctrl-C half-way and run it again: it resumes, and every answer is there exactly once.
    """
    config = Config(
        endpoints={"sim": Endpoint(key=NO_KEY, scenario=str(_find("demo.toml")), source="demo")},
        rules=LIMITS,
    )
    options = RunOptions(input=input_ or _find("messages.jsonl"), output=output, models=MODELS, prompt=PROMPT)
    code = run(replace(options, fresh=fresh), config, make_display("auto"), to_json=False, quiet=False)
    if code == 0:
        click.echo(
            f"Open {output}, or run it again: nothing is sent twice. With --fresh it starts over.", err=True
        )
    return code


def _find(name: str) -> Path:
    """Return an example file: beside the package where it is installed, in the repository where it is developed."""
    here = Path(__file__).resolve()
    for folder in (here.parents[1] / "examples", here.parents[3] / "examples"):
        if (folder / name).is_file():
            return folder / name
    raise RunError(f"the demo's file {name} is missing from this installation")
