"""Evaluation: scores and verdicts on results, and whether they are enough; pipelines of several steps. Never touches an answer."""

from brimline.evals.api import Judgement, Rephrased, judge, rephrase
from brimline.evals.gate import Gate, parse_gate
from brimline.evals.judged import Judged
from brimline.evals.judging import Judging
from brimline.evals.panel import Panel, folder_panel, rubric_panel
from brimline.evals.pipeline import Pipeline, PipelineReport
from brimline.evals.rephrasing import Rephrasing
from brimline.evals.row import Row
from brimline.evals.scoring import Scored, score_file
from brimline.evals.spec import Scorer, find_scorer
from brimline.evals.statistics import Mean, mean_of
from brimline.evals.steps import Ask, Gather, Map, Split, parse_json
from brimline.evals.tally import StepProgress

__all__ = [
    "Ask",
    "Gate",
    "Gather",
    "Judged",
    "Judgement",
    "Judging",
    "Map",
    "Mean",
    "Panel",
    "Pipeline",
    "PipelineReport",
    "Rephrased",
    "Rephrasing",
    "Row",
    "Scored",
    "Scorer",
    "Split",
    "StepProgress",
    "find_scorer",
    "folder_panel",
    "judge",
    "mean_of",
    "parse_gate",
    "parse_json",
    "rephrase",
    "rubric_panel",
    "score_file",
]
