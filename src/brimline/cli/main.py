"""`brimline`: the commands, loaded when they are asked for, and what their errors mean to a shell."""

import importlib
import os
import sys
from contextlib import suppress
from typing import Any

import click

from brimline._version import __version__
from brimline.cli.text import clean
from brimline.errors import BrimlineError, RunError

COMMANDS = {
    "run": ("brimline.cli.run", "Send every row of a file; run it again to resume."),
    "status": ("brimline.cli.status", "Show how a run stands, also while it runs."),
    "retry": ("brimline.cli.retry", "Send failed rows again, by what they failed for."),
    "pause": ("brimline.cli.control:pause", "Let a run start nothing more for now."),
    "resume": ("brimline.cli.control:resume", "Let a paused run go on."),
    "stop": ("brimline.cli.control:stop", "End a run; it can be resumed by running it again."),
    "set": ("brimline.cli.control:set_", "Change the limits of a run while it runs."),
    "limits": ("brimline.cli.limits", "Show what limits a model: declared, advertised, learned, used."),
    "check": ("brimline.cli.check", "Find every problem of a file, its models and keys; sends nothing."),
    "export": ("brimline.cli.export", "Write results as CSV, Parquet or JSONL."),
    "score": ("brimline.cli.score", "Score the answers in results: exact, numeric, regex, a function, ..."),
    "judge": ("brimline.cli.judge", "Let models judge the answers in results; by a rubric, or as prompto."),
    "rephrase": ("brimline.cli.rephrase", "Let models say the prompts of a file in other words."),
    "steps": ("brimline.cli.steps", "Let rows flow through several steps: ask, map, split, gather."),
    "compare": ("brimline.cli.compare", "Compare what several results say of the same rows."),
    "experiment": ("brimline.cli.experiment", "Run files in prompto's data folders, with its queues."),
    "watch": ("brimline.cli.watch", "Run the files of a data folder as they arrive."),
    "media": ("brimline.cli.media", "Convert images; keep files at Gemini that are too large to go along."),
    "ask": ("brimline.cli.ask", "Ask one question; with --stream the answer is printed as it comes."),
    "demo": ("brimline.cli.demo", "Watch it work against the simulator: no key, no network."),
    "sim": ("brimline.cli.sim", "Start a simulated provider."),
    "serve-local": ("brimline.cli.serve_local", "Serve a model of your own, OpenAI-compatible."),
    "config": ("brimline.cli.config", "Show what is configured, and where it was said."),
}
"""Command: the module that holds it as `command` or under a name of its own, and what it does."""


class Commands(click.Group):
    """The group of all commands; listing them imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of use."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name or "command")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="brimline")
def cli() -> None:
    """Run any number of LLM requests as fast as their limits allow: fill every rate limit to the brim, never over;
    never lose a paid answer.
    """  # noqa: D205  click shows the first paragraph


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code."""
    try:
        code = cli.main(arguments, prog_name="brimline", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = 2
    except BrimlineError as error:
        _say(str(error))
        code = 1 if isinstance(error, RunError) else 2
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted; nothing was sent")
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        if os.environ.get("BRIMLINE_DEBUG"):
            raise
        _say(f"internal error: {type(error).__name__}: {error}\n  Set BRIMLINE_DEBUG=1 to see where.")
        code = 1
    sys.exit(code)


def _say(message: Any) -> None:
    with suppress(OSError):  # a terminal that is gone
        sys.stderr.write(f"brimline: {clean(str(message))}\n")
