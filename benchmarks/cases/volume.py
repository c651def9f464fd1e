"""What prompto's paper leaves open: 1,000 and 10,000 prompts over several APIs, and 1 to 100 models on one endpoint.

Every model has a rate of its own, which the simulator enforces with a bucket of one second's worth. Measured at the server
from the first request to the last reply, beside the ideal: the gaps of the slowest rate and the last answer. `held` is the
most requests of a model in any 60 s, as a share of its rate: above 1 is over the limit. Takes 6 minutes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.brimline_cli import Brimline
from benchmarks.contract import Figure, Options
from benchmarks.inputs import questions, write_rows
from benchmarks.ledger import Ledger
from benchmarks.process import simulator

LATENCY = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """Rows for models that share no limit.

    Attributes:
        rates: Requests a minute of each model.
        rows: Rows of all of them; each has as many as its rate allows for.
    """

    rates: tuple[int, ...]
    rows: int

    def counts(self) -> list[int]:
        """Return how many rows each model has."""
        return [round(self.rows * rate / sum(self.rates)) for rate in self.rates]

    def ideal(self) -> float:
        """Return the seconds that it takes at best."""
        gaps = ((count - 1) * 60 / rate for count, rate in zip(self.counts(), self.rates, strict=True))
        return max(gaps) + LATENCY


LOADS = {
    "1,000 prompts, 4 APIs": Load((150, 250, 350, 250), 1_000),
    "10,000 prompts, 4 APIs": Load((250, 750, 1_500, 2_500), 10_000),
    "1 model on one endpoint": Load((120,), 60),
    "10 models on one endpoint": Load((120,) * 10, 600),
    "100 models on one endpoint": Load((120,) * 100, 6_000),
}


def run(options: Options) -> list[Figure]:
    """Measure."""
    figures = []
    for name, load in LOADS.items():
        small = Load(load.rates, max(load.rows // options.pick(1, 10), 2 * len(load.rates)))
        ratios, held, cpu, memory = zip(*(measure(options, small) for _ in options.turns(1)), strict=True)
        bar = None if options.quick else 1.02
        figures += [
            Figure(f"{name}, measured / ideal", "x", ratios, bar=bar, every=True),
            Figure(f"{name}, held", "x", held, bar=1.0, every=True),
            Figure(f"{name}, CPU a request", "ms", cpu),
            Figure(f"{name}, peak memory", "MiB", memory),
        ]
    return figures


def measure(options: Options, load: Load) -> tuple[float, float, float, float]:
    """Run one load; return its time beside the ideal, the fullest minute, CPU in ms a request, and memory in MiB."""
    models = {f"m{place}": rate for place, rate in enumerate(load.rates)}
    rows = write_rows(options.folder / "rows.jsonl", rows_of(models, load))
    scenario = "".join(
        f'[models.{name}]\nlatency = "{LATENCY}s"\nrequests = {{ rate = "{rate}/min" }}\n'
        for name, rate in models.items()
    )
    limits = [part for name, rate in models.items() for part in ("--rate", f"lab/{name}={rate}/min")]
    with simulator(options.folder, scenario) as server:
        brimline = Brimline(options.folder, server.url)
        brimline.forget()
        finished = brimline.run(rows, *limits, timeout=200).expect(0)
        brimline.require_answers(sum(load.counts()))
        ledger = Ledger.of(server)
    span = ledger.end - ledger.first
    fullest = max(ledger.only(name).fullest(60.0) / rate for name, rate in models.items())
    return span / load.ideal(), fullest, finished.cpu * 1e3 / len(ledger.entries), finished.peak_mb


def rows_of(models: dict[str, int], load: Load) -> Iterator[dict[str, str]]:
    """Yield the rows, model after model: the hardest order."""
    for name, count in zip(models, load.counts(), strict=True):
        for row in questions(count):
            yield {"model": f"lab/{name}", "prompt": row["question"]}
