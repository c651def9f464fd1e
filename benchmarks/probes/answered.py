"""Writes the results file that a run would have left behind: every request answered but the last few of each lane.

Usage: `answered.py INPUT OUTPUT BYTES LEFT MODELS`. Lines are BYTES long and stand in an order in which they may have
been completed: all lanes at once, each a little out of order. LEFT requests of each lane are not answered. MODELS are
separated by commas, with the prompt in the column `question`; empty: the rows name model and prompt themselves.
"""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

from brimline.config import Config, Endpoint
from brimline.data.inputs import open_table
from brimline.data.plan import Plan
from brimline.engine.choose import choose
from brimline.engine.options import RunOptions
from brimline.engine.prepare import check_input, make_recipe
from brimline.store.lines import result_line
from brimline.types import Request, Response, Success, Usage

BATCH = 64
"""So many requests of a lane are completed in any order."""

CONFIG = Config(endpoints={"lab": Endpoint(base_url="http://127.0.0.1", key="none")}, environment={})


def lanes(options: RunOptions) -> tuple[Plan, list[list[int]]]:
    """Check the input and return its requests, lane by lane."""
    checked = check_input(
        open_table(options.input), make_recipe(options, options.input.parent, CONFIG), CONFIG, with_keys=False
    )
    checked.require()
    plan = checked.plan
    return plan, [*choose(plan, bytearray(plan.requests), options).pending.values()]


def completed(plan: Plan, numbers: list[list[int]], rng: random.Random) -> Iterator[Request]:
    """Yield requests in an order in which they may have been completed."""
    for start in range(0, max(map(len, numbers)), BATCH):
        batches = [lane[start : start + BATCH] for lane in numbers]
        requests = [request for batch in batches if batch for request in plan.read(batch)]
        rng.shuffle(requests)
        yield from requests


def main() -> None:
    """Write the file."""
    source, output, size, left, models = sys.argv[1:]
    named = tuple(models.split(",")) if models else ()
    options = RunOptions(input=Path(source), models=named, prompt="{{ question }}" if named else None)
    plan, numbers = lanes(options)
    numbers = [lane[: len(lane) - int(left)] for lane in numbers]
    with Path(output).open("wb", buffering=1 << 20) as file:
        for request in completed(plan, numbers, random.Random(1)):
            bare = result_line(request.origin.columns, answer(request, ""))
            file.write(result_line(request.origin.columns, answer(request, "x" * (int(size) - len(bare)))))


def answer(request: Request, text: str) -> Success:
    """Return the outcome of a request."""
    response = Response(
        text=text, finish_reason="stop", usage=Usage(96, 24), model="null", request_id="req_00000000"
    )
    sent_at = 1_700_000_000_000_000_000
    return Success(request=request, responses=(response,), attempts=1, sent_at=sent_at, latency=0.5)


if __name__ == "__main__":
    main()
