"""How far two samples are apart: pure functions of arrays, which do not know how a sample was made."""

from pipeline.divergences.nearest import nearest
from pipeline.divergences.precision_recall import PrecisionRecall, precision_recall

__all__ = ["PrecisionRecall", "nearest", "precision_recall"]
