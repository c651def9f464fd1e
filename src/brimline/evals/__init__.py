"""Evaluation: scores and verdicts on results, what they amount to, and whether that is enough. Never touches an answer."""

from brimline.evals.api import Judgement, Rephrased, judge, rephrase
from brimline.evals.gate import Gate, parse_gate
from brimline.evals.judged import Judged
from brimline.evals.judging import Judging
from brimline.evals.panel import Panel, folder_panel, rubric_panel
from brimline.evals.rephrasing import Rephrasing
from brimline.evals.row import Row
from brimline.evals.scoring import Scored, score_file
from brimline.evals.spec import Scorer, find_scorer
from brimline.evals.statistics import Mean, mean_of

__all__ = [
    "Gate",
    "Judged",
    "Judgement",
    "Judging",
    "Mean",
    "Panel",
    "Rephrased",
    "Rephrasing",
    "Row",
    "Scored",
    "Scorer",
    "find_scorer",
    "folder_panel",
    "judge",
    "mean_of",
    "parse_gate",
    "rephrase",
    "rubric_panel",
    "score_file",
]
