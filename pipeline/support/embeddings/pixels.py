"""Pixels as they are, and whitened."""

from __future__ import annotations

import numpy as np
import torch
from scipy import linalg

from pipeline.embedding_options import Pixels, WhitenedPixels
from pipeline.support.embeddings.images import floats, in_batches, like_fitted
from pipeline.support.embeddings.kind import Data, Facts, Kind, State

# Most images of more values than this that components are fitted on: the smaller of both numbers is the side
# of the matrix that is decomposed.
_SIDE = 4096
# Variances below this share of the largest are rounding.
_RANK = 1e-10


def pixels(options: Pixels, state: State, samples: np.ndarray) -> np.ndarray:
    """(n, c*h*w) float32, full intensity being 1: the distance of Arora & Zhang 2017. Points as they are."""
    return floats(samples.reshape(len(samples), -1))


def fit_whitening(options: WhitenedPixels, data: Data) -> tuple[State, Facts]:
    """Principal components of the training samples in float64; fewer where the samples vary in fewer
    directions.

    Of samples with more than 4,096 values, the first 4,096 are used. Fact `explained_variance`: the share of
    their variance that the components keep.
    """
    x = data.train.reshape(len(data.train), -1)
    x = floats(x if x.shape[1] <= _SIDE else x[:_SIDE]).astype(np.float64)
    mean = x.mean(0)
    x -= mean
    n, d = x.shape
    k = min(options.components, d, n)
    # x^T x and x x^T share their eigenvalues; the eigenvectors of one are those of the other times x.
    gram = x.T @ x if d <= n else x @ x.T
    values, vectors = linalg.eigh(gram, subset_by_index=[len(gram) - k, len(gram) - 1])
    kept = values[::-1] > max(_RANK * values[-1], 0)
    if not kept.any():
        raise ValueError("the training samples are all alike: there is nothing to whiten")
    values, vectors = values[::-1][kept], vectors[:, ::-1][:, kept]
    axes = vectors if d <= n else x.T @ vectors / np.sqrt(values)
    axes *= np.sign(axes[np.abs(axes).argmax(0), range(axes.shape[1])])
    state = {
        "mean": mean,
        "whiten": np.ascontiguousarray(axes / np.sqrt(values / n)),
        "shape": np.array(data.train.shape[1:]),
    }
    share = float(values.sum() / np.trace(gram))
    return state, {"components": len(values), "explained_variance": share}


def whitened(options: WhitenedPixels, state: State, samples: np.ndarray) -> np.ndarray:
    """(n, components): coordinates along the components, of unit variance over the training samples."""
    like_fitted(samples, state["shape"])
    mean, whiten = torch.tensor(state["mean"]), torch.tensor(state["whiten"])
    return in_batches(lambda x: ((x.flatten(1).double() - mean) @ whiten).float(), samples)


PIXELS = Kind(lambda options, data: ({}, {}), pixels, points=True)
WHITENED = Kind(fit_whitening, whitened, points=True)
