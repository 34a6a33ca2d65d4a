"""One trial in, trained players and curves out; then samples. No files, no Ray, no MLflow."""

from pipeline.training.back_ends import BACK_ENDS, REFERENCE, BackEnd, available
from pipeline.training.cohort import Member, signature, train_cohort
from pipeline.training.loop import Trained, train
from pipeline.training.numerics import exact_float32
from pipeline.training.sampling import sample, settled

__all__ = [
    "BACK_ENDS",
    "REFERENCE",
    "BackEnd",
    "Member",
    "Trained",
    "available",
    "exact_float32",
    "sample",
    "settled",
    "signature",
    "train",
    "train_cohort",
]
