"""`python -m benchmarks.league`: run brimline and its peers on the same scenarios, and make the table of it.

setup [ENVIRONMENT ...]             make the virtual environments of the peers; needs a package index
run [SCENARIO ...] [--client NAME]  race, and write results/SCENARIO--CLIENT.json
table                               make the tables of docs/benchmarks.md out of the results
list                                say what there is
"""

import argparse
import os
import signal
import sys

from benchmarks.contract import BenchmarkError
from benchmarks.league import environments, table
from benchmarks.league.clients import CLIENTS
from benchmarks.league.race import race
from benchmarks.league.record import Conditions, Record, read_all
from benchmarks.league.scenarios import SCENARIOS


def main() -> int:
    """Do what is asked for and return the exit code."""
    arguments = parse(sys.argv[1:])
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # ends a race as Ctrl-C does: nothing is left running
    try:
        return arguments.command(arguments)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1


def parse(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.league",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("setup")
    one.add_argument("names", nargs="*", choices=[*environments.names(), []], metavar="ENVIRONMENT")
    one.set_defaults(command=setup)
    one = commands.add_parser("run")
    one.add_argument("scenarios", nargs="*", metavar="SCENARIO", choices=[*SCENARIOS, []])
    one.add_argument("--client", action="append", dest="clients", choices=CLIENTS, metavar="NAME")
    one.add_argument("--rounds", type=int, help="so many instead of each scenario's own number")
    one.add_argument(
        "--try", action="store_true", dest="is_try", help="write no result; show what clients say"
    )
    one.set_defaults(command=run)
    commands.add_parser("table").set_defaults(command=make_table)
    commands.add_parser("list").set_defaults(command=show)
    return parser.parse_args(words)


def setup(arguments: argparse.Namespace) -> int:
    """Make environments."""
    failed = [name for name in arguments.names or environments.names() if not made(name)]
    if failed:
        print(f"could not be made: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def made(name: str) -> bool:
    """Make an environment and say so."""
    print(f"{name} ...", flush=True)
    return environments.make(name)


def run(arguments: argparse.Namespace) -> int:
    """Let the clients take turns on each scenario."""
    failed = 0
    for scenario in arguments.scenarios or SCENARIOS:
        for client in arguments.clients or CLIENTS:
            if CLIENTS[client].runs(scenario):
                failed += not measure(scenario, client, arguments.rounds, is_try=arguments.is_try)
    return 1 if failed else 0


def measure(scenario: str, client: str, rounds: int | None, *, is_try: bool) -> bool:
    """Run one client on one scenario, write down what came of it, and return whether it could be run at all."""
    try:
        conditions = Conditions.now(CLIENTS[client])
        turns = range(rounds or (1 if is_try else SCENARIOS[scenario].rounds))
        runs = [race(SCENARIOS[scenario], CLIENTS[client], show=is_try) for _ in turns]
    except BenchmarkError as error:
        print(f"{scenario} {client}: {error}", file=sys.stderr)
        return False
    script = os.path.relpath(CLIENTS[client].path, environments.HERE.parent.parent)
    record = Record(scenario, client, script, SCENARIOS[scenario].ideal, conditions, runs)
    if not is_try:
        record.write()
    for each in runs:
        figures = {name: value for name, value in each.as_json().items() if name != "per_second"}
        ratio = f"{record.ratio:.3f} x ideal" if record.ratio else ""
        print(f"{scenario} {client} {ratio} {figures}", flush=True)
    return True


def make_table(_: argparse.Namespace) -> int:
    """Make the tables."""
    table.write(read_all())
    return 0


def show(_: argparse.Namespace) -> int:
    """List scenarios and clients."""
    for name, scenario in SCENARIOS.items():
        print(f"{name:14} {scenario.about}")
    for name, client in CLIENTS.items():
        print(f"{name:18} {client.settings.splitlines()[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
