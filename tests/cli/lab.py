"""What tests of real runs have in common."""

import time

ROWS = [{"text": f"prompt {n}"} for n in range(40)]
RUN = ("run", "in.jsonl", "-m", "lab/x", "-p", "{{ text }}", "-o", "out.jsonl")


def until(condition):
    """Wait for something in another process."""
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
