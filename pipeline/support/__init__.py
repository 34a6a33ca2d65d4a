"""The ruler: near-duplicate search, estimators, tau rules and controls, for arrays from any sampler."""

from pipeline.support.candidates import Candidate, draw_candidates
from pipeline.support.collisions import (
    Cluster,
    SupportSize,
    largest_clusters,
    lower_bound_of_any_law,
    support_size,
)
from pipeline.support.controls import Control, control
from pipeline.support.embeddings import EMBEDDINGS, Embedding, embed
from pipeline.support.pairs import Closest, PairCounts, PairSearch, search_pairs
from pipeline.support.tau import augmentation_quantile, real_quantile, real_quantiles

__all__ = [
    "EMBEDDINGS",
    "Candidate",
    "Closest",
    "Cluster",
    "Control",
    "Embedding",
    "PairCounts",
    "PairSearch",
    "SupportSize",
    "augmentation_quantile",
    "control",
    "draw_candidates",
    "embed",
    "largest_clusters",
    "lower_bound_of_any_law",
    "real_quantile",
    "real_quantiles",
    "search_pairs",
    "support_size",
]
