"""The ruler: near-duplicate search, estimators, tau rules and controls, for arrays from any sampler."""

from pipeline.support.collisions import SupportSize, support_size
from pipeline.support.controls import Control, finite_support
from pipeline.support.embeddings import EMBEDDINGS, embed
from pipeline.support.pairs import Closest, PairCounts, PairSearch, search_pairs
from pipeline.support.tau import real_quantile

__all__ = [
    "EMBEDDINGS",
    "Closest",
    "Control",
    "PairCounts",
    "PairSearch",
    "SupportSize",
    "embed",
    "finite_support",
    "real_quantile",
    "search_pairs",
    "support_size",
]
