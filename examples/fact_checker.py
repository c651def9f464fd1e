"""A fact checker: every claim is held against every piece of every document, and the findings are merged. Runs without a key.

    python examples/fact_checker.py                              # a stand-in reads
    MODEL=openai/gpt-5-mini python examples/fact_checker.py      # a model does; OPENAI_API_KEY is needed

Each row flows on as soon as it is ready: while some claims are still being read about, others are merged already. Every
reply is on file in `fact_checker.steps`: stop it anywhere, run it again, and nothing is asked twice.
`fact_checker.toml` is the same pipeline for `brimline steps`.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import brimline as bl
from brimline.evals import Ask, Gather, Map, Pipeline, Split, parse_json

MODEL = os.environ.get("MODEL", "mine/reader")
CLAIMS = Path(__file__).with_name("claims.jsonl")
PROMPT = """\
Does the text support or refute the claim? Answer with JSON and nothing else:
{"verdict": "SUPPORTED", "REFUTED" or "NONE" if the text says nothing about it, "quote": the sentence that decides it}

Claim: {{ claim }}

Text:
{{ chunk }}"""

DOCUMENTS = {
    "guide": """\
Skerry Vor is a small island in the northern sea. Forty people live there all year.

The lighthouse of Skerry Vor is 41 metres tall. It stands on the western cliff, and its light is seen from 30 kilometres.
The lighthouse was first lit in 1867. Its lens came from Paris by ship and was carried up in ninety pieces.

The ferry does not sail in winter. From April on it sails on Tuesdays and Fridays, if the sea allows it.""",
    "almanac": """\
The light of Skerry Vor was made automatic in the seventies. The last keepers left the island in 1974. Their house is a
museum today, open from May to September.

More than 2000 pairs of puffins breed on the island. They come in April and are gone by the middle of August. Rats have
never reached the island, which is why the birds do well.""",
}


def with_documents(row: dict[str, Any]) -> list[dict[str, Any]]:
    """A claim becomes a row for each document."""
    return [{**row, "document": name, "text": text} for name, text in DOCUMENTS.items()]


def findings_only(row: dict[str, Any]) -> dict[str, Any] | None:
    """What says nothing about the claim goes no further."""
    return None if row["reply"]["verdict"] == "NONE" else row


def verdict(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The findings about one claim become one; a claim about which nothing was found has none."""
    found = {row["reply"]["verdict"] for row in rows}
    return {
        "verdict": "NOT FOUND" if not found else "DISPUTED" if len(found) > 1 else found.pop(),
        "evidence": [{"document": row["document"], "quote": row["reply"]["quote"]} for row in rows],
    }


async def reader(request: bl.Request) -> str:
    """Stand in for a model: look for a sentence with the claim's words; other numbers in it refute the claim."""
    claim, _, text = request.messages[-1]["content"].partition("Claim: ")[2].partition("\n\nText:\n")
    found = {"verdict": "NONE", "quote": ""}
    for sentence in re.split(r"(?<=\.)\s+", text):
        if _words(claim) <= _words(sentence):
            same = _numbers(claim) == _numbers(sentence)
            found = {"verdict": "SUPPORTED" if same else "REFUTED", "quote": sentence.replace("\n", " ")}
    return f"Here is what I found:\n```json\n{json.dumps(found)}\n```"  # as models do


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def _numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+", text))


STEPS = [
    Map(with_documents),
    Split("text", into="chunk", size=300),
    Ask("reply", model=MODEL, prompt=PROMPT, parse=parse_json),
    Map(findings_only),
    Gather(verdict),
]


def main() -> None:
    pipeline = Pipeline(STEPS, folder="fact_checker.steps", endpoints={"mine": reader})
    report = pipeline.run(CLAIMS)
    for row in report:
        print(f"{row['verdict']:9}  {row['claim']}")
        for evidence in row["evidence"]:
            print(f"           {evidence['document']}: {evidence['quote']}")
    for lost in report.failures:
        print(f"{lost['id']} failed at {lost['step']}: {lost['error']['message']}")


if __name__ == "__main__":
    main()
