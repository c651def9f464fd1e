"""How much of a strict rate limit is used: 200 prompts at 600/min, a bucket of 10 at the server, 50 ms latency.

The simulator refuses what its bucket does not hold and keeps a ledger; figures are read from the ledger, start-up is
not in them. From the first to the last request it takes at least (200 - 10) / 10 = 19.0 s, if every token of the
bucket is used at once; a client cannot use the last one without risking a refusal, which makes it 19.1 s.
"""

from benchmarks.brimline_cli import PROMPT, Brimline
from benchmarks.contract import Figure, Options
from benchmarks.inputs import write_questions
from benchmarks.ledger import Ledger
from benchmarks.process import simulator

SCENARIO = """
[models."*"]
latency = "50ms"
requests = { rate = "600/min", bucket = 10 }
"""


def run(options: Options) -> list[Figure]:
    """Measure."""
    count = options.pick(200, 30)
    rows = write_questions(options.folder, count)
    spans, refused, walls = [], [], []
    for _ in options.turns(3):
        with simulator(options.folder, SCENARIO) as server:
            brimline = Brimline(options.folder, server.url)
            brimline.forget()
            finished = brimline.run(rows, "-m", "lab/x", *PROMPT, "--rate", "600/min", timeout=120)
            finished.expect(0)
            brimline.require_answers(count)
            ledger = Ledger.of(server)
        spans.append(ledger.last - ledger.first)
        refused.append(ledger.refused)
        walls.append(finished.wall)
    return [
        Figure("first to last request at the server", "s", spans, bar=19.4, every=True),
        Figure("requests refused (429)", "", refused, bar=0, every=True),
        Figure("wall, whole process", "s", walls),
    ]
