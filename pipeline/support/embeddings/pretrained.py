"""What embeddings by pretrained networks share. The weights stay where they are installed; an embedding keeps
their hash, and a process with other weights is an error instead of other numbers.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.support.embeddings.images import in_batches
from pipeline.support.embeddings.kind import State


class Pretrained(NamedTuple):
    """network: (b, 3, size, size), normalised -> (b, d) or (b, d, h, w). digest: (32,) uint8."""

    network: nn.Module
    digest: np.ndarray


def package(name: str, otherwise: str) -> Any:
    """An optional package. Raises ValueError with the text `otherwise` if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ValueError(otherwise) from None


def ready(network: nn.Module) -> Pretrained:
    """The network in evaluation mode, its images stored pixel by pixel (the faster order), and its hash."""
    digest = hashlib.sha256()
    for name, weights in network.state_dict().items():
        digest.update(f"{name} {weights.dtype} {tuple(weights.shape)} ".encode())
        digest.update(weights.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Pretrained(network, np.frombuffer(digest.digest(), np.uint8))


def embed(
    pretrained: Pretrained,
    state: State,
    samples: np.ndarray,
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> np.ndarray:
    """(n, c, h, w), c 1 or 3 -> (n, d): images resized (bilinear, antialiased), grey ones in three channels.

    mean, std: of each colour, in [0, 1]. Feature maps are averaged over the image.
    """
    if samples.shape[1] not in (1, 3):
        raise ValueError(f"takes images of 1 or 3 channels, not {samples.shape[1]}")
    if not np.array_equal(pretrained.digest, state["weights_sha256"]):
        raise ValueError("the weights installed here are not those it was made with")
    shift, scale = (torch.tensor(v).view(3, 1, 1) for v in (mean, std))

    def features(x: Tensor) -> Tensor:
        if x.shape[2:] != (size, size):
            x = F.interpolate(x, (size, size), mode="bilinear", antialias=True, align_corners=False)
        x = ((x - shift) / scale).contiguous(memory_format=torch.channels_last)
        y = pretrained.network(x)
        if not isinstance(y, Tensor) or y.ndim not in (2, 4):
            what = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise ValueError(f"the model gives {what}, not vectors (n, d) or maps (n, d, h, w)")
        return y if y.ndim == 2 else y.mean((2, 3))

    return in_batches(features, samples)
