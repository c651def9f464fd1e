"""A run of the real program that is killed again and again, and the books that are kept of it meanwhile."""

import json
import os
import re
import time
from collections import Counter

from tests.servers import Cli

FAULTS = """
seed = 5
[models."*"]
latency = "lognormal(60ms, 0.5)"
[[models."*".faults]]
kind = "500"
share = 0.04
[[models."*".faults]]
kind = "reset"
share = 0.02
[[models."*".faults]]
kind = "malformed"
share = 0.02
[[models."*".faults]]
kind = "429"
share = 0.02
retry_after = "20ms"
"""
PAID = {"ok", "gone"}
"""What the provider has answered, or would have; the rest were faults of its own."""


def chosen_seed():
    """Return the seed: the one in CRASH_SEED, or a new one; it is printed."""
    seed = int(os.environ.get("CRASH_SEED") or time.time_ns() % 10**6)
    print(f"seed {seed}: CRASH_SEED={seed} repeats it")
    return seed


class Victim:
    """The program in a folder.

    Args:
        folder: An empty folder.
        server: The simulator; only this victim uses it meanwhile.
        rows: Its input; every prompt and turn is unlike all others.
        models: Names of the models.
        is_csv: Whether the input is CSV.

    Attributes:
        recorded: The whole lines that the results held last.
        flying: For each kill so far, how many requests were served or in flight and had no record.
        named: For each start so far, how many requests it said may have been billed.
    """

    def __init__(self, folder, server, rows, models, *, is_csv=False, options=()):
        folder.mkdir(exist_ok=True)
        self._server = server
        self._cli = Cli(folder)
        self._cli.lab(server.url)
        self._rows = rows
        self._models = [f"lab/{model}" for model in models]
        self._row_of = {str(row.get("id", number)): number for number, row in enumerate(rows)}
        self._input = self._write_csv() if is_csv else self._cli.write("in.jsonl", rows)
        self._options = options
        self.output = folder / "out.jsonl"
        self._seen = len(server.ledger)
        self._begun = self._seen
        self.recorded = []
        self.flying, self.named = [], []

    def _write_csv(self):
        path = self._cli.folder / "in.csv"
        columns = list(self._rows[0])
        lines = [",".join(f'"{row[column]}"' for column in columns) for row in self._rows]
        path.write_text("\n".join((",".join(columns), *lines)) + "\n")
        return path

    def start(self):
        """Start the program."""
        models = [word for model in self._models for word in ("-m", model)]
        return self._cli.start("run", self._input, *models, *self._options, "-o", "out.jsonl")

    def run(self, kill):
        """Start it, let `kill(process)` kill it, and see that the books are right; return whether it has finished."""
        unfinished = self._unfinished()
        process = self.start()
        kill(process)
        _, err = process.communicate(timeout=100)
        if re.search(r"requests? to lab/", err):
            assert in_flight(err) == len(unfinished), "it names exactly what may have been billed"
            self.named.append(len(unfinished))
        self._check_results()
        if process.returncode == -9:
            self._check_flying()
            return False
        assert process.returncode == 0, err
        return True

    def _check_results(self):
        """What was recorded stays as it is, or has become ordered; nothing is torn, nothing stands twice."""
        lines, before = whole_lines(self.output), self.recorded
        results = [json.loads(line) for line in lines]
        if lines[: len(before)] != before:
            assert {line for line in before if b'"status":"ok"' in line} <= {*lines}
            assert [*map(self._place, results)] == [*range(len(self._rows) * len(self._models))]
        answered = Counter((str(line["id"]), line["model"]) for line in results if line["status"] == "ok")
        assert not answered or max(answered.values()) == 1, "no answer is doubled"
        self.recorded = lines

    def _check_flying(self):
        """Whatever the provider has served and nobody has written down will be named."""
        while self._server.stats["total"]["in_flight"]:
            time.sleep(0.01)
        ledger = self._server.ledger
        served = [entry for entry in ledger if entry["n"] > self._seen and entry["kind"] in PAID]
        self._seen = max((entry["n"] for entry in ledger), default=self._seen)
        kept = self._kept()
        lost = {(entry["text"], entry["model"]) for entry in served} - kept
        texts = {(owner(text), model) for text, model in lost}
        names = {(owner(turns(self._row(id_))[0]), model) for id_, model in self._unfinished()}
        assert texts <= names, "what was in flight is known to have been"
        self.flying.append(len(lost))

    def _kept(self):
        """The exchanges whose answer is on file: text and model."""
        found = set()
        for line in map(json.loads, self.recorded):
            model = line["model"].removeprefix("lab/")
            for text in turns(self._row(line["id"])):
                found.add((text, model))
        starts = (entry for entry in self._attempts() if entry.get("what") == "start")
        models = {entry["key"]: entry["model"].removeprefix("lab/") for entry in starts}
        log = self.output.with_name("out.jsonl.run") / "turns.jsonl"
        for line in map(json.loads, whole_lines(log)):
            if line["what"] == "turn":
                found.add((line["text"].removeprefix("echo: "), models[line["key"]]))
        return found

    def _attempts(self):
        log = self.output.with_name("out.jsonl.run") / "attempts.jsonl"
        return [json.loads(line or b"{}") for line in whole_lines(log)]

    def _unfinished(self):
        """Read the attempts log as a stranger would: what left in the last process, never ended and has no record."""
        flying = {}
        for entry in self._attempts():
            if entry.get("what") == "begin":
                flying.clear()
            elif entry.get("what") == "start":
                flying[entry["number"]] = (str(entry["id"]), entry["model"].removeprefix("lab/"))
            elif entry.get("what") == "end":
                flying.pop(entry["number"], None)
        results = [json.loads(line) for line in whole_lines(self.output)]
        through = {
            (str(line["id"]), line["model"].removeprefix("lab/"))
            for line in results
            if line["status"] == "ok"
        }
        return {*flying.values()} - through

    def _row(self, id_):
        return self._rows[self._row_of[str(id_)]]

    def _place(self, line):
        return self._row_of[str(line["id"])] * len(self._models) + self._models.index(line["model"])

    def check_end(self):
        """See that each request has its one answer, in order, and what was paid twice."""
        results = [json.loads(line) for line in self.output.read_bytes().splitlines()]
        wanted = [(row, model) for row in self._rows for model in self._models]
        assert len(results) == len(wanted)
        for line, (row, model) in zip(results, wanted, strict=True):
            echoes = [f"echo: {text}" for text in turns(row)]
            answer = echoes if len(echoes) > 1 else echoes[0]
            assert (line["model"], line["status"], line["response"]) == (model, "ok", answer)
        served = Counter(
            (entry["text"], entry["model"])
            for entry in self._server.ledger
            if entry["n"] > self._begun and entry["kind"] in PAID
        )
        assert {*served} == {
            (text, model.removeprefix("lab/")) for row, model in wanted for text in turns(row)
        }
        resent = served.total() - len(served)
        print(f"{len(wanted)} requests, {len(self.flying)} kills, {resent} sent twice, "
              f"{sum(self.flying)} were in flight, {sum(self.named)} were named")  # fmt: skip
        assert resent <= sum(self.flying)


def turns(row):
    """The texts of a row's exchanges."""
    prompt = row["prompt"]
    return [prompt] if isinstance(prompt, str) else prompt


def owner(text):
    """The row that a text belongs to, by its first words: `row 17`."""
    return " ".join(text.split()[:2])


def whole_lines(path):
    """The lines of a file that have their end."""
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1].splitlines()


def in_flight(err):
    """How many requests the program has said may have been billed."""
    match = re.search(r"(\d[\d,]*) requests? (was|were) in flight .* may have been billed", err)
    return int(match[1].replace(",", "")) if match else 0
