"""`python -m brimline.sim --port 8000 --scenario limits.toml --ledger served.jsonl`."""

import argparse
import sys
from pathlib import Path

from brimline.sim.main import run
from brimline.sim.scenario import Scenario
from brimline.sim.tables import ScenarioError


def main() -> int:
    """Serve until interrupted; the base URL is the first line on stdout."""
    parser = argparse.ArgumentParser(prog="python -m brimline.sim", description="A scripted provider.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--scenario", type=Path, help="a TOML file; none: no limits, echoes")
    parser.add_argument("--ledger", type=Path, help="a file to append one JSON line per request to")
    options = parser.parse_args()
    try:
        scenario = Scenario.load(options.scenario) if options.scenario else Scenario()
        run(scenario, host=options.host, port=options.port, ledger=options.ledger, announce=_print)
    except (ScenarioError, OSError) as error:
        parser.exit(2, f"{error}\n")
    return 0


def _print(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
