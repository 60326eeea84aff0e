"""How good a recommender is: rating error and ranking beside baselines, with intervals."""

from hf_cf.evaluation.cold_start import ColdStart, cold_start
from hf_cf.evaluation.protocol import evaluate
from hf_cf.evaluation.questions import Questions, questions
from hf_cf.evaluation.report import Evaluation, Measurement

__all__ = [
    "ColdStart",
    "Evaluation",
    "Measurement",
    "Questions",
    "cold_start",
    "evaluate",
    "questions",
]
