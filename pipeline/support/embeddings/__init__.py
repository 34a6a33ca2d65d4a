"""Embeddings: samples -> vectors whose Euclidean distance says how alike two samples look."""

from __future__ import annotations

import numpy as np

from pipeline.embedding_options import Pixels
from pipeline.support.embeddings.embedding import EMBEDDINGS, Embedding, fit, load, save

__all__ = ["EMBEDDINGS", "Embedding", "embed", "fit", "load", "save"]


def embed(name: str, samples: np.ndarray) -> np.ndarray:
    """(n, d) float32 vectors of the samples by `pixels`, the one embedding without options."""
    return Embedding(Pixels.model_validate({"name": name}), {}, {})(samples)
