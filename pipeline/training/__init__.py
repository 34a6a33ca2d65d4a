"""One trial in, trained players and curves out; then samples. No files, no Ray, no MLflow."""

from pipeline.training.back_ends import BACK_ENDS, REFERENCE, BackEnd, available
from pipeline.training.checkpoint import (
    Checkpoint,
    Interrupted,
    Keeper,
    course_key,
    decode,
    encode,
    interrupted,
)
from pipeline.training.cohort import Member, signature, train_cohort
from pipeline.training.courses import Trained
from pipeline.training.loop import train
from pipeline.training.memory import forget_peak_memory, peak_memory_bytes
from pipeline.training.numerics import exact_float32, owned
from pipeline.training.sampling import sample, settled
from pipeline.training.start import first_players

__all__ = [
    "BACK_ENDS",
    "REFERENCE",
    "BackEnd",
    "Checkpoint",
    "Interrupted",
    "Keeper",
    "Member",
    "Trained",
    "available",
    "course_key",
    "decode",
    "encode",
    "exact_float32",
    "first_players",
    "forget_peak_memory",
    "interrupted",
    "owned",
    "peak_memory_bytes",
    "sample",
    "settled",
    "signature",
    "train",
    "train_cohort",
]
