"""Evaluation: scores of results, what they amount to, and whether that is enough. Never touches an answer."""

from brimline.evals.gate import Gate, parse_gate
from brimline.evals.row import Row
from brimline.evals.scoring import Scored, score_file
from brimline.evals.spec import Scorer, find_scorer
from brimline.evals.statistics import Mean, mean_of

__all__ = [
    "Gate",
    "Mean",
    "Row",
    "Scored",
    "Scorer",
    "find_scorer",
    "mean_of",
    "parse_gate",
    "score_file",
]
