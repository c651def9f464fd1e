"""Questions answered from documents, and every answer judged. Runs without a key.

    python examples/retrieval_qa.py                              # a stand-in answers and judges
    MODEL=openai/gpt-5-mini python examples/retrieval_qa.py      # a model does; OPENAI_API_KEY is needed

For each question the passages are found that share most words with it (put your own search there), a model answers from
them, and a judge says in a structured verdict whether the passages bear the answer out. All requests share one engine, and
so its limits. What was answered is on file in `retrieval_qa.steps`, and the next run goes on from there.
"""

import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from math import log
from typing import Any, Literal

import brimline as bl
from brimline.evals import Ask, Map, Pipeline

MODEL = os.environ.get("MODEL", "mine/model")
PASSAGES = [
    "Bread dough rises because yeast turns sugar into carbon dioxide. Salt slows the yeast down.",
    "Sourdough needs no bought yeast. Its starter holds wild yeast and bacteria that make the dough sour.",
    "A hot stone gives a loaf its crust. Steam in the first ten minutes keeps the crust from setting too early.",
    "Rye flour holds little gluten, so rye bread stays dense. Many bakers mix it with wheat.",
    "Whole grain flour spoils sooner than white flour, since the oil of the germ goes rancid. Keep it cool.",
]
QUESTIONS = [
    {"id": "rise", "question": "Why does bread dough rise?"},
    {"id": "rye", "question": "Why is rye bread dense?"},
    {"id": "steam", "question": "What does steam do for the crust?"},
    {"id": "spoil", "question": "Which flour spoils sooner, whole grain or white?"},
    {"id": "price", "question": "How much does an oven cost?"},
]
ANSWER = """\
Answer the question from these passages in one sentence. If they do not answer it, say "I do not know."

{% for passage in passages %}[{{ loop.index }}] {{ passage }}
{% endfor %}
Question: {{ question }}"""
JUDGE = """\
Judge the answer. It is grounded if the passages say the same; its score goes from 1 (useless) to 5 (right and complete).

{% for passage in passages %}[{{ loop.index }}] {{ passage }}
{% endfor %}
Question: {{ question }}
Answer: {{ answer }}"""


@dataclass
class Verdict:
    """What the judge has to say; replies that are none are asked for again, once."""

    grounded: bool
    score: Literal[1, 2, 3, 4, 5]
    reason: str


def words(text: str) -> set[str]:
    """The words of a text, without those that are everywhere."""
    return set(re.findall(r"[a-z]+", text.lower())) - {
        "a",
        "and",
        "do",
        "does",
        "for",
        "how",
        "in",
        "is",
        "it",
        "of",
        "the",
        "to",
    }


SEEN_IN = Counter(word for passage in PASSAGES for word in words(passage))


def retrieve(row: dict[str, Any]) -> dict[str, Any]:
    """Add the two passages that share most with the question; a rare word counts for more."""

    def shared(passage: str) -> float:
        return sum(log(1 + len(PASSAGES) / SEEN_IN[word]) for word in words(row["question"]) & words(passage))

    return {**row, "passages": sorted(PASSAGES, key=shared, reverse=True)[:2]}


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """What is of interest at the end."""
    verdict = row["verdict"]
    return {
        "question": row["question"],
        "answer": row["answer"],
        "grounded": verdict.grounded,
        "score": verdict.score,
    }


async def stand_in(request: bl.Request) -> str:
    """Stand in for a model: answer with the nearest sentence, or judge by looking for the answer in the passages."""
    text = request.messages[-1]["content"]
    passages = " ".join(re.findall(r"^\[\d+\] (.+)$", text, re.MULTILINE))
    question = re.findall(r"^Question: (.+)$", text, re.MULTILINE)[0]
    judged = re.findall(r"^Answer: (.+)$", text, re.MULTILINE)
    if judged:
        is_there = judged[0] in passages
        reason = "the passages say so" if is_there else "no passage says so"
        return json.dumps({"grounded": is_there, "score": 5 if is_there else 1, "reason": reason})
    sentences = re.split(r"(?<=\.)\s+", passages)
    best = max(sentences, key=lambda sentence: len(words(sentence) & words(question)))
    return best if len(words(best) & words(question)) > 1 else "I do not know."


STEPS = [
    Map(retrieve),
    Ask("answer", model=MODEL, prompt=ANSWER),
    Ask("verdict", model=MODEL, prompt=JUDGE, schema=Verdict),
    Map(flat),
]


def main() -> None:
    report = Pipeline(STEPS, folder="retrieval_qa.steps", endpoints={"mine": stand_in}).run(QUESTIONS)
    for row in report:
        print(
            f"{row['question']}\n  {row['answer']}  [{row['score']}/5{'' if row['grounded'] else ', not grounded'}]"
        )
    scores = [row["score"] for row in report]
    print(f"mean score {sum(scores) / len(scores):.1f}, {report.failed} rows failed")


if __name__ == "__main__":
    main()
