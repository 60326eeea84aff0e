"""How good a recommender is: rating error and ranking next to baselines, with intervals."""

from hf_cf.evaluation.cold_start import ColdStart, cold_start
from hf_cf.evaluation.leave_last_out import leave_last_out
from hf_cf.evaluation.protocol import evaluate
from hf_cf.evaluation.questions import Questions, questions
from hf_cf.evaluation.report import Evaluation, Measurement
from hf_cf.evaluation.strong_generalization import strong_generalization

__all__ = [
    "ColdStart",
    "Evaluation",
    "Measurement",
    "Questions",
    "cold_start",
    "evaluate",
    "leave_last_out",
    "questions",
    "strong_generalization",
]
