"""What a piece of a streamed answer costs in CPU, above reading its bytes from a plain socket.

A process of its own (probes/streaming.py) asks a server in another process for 32 answers at a time, each of 2,000
pieces as OpenAI sends them (a chunk of HTTP with an event of about 300 bytes): once through `Engine.ask(...,
stream=True)`, with an `async for` over the pieces, and once through asyncio's own stream reader, which only looks for
the end. The overhead is the difference, for each piece, of the process's CPU: HTTP, events, JSON, the engine and the
hand-over. `together`: the server writes 16 pieces at a time as fast as they are taken, so that a read brings many.
`apart`: each piece is written alone, a millisecond after the last, so that nearly every read brings one; then waking up
for a read is what costs most, with or without brimline, and the hand-over from task to task wakes up once more. The two ways take turns.
"""

import json
import sys

from benchmarks.contract import Figure, Options
from benchmarks.process import HERE, Server, run_process


def run(options: Options) -> list[Figure]:
    """Measure."""
    pieces, rounds = options.pick(2000, 160), len(options.turns(5))
    with Server(
        [sys.executable, HERE / "servers" / "streaming_server.py", str(pieces)], options.folder
    ) as server:
        command = [sys.executable, HERE / "probes" / "streaming.py", server.url, str(pieces), str(rounds)]
        taken = json.loads(run_process(command, folder=options.folder, timeout=120).expect(0).out)
    figures = []
    for pace in ("together", "apart"):
        heard, read = taken[f"{pace} heard"], taken[f"{pace} read"]
        above = [one - other for one, other in zip(heard, read, strict=True)]
        bar = 3.0 if pace == "together" else None
        figures.append(Figure(f"overhead of a piece, {pace}", "us", above, bar=bar))
        figures.append(Figure(f"CPU of a piece heard, {pace}", "us", heard))
        figures.append(Figure(f"CPU of a piece read plainly, {pace}", "us", read))
    return figures
