"""brimline's simulator for a limit that is hidden: the text of a 429 names neither the limit nor a moment.

With `headers = false` and `retry_after = "none"` a scenario keeps both out of the headers; this keeps them out of the
message as well. Usage and output are those of `brimline sim`.
"""

import sys

from brimline.cli.main import main
from brimline.sim.errors import Exceeded, Problem

REFUSED = Problem("rate", "Too many requests")


def refuse(_exceeded: Exceeded, _model: str, _wait: int | None) -> Problem:
    """Return the same words whatever was exceeded."""
    return REFUSED


if __name__ == "__main__":
    Exceeded.error = refuse
    sys.argv[1:1] = ["sim"]
    sys.exit(main())
