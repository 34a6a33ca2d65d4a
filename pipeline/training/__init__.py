"""One trial in, trained players and curves out; then samples. No files, no Ray, no MLflow."""

from pipeline.training.loop import Trained, train
from pipeline.training.numerics import exact_float32
from pipeline.training.sampling import sample, settled

__all__ = ["Trained", "exact_float32", "sample", "settled", "train"]
