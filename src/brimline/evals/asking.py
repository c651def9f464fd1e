"""A step of a pipeline that asks a model: one durable stream through the engine that all steps share."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from brimline.config import Config
from brimline.core.faults import CONSEQUENCES
from brimline.data.media import Media
from brimline.data.recipe import Recipe
from brimline.data.rows import Row, RowError
from brimline.data.template import RenderError, Template
from brimline.engine.callables import find_function
from brimline.engine.engine import Engine
from brimline.engine.feed import Feed
from brimline.engine.stream import Maker, numbered
from brimline.errors import ConfigError
from brimline.evals.channel import Channel
from brimline.evals.parcel import Fate, Parcel
from brimline.evals.stages import Stage
from brimline.evals.steps import Ask
from brimline.evals.tally import FailedRows, StepProgress, broken
from brimline.types import Fault, FaultKind, Message, Outcome, Request, Usage

_MODEL = ("model", "api", "model_name")


class AskStage(Stage):
    """Asks about rows.

    Args:
        step: The step.
        engine: What sends.
        results: The file that keeps its outcomes.
        failed: Where rows that get no answer are written down.

    Attributes:
        stops: Models and endpoints that have stopped, and why.

    Raises:
        ConfigError: Its schema is none.
    """

    kind = "ask"

    def __init__(self, step: Ask, engine: Engine, results: Path, failed: FailedRows) -> None:
        super().__init__(step.name, failed)
        self._step = step
        self._engine = engine
        self._results = results
        self._maker = Maker(step.model, None, None, schema=step.schema, keyed=True)
        self._questions = Questions(step)
        self._feed: Feed | None = None
        self._reason = ""

    @property
    def stops(self) -> Mapping[str, Fault]:
        """Models and endpoints that have stopped, and why."""
        return {} if self._feed is None else self._feed.run.stops

    def stop(self, reason: str) -> None:
        """Send nothing more; what is in flight may end."""
        self._reason = self._reason or reason
        if self._feed is not None:
            self._feed.stop(self._reason)

    async def run(self, rows: Channel, out: Channel) -> None:
        """Ask about all that comes."""
        outcomes = numbered(
            self._engine, self._requests(rows, out), self._maker, None, self._results, opened=self._open
        )
        async with aclosing(outcomes):
            async for _, outcome in outcomes:
                await self._conclude(outcome, out)
                self._look()
        async for parcel in rows:  # it was stopped
            if parcel.is_lost:
                await out.put(parcel)
            else:
                self.progress.came += 1
                await self.lose(parcel, Fate.PENDING, out)
        out.close()

    def look(self) -> StepProgress:
        """Return how it stands now."""
        self._look()
        return self.progress

    async def take(self, parcel: Parcel, out: Channel) -> None:
        """Rows are taken by the feed."""
        raise NotImplementedError

    def _open(self, feed: Feed) -> None:
        self._feed = feed
        if self._reason:
            feed.stop(self._reason)

    def _look(self) -> None:
        if self._feed is not None:
            self.progress.known = self._feed.known

    async def _requests(self, rows: Channel, out: Channel) -> AsyncIterator[Request]:
        """Yield what is asked; rows about which nothing can be asked fail."""
        async for parcel in rows:
            if parcel.is_lost:
                await out.put(parcel)
                continue
            self.progress.came += 1
            try:
                yield self._questions.about(parcel)
            except RowError as error:
                await self.fail(parcel, Fault(FaultKind.INVALID_REQUEST, str(error)), out)

    async def _conclude(self, outcome: Outcome, out: Channel) -> None:
        parcel = cast(Parcel, outcome.request.origin)
        if not outcome.ok:
            if self._is_pending(outcome.fault):
                await self.lose(parcel, Fate.PENDING, out)
            else:
                await self.fail(parcel, outcome.fault, out)
            return
        self.progress.usage += outcome.usage or Usage()
        answer = outcome.text if self._step.schema is None else outcome.value
        try:
            value = answer if self._step.parse is None else self._step.parse(answer)
        except Exception as error:  # noqa: BLE001  the function is the user's
            await self.fail(parcel, broken(error), out)
            return
        await self.give(replace(parcel, columns={**parcel.columns, self._step.name: value}), out)

    def _is_pending(self, fault: Fault) -> bool:
        """Whether a row was given up, and not its request: it was stopped, or its model or endpoint was."""
        return (
            fault.kind is FaultKind.CANCELLED
            or CONSEQUENCES[fault.kind].stops
            or fault in self.stops.values()
        )


class Questions:
    """Makes requests of rows, as a step says.

    Args:
        step: The step.
    """

    def __init__(self, step: Ask) -> None:
        self._prompt = _template(step, "prompt")
        self._system = _template(step, "system")
        self._has_model = step.model is not None
        self._recipe = Recipe(
            media=Media(Path()),
            models=() if step.model is None else (step.model,),
            system=None if self._prompt is not None else self._system,
            params=dict(step.params),
        )

    def about(self, parcel: Parcel) -> Request:
        """Return what is asked about a row; its origin is the parcel.

        Raises:
            RowError: Nothing can be asked.
        """
        columns = dict(parcel.columns) if self._prompt is None else self._filled(parcel.columns)
        (request,) = self._recipe.requests(Row(0, parcel.path[0] + 1, columns), 0, with_keys=False)
        return replace(request, id=parcel.columns["id"], origin=parcel)

    def _filled(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row of nothing but the prompt: what other columns are called means nothing then."""
        assert self._prompt is not None
        try:
            text = self._prompt.render(columns)
            system = None if self._system is None else self._system.render(columns)
        except RenderError as error:
            raise RowError(str(error)) from None
        if not text:
            raise RowError("the prompt is empty")
        messages: list[Message] = [] if system is None else [{"role": "system", "content": system}]
        own = {} if self._has_model else {name: columns[name] for name in _MODEL if name in columns}
        return {**own, "prompt": [*messages, {"role": "user", "content": text}]}


def check_models(steps: "list[Ask]", config: Config) -> None:
    """See that the models that steps name can be asked.

    Raises:
        ConfigError: An endpoint does not exist or lacks its key, or its function cannot be loaded.
    """
    for step in steps:
        if step.model is None:
            continue
        try:
            place = config.resolve(step.model)
            place.key()
            if place.endpoint.function is not None:
                find_function(place.endpoint)
        except ConfigError as error:
            raise ConfigError(f"step '{step.name}': {error}") from None


def _template(step: Ask, option: str) -> Template | None:
    text = getattr(step, option)
    return None if text is None else Template(text, f"step '{step.name}': {option}")
