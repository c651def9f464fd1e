"""The experiments of prompto's paper on its own latencies, each with the figure that the paper has.

100 prompts (alpaca's length) a model at the paper's rates: 500 a minute, 50 for the local model, which serves one request
at a time. The simulator answers after the paper's mean latency and enforces the rates with a bucket of one second's worth.
Measured at the server from the first request to the last reply. The ideal is 99 gaps and the last answer, or one answer
after another; a burst at the start can beat it. What is shown is measured / ideal; the paper's seconds stand beside it
and are of real services. Takes 11 minutes, of which the local model takes nine.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.brimline_cli import Brimline
from benchmarks.contract import Figure, Options
from benchmarks.inputs import questions, write_rows
from benchmarks.ledger import Ledger
from benchmarks.process import Finished, simulator

BAR = 1.02


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the paper: its mean latency in seconds, and the queries a minute that were set for it."""

    name: str
    latency: float
    rate: int = 500
    is_serial: bool = False

    def scenario(self) -> str:
        """Return the simulator's table of it."""
        serial = 'concurrency = { limit = 1, over = "queue" }\n' if self.is_serial else ""
        limit = f'requests = {{ rate = "{self.rate}/min" }}\n'
        return f'[models."{self.name}"]\nlatency = "{self.latency}s"\n{serial}{limit}'

    def ideal(self, prompts: int) -> float:
        """Return the seconds that its prompts take at best, if the first leaves at 0."""
        paced = (prompts - 1) * 60 / self.rate + self.latency
        return max(paced, prompts * self.latency) if self.is_serial else paced


GPT_35, GEMINI = Model("gpt-3.5-turbo", 1.263), Model("gemini-1.5-flash", 1.635)
LLAMA = Model("llama3", 2.686, rate=50, is_serial=True)
THREE = (Model("gpt-3.5", 1.307), Model("gpt-4", 3.922), Model("gpt-4o", 2.412))
CASES = {
    "1: gpt-3.5-turbo (paper 13.92 s)": (GPT_35,),
    "1: gemini-1.5-flash (paper 14.09 s)": (GEMINI,),
    "1: llama3 (paper 268.59 s)": (LLAMA,),
    "2: all three (paper 269.06 s)": (GPT_35, GEMINI, LLAMA),
    "3: gpt-3.5-turbo (paper 14.29 s)": THREE[:1],
    "3: gpt-4 (paper 19.79 s)": THREE[1:2],
    "3: gpt-4o (paper 18.11 s)": THREE[2:],
    "3: all three (paper 19.30 s)": THREE,
}


def run(options: Options) -> list[Figure]:
    """Measure."""
    prompts = options.pick(100, 10)
    figures = []
    for name, models in CASES.items():
        spans, finished = [], []
        for _ in options.turns(1):
            span, one = measure(options, models, prompts)
            spans.append(span)
            finished.append(one)
        ideal = max(model.ideal(prompts) for model in models)
        bar = None if options.quick else BAR  # ten prompts are nearly all burst
        figures += [
            Figure(f"{name}, measured / ideal", "x", [span / ideal for span in spans], bar=bar, every=True),
            Figure(f"{name}, ideal {ideal:.2f} s", "s", spans),
            Figure(f"{name}, CPU", "s", [one.cpu for one in finished]),
            Figure(f"{name}, peak memory", "MiB", [one.peak_mb for one in finished]),
        ]
    return figures


def measure(options: Options, models: tuple[Model, ...], prompts: int) -> tuple[float, Finished]:
    """Run one experiment; return its seconds at the server, and its process."""
    rows = write_rows(options.folder / "rows.jsonl", prompts_of(models, prompts))
    limits = [part for model in models for part in ("--rate", f"lab/{model.name}={model.rate}/min")]
    for model in models:
        if model.is_serial:
            limits += ["--concurrency", f"lab/{model.name}=1"]
    scenario = "".join(model.scenario() for model in models)
    with simulator(options.folder, scenario) as server:
        brimline = Brimline(options.folder, server.url)
        brimline.forget()
        finished = brimline.run(rows, *limits, timeout=400).expect(0)
        brimline.require_answers(prompts * len(models))
        ledger = Ledger.of(server)
    return ledger.end - ledger.first, finished


def prompts_of(models: tuple[Model, ...], prompts: int) -> Iterator[dict[str, object]]:
    """Yield rows in prompto's form, model after model as the paper's file has them."""
    for model in models:
        for number, row in enumerate(questions(prompts)):
            yield {
                "id": f"{model.name}-{number}",
                "api": "lab",
                "model_name": model.name,
                "prompt": row["question"],
                "parameters": {"temperature": 0.9, "max_tokens": 100},
            }
