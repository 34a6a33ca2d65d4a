"""The ruler: near-duplicate search, collision estimators, tau rules and controls, on arrays from any sampler."""

from pipeline.support.collisions import SupportSize, support_size
from pipeline.support.embeddings import EMBEDDINGS, embed
from pipeline.support.pairs import PairCounts, PairSearch, search_pairs

__all__ = ["EMBEDDINGS", "PairCounts", "PairSearch", "SupportSize", "embed", "search_pairs", "support_size"]
