"""The scenario: everything a scripted provider does, as frozen data with a default for each part.

An empty scenario serves any model at once, without limits, and echoes. `Scenario.load`,
`Scenario.parse` and `Scenario.make` read the same words from a file, a text and Python values;
what they mean stands beside each field. All times count from the first chat request.
"""

import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec

from brimline.sim.amounts import SECOND, Latency, Rate, Span, Spread
from brimline.sim.headers import Headers
from brimline.sim.tables import ScenarioError, read_struct, suggest

Positive = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
FaultKind = Literal[
    "400",
    "429",
    "500",
    "503",
    "529",
    "auth",
    "content_filter",
    "cut",
    "empty",
    "error200",
    "filter200",
    "html502",
    "idle",
    "length",
    "malformed",
    "not_found",
    "null_content",
    "quota",
    "reset",
    "stall",
    "stream_error",
    "truncate",
]
STYLES = ("echo", "answer", "lorem")
ZERO = Span.parse("0s")


class RequestLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket of requests that refills continuously and starts full."""

    rate: Rate
    bucket: Positive | None = None
    """The size; one second's worth unless given."""

    @property
    def size(self) -> int:
        """Requests in a full bucket."""
        return self.bucket or self.rate.worth(seconds=1)


class TokenLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket of tokens, charged when a request arrives."""

    rate: Rate
    bucket: Positive | None = None
    """The size; ten seconds' worth unless given."""
    charge: Literal["max_tokens", "actual"] = "max_tokens"
    """Input plus the `max_tokens` asked for (0 if none), or input plus the output that will really come."""

    @property
    def size(self) -> int:
        """Tokens in a full bucket."""
        return self.bucket or self.rate.worth(seconds=10)


class PartLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket of the tokens that go in, or of those that come out, as Anthropic has them.

    Input is charged when a request arrives, output when it has been generated: a request is admitted as long as
    anything is left for output, and a long answer leaves a debt.
    """

    rate: Rate
    bucket: Positive | None = None
    """The size; ten seconds' worth unless given."""

    @property
    def size(self) -> int:
        """Tokens in a full bucket."""
        return self.bucket or self.rate.worth(seconds=10)


class WindowLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A fixed window of requests that opens at the first one after the last window closed."""

    limit: Positive
    seconds: Annotated[float, msgspec.Meta(gt=0)] = 1.0

    @property
    def length(self) -> int:
        """Nanoseconds from opening to closing."""
        return round(self.seconds * SECOND)


class Concurrency(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests are answered at the same time."""

    limit: Positive
    over: Literal["refuse", "queue"] = "refuse"


class FaultRule(msgspec.Struct, frozen=True, kw_only=True):
    """When one kind of fault happens: all conditions given must hold; with none, always.

    A request is numbered among those of its model that passed the limits.
    """

    kind: FaultKind
    share: Share = 1.0
    """The probability for each request."""
    every: Positive = 1
    """Each n-th request."""
    when: str | None = None
    """Requests whose last user message contains this text."""
    times: Positive | None = None
    """With `when`: only the first so many times that one conversation is sent."""
    after: int = 0
    """Only after so many requests."""
    start: Span = msgspec.field(default=ZERO, name="from")
    end: Span | None = msgspec.field(default=None, name="to")
    retry_after: Span | None = None
    """The wait that a 429, 503 or 529 names."""

    def __post_init__(self) -> None:
        if self.times is not None and self.when is None:
            raise ValueError("times: expected together with 'when'")
        check_order(self.start, self.end)


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """How one model, or all whose name fits a pattern, behaves. Each name has limits of its own."""

    latency: Latency = Latency.parse("0s")
    tokens_per_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Adds output tokens / this to the latency, and paces a stream."""
    latency_per_inflight: Span = ZERO
    """Added for each request in flight above `knee`, the new one included."""
    knee: Annotated[int, msgspec.Meta(ge=0)] = 0
    reply: str = "echo"
    """echo, answer, lorem, or the JSONL file of prompts and responses to replay."""
    output_tokens: Spread = Spread.parse("20")
    """The length of a lorem reply."""
    requests: RequestLimit | None = None
    tokens: TokenLimit | None = None
    input: PartLimit | None = None
    output: PartLimit | None = None
    window: WindowLimit | None = None
    concurrency: Concurrency | None = None
    headers: Headers = Headers.OWN
    """The form of the headers about limits on 200s and 429s, or none; each API has its own unless given."""
    retry_after: Literal["own", "ms", "s", "none"] = "own"
    """What a 429 says: retry-after-ms and retry-after, whole seconds alone, or nothing; or as the API does it."""
    max_context: Positive | None = None
    faults: tuple[FaultRule, ...] = ()

    def __post_init__(self) -> None:
        if self.reply not in STYLES and not self.reply.endswith(".jsonl"):
            expected = f"expected {', '.join(STYLES)} or a .jsonl file, got {self.reply!r}"
            raise ValueError(f"reply: {expected}; {suggest(self.reply, STYLES)}")

    @property
    def replay(self) -> str | None:
        """The file whose answers are replayed, if any."""
        return None if self.reply in STYLES else self.reply


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A span of time in which the whole server is away.

    gone: nothing listens, open connections are reset; stall: accepts and never answers; 503: says so.
    """

    start: Span = msgspec.field(name="from")
    end: Span = msgspec.field(name="to")
    kind: Literal["gone", "stall", "503"] = "gone"

    def __post_init__(self) -> None:
        check_order(self.start, self.end)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Limits that are replaced at a moment, for each model whose name fits."""

    at: Span
    model: str = "*"
    requests: RequestLimit | None = None
    tokens: TokenLimit | None = None
    input: PartLimit | None = None
    output: PartLimit | None = None
    window: WindowLimit | None = None
    concurrency: Concurrency | None = None


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A scripted provider."""

    seed: int = 0
    keys: tuple[str, ...] | None = None
    """The keys accepted; any, or none at all, unless given."""
    strict_models: bool = False
    """Whether a model that no table but "*" names is a 404."""
    models: dict[str, Model] = msgspec.field(default_factory=dict)
    """By exact name or shell pattern; the exact one, else the longest pattern that fits, wins."""
    outages: tuple[Outage, ...] = ()
    changes: tuple[Change, ...] = ()

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a TOML file; files it names are found beside it. Raises ScenarioError."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(str(path), "", f"cannot be read: {error}") from error
        return cls._read(_toml(text, str(path)), str(path), path.parent)

    @classmethod
    def parse(cls, text: str, source: str = "scenario") -> Self:
        """Read a TOML text; errors name `source`. Raises ScenarioError."""
        return cls._read(_toml(text, source), source, Path())

    @classmethod
    def make(cls, **tables: Any) -> Self:
        """Read Python values in the words of the file: `make(models={"*": {"latency": "1s"}})`."""
        return cls._read(tables, "scenario", Path())

    @classmethod
    def _read(cls, tables: Mapping[str, Any], source: str, folder: Path) -> Self:
        scenario = read_struct(cls, _inherit(tables), source)
        models = {
            name: msgspec.structs.replace(model, reply=str(folder / model.replay)) if model.replay else model
            for name, model in scenario.models.items()
        }
        return msgspec.structs.replace(scenario, models=models)

    def model(self, name: str) -> Model | None:
        """How that model behaves; None when it does not exist."""
        if name in self.models:
            return self.models[name]
        fitting = [pattern for pattern in self.models if pattern != "*" and fnmatchcase(name, pattern)]
        if fitting:
            return self.models[max(fitting, key=len)]
        return None if self.strict_models else self.models.get("*", Model())


def check_order(start: Span, end: Span | None) -> None:
    """Raise ValueError unless `start` comes before `end`."""
    if end is not None and end.ns <= start.ns:
        raise ValueError(f"to: expected later than 'from' ({start}), got '{end}'")


def _toml(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(source, "", f"expected TOML: {error}") from error


def _inherit(tables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give each model what the table of "*" says and its own does not."""
    models = tables.get("models")
    shared = models.get("*") if isinstance(models, Mapping) else None
    if not isinstance(models, Mapping) or not isinstance(shared, Mapping):
        return tables
    merged = {name: {**shared, **own} if isinstance(own, Mapping) else own for name, own in models.items()}
    return {**tables, "models": {"*": shared} | merged}  # first, so that its mistakes are reported as its own
