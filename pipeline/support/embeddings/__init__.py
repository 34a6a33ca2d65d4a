"""Embeddings: samples -> vectors whose Euclidean distance says how alike two samples look."""

from pipeline.support.embeddings.embedding import EMBEDDINGS, Embedding, fit, load, save

__all__ = ["EMBEDDINGS", "Embedding", "fit", "load", "save"]
