"""Pretrained networks of torch.hub and of timm, e.g. DINOv2 (Oquab et al. 2023)."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline.embedding_options import Timm, TorchHub
from pipeline.support.embeddings import pretrained
from pipeline.support.embeddings.kind import Data, Facts, Kind, State


def fit_torch_hub(options: TorchHub, data: Data) -> tuple[State, Facts]:
    """Nothing is learnt; the model is loaded, from the network if need be."""
    return {"weights_sha256": _hub(options.repo, options.model, options.source).digest}, {}


def embed_torch_hub(options: TorchHub, state: State, samples: np.ndarray) -> np.ndarray:
    """(n, c, h, w), c 1 or 3 -> (n, d): what the model returns."""
    model = _hub(options.repo, options.model, options.source)
    return pretrained.embed(model, state, samples, options.size, options.mean, options.std)


def fit_timm(options: Timm, data: Data) -> tuple[State, Facts]:
    """Nothing is learnt; the model is loaded, from the network if need be."""
    return {"weights_sha256": _timm(options.model, options.size).digest}, {}


def embed_timm(options: Timm, state: State, samples: np.ndarray) -> np.ndarray:
    """(n, c, h, w), c 1 or 3 -> (n, d): the pooled features before the classifier."""
    model = _timm(options.model, options.size)
    colours: Any = model.network.pretrained_cfg
    return pretrained.embed(model, state, samples, options.size, colours["mean"], colours["std"])


@functools.cache
def _hub(repo: str, model: str, source: str) -> pretrained.Pretrained:
    # Whoever names a repository in a study trusts it; a question on the terminal would stop a worker.
    with torch.random.fork_rng(devices=[]):  # constructors draw first weights from the global generator
        try:
            load: Any = torch.hub.load  # untyped
            network = load(repo, model, source=source, trust_repo=True, verbose=False)
        except Exception as error:
            needed = "a network connection" if source == "github" else "a folder with hubconf.py"
            raise _not_loaded(error, needed) from error
    if not isinstance(network, nn.Module):
        raise ValueError(f"{model} of {repo} is no torch module")
    return pretrained.ready(network)


@functools.cache
def _timm(model: str, size: int) -> pretrained.Pretrained:
    timm = pretrained.package("timm", "needs one more package, with torchvision: pip install timm")
    with torch.random.fork_rng(devices=[]):
        try:
            network = timm.create_model(model, pretrained=True, num_classes=0)
        except Exception as error:
            raise _not_loaded(error, "a model of timm's list and a network connection") from error
    about = network.pretrained_cfg
    if about.get("fixed_input_size") and about["input_size"][-1] != size:
        raise ValueError(f"the model takes images of one size only: set size to {about['input_size'][-1]}")
    return pretrained.ready(network)


def _not_loaded(error: Exception, needed: str) -> ValueError:
    reason = " ".join(str(error).split())
    return ValueError(f"cannot be loaded, which needs {needed}: {type(error).__name__}: {reason}")


TORCH_HUB = Kind(fit_torch_hub, embed_torch_hub, options=("model", "size", "mean", "std"))
TIMM = Kind(fit_timm, embed_timm, options=("model", "size"))
