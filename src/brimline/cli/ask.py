"""`brimline ask`: one question, answered on standard output; with `--stream` as it comes."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from brimline.cli.display import make_display
from brimline.cli.display.lines import limiting
from brimline.cli.options import PARAM, SHAPE, SPAN, make_config
from brimline.cli.printer import Printer
from brimline.cli.summary import REMEDIES
from brimline.cli.text import pace, plural, span
from brimline.config import Config
from brimline.data.shape import Shape
from brimline.engine.engine import Engine
from brimline.errors import UsageError
from brimline.store.lines import result_line
from brimline.types import Failure, FaultKind, Outcome, Success

STDIN = "-"

PATIENCE = 5.0
"""Seconds between two words on what is waited for."""

INTERRUPTED = 130
FAILED = 3
CODES = {
    FaultKind.AUTH: 1,
    FaultKind.QUOTA_EXHAUSTED: 1,
    FaultKind.NOT_FOUND: 1,
    FaultKind.CONNECTION: 1,
    FaultKind.INTERNAL: 1,
    FaultKind.RATE_LIMITED: 5,
}
"""Exit codes of what is not the question's own fault."""


@click.command(name="ask")
@click.argument("model", metavar="MODEL")
@click.argument("prompt", metavar="PROMPT...", nargs=-1, required=True)
@click.option("--stream/--no-stream", default=None, help="Print the answer as it comes.")
@click.option("--system", metavar="TEXT", help="System message.")
@click.option(
    "-P",
    "--param",
    "params",
    type=PARAM,
    multiple=True,
    help="Generation parameter, JSON or else text; repeatable.",
)
@click.option("--schema", type=SHAPE, help="JSON schema that the answer has to follow; not with --stream.")
@click.option("--json", "to_json", is_flag=True, help="Print the line of a results file instead of the text.")
@click.option("--timeout", type=SPAN, help="Seconds in all, waiting for the limits included.")
@click.option(
    "--idle-timeout", type=SPAN, help="Seconds in which something of a streamed answer has to come (60)."
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read this file instead of brimline.toml.",
)
@click.option("-q", "--quiet", is_flag=True, help="Show the answer and errors only.")
def command(**given: Any) -> int:
    """Send one question to MODEL and print the answer. The words of PROMPT are joined; - is standard input.

    It keeps the limits of the configuration, and shares them with the runs of the same account on this machine.
    """
    display = make_display("none")
    say: Callable[[str], None] = (lambda _: None) if given.pop("quiet") else display.say
    to_json, limit = given.pop("to_json"), given.pop("timeout")
    question = _Question(
        given.pop("model"),
        _joined(given.pop("prompt")),
        given.pop("system"),
        dict(given.pop("params")),
        limit,
        given.pop("schema"),
    )
    config = make_config(given)
    if config.run.stream and question.has_schema:
        raise UsageError(
            "an answer that has to follow a schema is not printed as it comes: it may be asked for again"
        )
    printer = Printer(sys.stdout)
    import uvloop  # noqa: PLC0415  it imports asyncio's network code, which nothing before needs

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            outcome = runner.run(question.ask(config, None if to_json else printer, say))
        except KeyboardInterrupt:
            printer.end()
            display.say("brimline: interrupted; what was sent may be billed")
            return INTERRUPTED
    if to_json:
        printer.write_line(result_line({"prompt": question.prompt}, outcome))
    printer.end()
    if isinstance(outcome, Success):
        _explain(outcome, config, say)
        return 0
    _excuse(outcome, display.say)
    return _code(outcome)


class _Question:
    """What is asked, and how the answer is printed.

    Args:
        model: The model reference.
        prompt: The question.
        system: System message, or None.
        params: Generation parameters.
        limit: Seconds in all, or None.
        schema: What the answer has to follow, or None.
    """

    def __init__(  # noqa: PLR0917  each is an option of its own
        self,
        model: str,
        prompt: str,
        system: str | None,
        params: dict[str, Any],
        limit: float | None,
        schema: Shape | None,
    ) -> None:
        self.model = model
        self.prompt = prompt
        self._options: dict[str, Any] = {
            "system": system,
            "params": params,
            "timeout": limit,
            "schema": None if schema is None else schema.schema,
        }

    @property
    def has_schema(self) -> bool:
        """Whether the answer has to follow a schema."""
        return self._options["schema"] is not None

    async def ask(self, config: Config, printer: Printer | None, say: Callable[[str], None]) -> Outcome:
        """Ask, print the text, and return the outcome."""
        async with Engine(config=config) as engine:
            watching = asyncio.create_task(_watch(engine, say))
            try:
                if config.run.stream:
                    return await self._listen(engine, printer, watching)
                outcome: Outcome = await engine.ask(self.model, self.prompt, **self._options)
            finally:
                watching.cancel()
        if printer is not None and isinstance(outcome, Success):
            _print_all(printer, outcome)
        return outcome

    async def _listen(self, engine: Engine, printer: Printer | None, watching: asyncio.Task[None]) -> Outcome:
        """Print the first answer as it comes, and others, if more were asked for, when they are whole."""
        stream = engine.ask(self.model, self.prompt, **self._options, stream=True)
        async for delta in stream:
            watching.cancel()
            if printer is not None and not delta.choice:
                printer.write(delta.text)
        outcome: Outcome = await stream.outcome()
        if printer is not None and isinstance(outcome, Success) and isinstance(outcome.text, list):
            for text in outcome.text[1:]:
                printer.write(f"\n\n{text}")
        return outcome


def _joined(words: tuple[str, ...]) -> str:
    """Return the prompt; what stands on standard input is set apart from words around it.

    Raises:
        UsageError: It is empty, or no text.
    """
    if words.count(STDIN) > 1:
        raise UsageError("standard input can be read once")
    if STDIN not in words:
        prompt = " ".join(words)
    else:
        place = words.index(STDIN)
        try:
            read = sys.stdin.buffer.read().decode("utf-8-sig").removesuffix("\n")
        except UnicodeDecodeError as error:
            raise UsageError(f"standard input is no UTF-8: {error}") from None
        prompt = "\n\n".join(filter(None, (" ".join(words[:place]), read, " ".join(words[place + 1 :]))))
    if not prompt.strip():
        raise UsageError("the prompt is empty")
    return prompt


async def _watch(engine: Engine, say: Callable[[str], None]) -> None:
    """Name what keeps the question from leaving."""
    while True:
        await asyncio.sleep(PATIENCE)
        progress = engine.stats()
        if progress.notice:
            say(progress.notice)
        for model in progress.models:
            if not model.in_flight and limiting(model):
                say(f"{model.model}: {limiting(model)}")


def _print_all(printer: Printer, outcome: Success) -> None:
    texts = [outcome.text] if isinstance(outcome.text, str) else outcome.text
    printer.write("\n\n".join(texts))


def _explain(outcome: Success, config: Config, say: Callable[[str], None]) -> None:
    """Say what the answer took, and what of it is not in the text."""
    response, usage = outcome.response, outcome.usage
    parts = [outcome.request.model]
    if usage is not None:
        parts.append(f"{usage.input_tokens:,} input and {usage.output_tokens:,} output tokens")
    if outcome.cached:
        parts.append("from the cache")
    elif said := pace(response.time_to_first_token, response.time_per_output_token):
        parts.append(said)
    elif config.run.stream:
        parts.append("which came whole")
    if outcome.latency is not None:
        parts.append(span(outcome.latency))
    if response.finish_reason not in {None, "stop"}:
        parts.append(f"finish reason {response.finish_reason}")
    say(", ".join(parts))
    if response.tool_calls:
        say(f"It asks for {plural(len(response.tool_calls), 'tool call')}; --json shows what for.")


def _excuse(failure: Failure, say: Callable[[str], None]) -> None:
    """Say why there is no answer."""
    fault = failure.fault
    say(f"brimline: {fault.kind}: {fault.detail}")
    if failure.partial:
        say("  What was printed is not the whole answer.")
    if remedy := REMEDIES.get(fault.kind):
        say(f"  {remedy}")


def _code(failure: Failure) -> int:
    """Return what a failure means to a shell."""
    fault = failure.fault
    if fault.kind is FaultKind.INVALID_REQUEST and fault.http_status is None:
        return 2  # nothing was sent
    return CODES.get(fault.kind, FAILED)
