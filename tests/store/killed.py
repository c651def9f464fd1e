"""A program: dies at every step of the final ordering in turn, and sees after each death that nothing is lost.

Each death is a child's `os._exit` between two lines of `ordering.py`: what it had not yet handed to the kernel is gone,
as after a `kill -9`. Run as `python killed.py FOLDER`; it prints the number of deaths.
"""

import os
import sys
from array import array
from pathlib import Path

from brimline.store import ordering
from brimline.store.ordering import order_results
from brimline.store.results import ResultsReader

from outcomes import request, success  # isort: skip  beside this file

from brimline.store.lines import result_line  # isort: skip


def line(id_, text):
    return result_line({"text": text}, success(request(id_, text=text)))


OLD = [line(3, "c"), line(9, "gone"), line(2, "b"), line(8, "changed"), line(1, "a")]
BEFORE = line(7, "superseded long ago")
ORDERED = [OLD[4], OLD[2], OLD[0]]


class Death:
    """Ends the process when the n-th line of a file is about to run."""

    def __init__(self, step):
        self.left = step

    def __call__(self, frame, event, _):
        if frame.f_code.co_filename != ordering.__file__:
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                os._exit(9)
        return self


def order(results, superseded):
    if results.read_bytes() == b"".join(ORDERED):
        return order_results(results, array("I", [1, 2, 3]), array("I"), superseded=superseded)
    return order_results(results, array("I", [5, 3, 1]), array("I", [2, 4]), superseded=superseded)


def die_at(step, results, superseded):
    """Return whether the ordering ended before that step."""
    child = os.fork()
    if child == 0:
        sys.settrace(Death(step))
        order(results, superseded)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def recorded(path):
    reader = ResultsReader(path)
    found = [recorded.id for _, recorded in reader]
    return found, reader.unreadable + len(reader.damaged)


def main(folder):
    ordering.CHUNK = 64  # so that a line is torn where it is written in several pieces
    step, ended = 0, False
    while not ended:
        step += 1
        results, superseded = folder / f"{step}.jsonl", folder / f"{step}.superseded.jsonl"
        results.write_bytes(b"".join(OLD))
        superseded.write_bytes(BEFORE)
        for again in range(2):  # it may die in the same place again
            ended = die_at(step, results, superseded)
            assert results.read_bytes() in {b"".join(OLD), b"".join(ORDERED)}, (step, again)
            kept = {*recorded(results)[0], *recorded(superseded)[0]}
            assert kept == {1, 2, 3, 7, 8, 9}, (step, again, kept)
        order(results, superseded)
        assert results.read_bytes() == b"".join(ORDERED), step
        found, unreadable = recorded(superseded)
        assert (found[0], {*found}, unreadable) == (7, {7, 8, 9}, 0), (step, found, unreadable)
        assert superseded.read_bytes().endswith(b"\n"), step
    print(step - 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
