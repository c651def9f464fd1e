"""A server that is gone for a minute: from second 10 to 70 of a run of 600 prompts at 600/min.

Nothing listens then and open connections are reset. Without the outage the run would take (600 - 9) / 10 + 0.05 =
59.2 s at the server; it may take a minute and 5 s more, and no row may fail. Measured in the simulator's ledger.
"""

from benchmarks.brimline_cli import PROMPT, Brimline
from benchmarks.contract import Figure, Options
from benchmarks.inputs import write_questions
from benchmarks.ledger import Ledger
from benchmarks.process import simulator

GRACE = 5.0


def run(options: Options) -> list[Figure]:
    """Measure."""
    count, begin, end = options.pick(600, 60), options.pick(10, 2), options.pick(70, 8)
    scenario = f"""
        [models."*"]
        latency = "50ms"
        requests = {{ rate = "600/min", bucket = 10 }}
        [[outages]]
        from = "{begin}s"
        to = "{end}s"
        kind = "gone"
    """
    ideal = (count - 9) / 10 + 0.05
    rows = write_questions(options.folder, count)
    spans, failed = [], []
    for _ in options.turns(1):
        with simulator(options.folder, scenario) as server:
            brimline = Brimline(options.folder, server.url)
            brimline.forget()
            brimline.run(rows, "-m", "lab/x", *PROMPT, "--rate", "600/min", timeout=300).expect(0, 3)
            ledger = Ledger.of(server)
        spans.append(ledger.end - ledger.first)
        failed.append(count - sum(result["status"] == "ok" for result in brimline.results()))
    return [
        Figure(
            "first request to last reply at the server",
            "s",
            spans,
            bar=ideal + (end - begin) + GRACE,
            every=True,
        ),
        Figure("rows without an answer", "", failed, bar=0, every=True),
    ]
