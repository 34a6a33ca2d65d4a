"""The ruler: near-duplicate search, estimators, tau rules and controls, for arrays from any sampler."""

from pipeline.support.arz import support_bound
from pipeline.support.batches import batch_collisions, half_collision, last_earlier
from pipeline.support.candidates import Candidate, draw_candidates
from pipeline.support.collisions import (
    Cluster,
    SupportSize,
    largest_clusters,
    lower_bound_of_any_law,
    support_size,
)
from pipeline.support.embeddings import EMBEDDINGS, Embedding
from pipeline.support.histogram import PairHistogram
from pipeline.support.pairs import Closest, PairCounts, PairSearch, search_pairs
from pipeline.support.power import detectable_slope, power, samples_needed
from pipeline.support.richness import chao1, hill_numbers, unseen_mass
from pipeline.support.soft import soft_support
from pipeline.support.tau import augmentation_quantile, real_quantile, real_quantiles

__all__ = [
    "EMBEDDINGS",
    "Candidate",
    "Closest",
    "Cluster",
    "Embedding",
    "PairCounts",
    "PairHistogram",
    "PairSearch",
    "SupportSize",
    "augmentation_quantile",
    "batch_collisions",
    "chao1",
    "detectable_slope",
    "draw_candidates",
    "half_collision",
    "hill_numbers",
    "largest_clusters",
    "last_earlier",
    "lower_bound_of_any_law",
    "power",
    "real_quantile",
    "real_quantiles",
    "samples_needed",
    "search_pairs",
    "soft_support",
    "support_bound",
    "support_size",
    "unseen_mass",
]
