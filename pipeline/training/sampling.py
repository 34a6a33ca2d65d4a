"""Independent samples of a finished generator."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.networks.normalization import BatchNorm
from pipeline.networks.parameters import Tree, apply
from pipeline.seeds import stream
from pipeline.training.numerics import owned

# Part of the protocol: every sampling batch has this size, so rounding in a convolution cannot depend on how
# many samples were asked for, and the first 1,000 of 4,000 samples are those of 1,000.
BATCH = 500
MOMENT_BATCHES, MOMENT_BATCH = 20, 256


@torch.no_grad()
def sample(network: nn.Module, tree: Tree, latent_dim: int, count: int, trial_id: str) -> np.ndarray:
    """(count, *sample_shape) float32: images in [0, 1], points as they are; row i belongs to latent i of the
    trial.

    The samples are independent: latents are distinct (asserted), and batch norms use fixed moments,
    re-estimated from 5,120 other latents of the finished generator, so no sample is coupled to another
    through its batch.
    """
    device = next(iter(tree.values())).device
    latents = stream(trial_id, "sampling_latents").standard_normal((count, latent_dim), np.float32)
    if len({row.tobytes() for row in latents}) != count:
        raise AssertionError("two samples share a latent: the random streams are broken")
    tree = tree | _moments(network, tree, latent_dim, trial_id)
    padded = np.resize(latents, (-(-count // BATCH) * BATCH, latent_dim))
    network.eval()
    try:
        parts = [apply(network, tree, owned(z, device)).cpu() for z in np.split(padded, len(padded) // BATCH)]
    finally:
        network.train()
    samples = torch.cat(parts)[:count]
    return (samples.add_(1).mul_(0.5) if samples.ndim == 4 else samples).numpy()


def _moments(network: nn.Module, tree: Tree, latent_dim: int, trial_id: str) -> Tree:
    """Mean and variance of every batch norm's input, over batches normalised as in training."""
    norms = {name: module for name, module in network.named_modules() if isinstance(module, BatchNorm)}
    sums: dict[str, list[Tensor]] = {name: [] for name in norms}

    def record(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0].transpose(0, 1).flatten(1).double()
            sums[name].append(torch.stack([x.mean(1), x.square().mean(1)]))

        return hook

    handles = [module.register_forward_pre_hook(record(name)) for name, module in norms.items()]
    rng = stream(trial_id, "batch_norm_latents")
    device = next(iter(tree.values())).device
    try:
        for _ in range(MOMENT_BATCHES if norms else 0):
            z = rng.standard_normal((MOMENT_BATCH, latent_dim), np.float32)
            apply(network, tree, owned(z, device))
    finally:
        for handle in handles:
            handle.remove()
    moments: Tree = {}
    for name, values in sums.items():
        mean, square = torch.stack(values).mean(0)
        moments |= {
            f"{name}.mean": mean.float(),
            f"{name}.var": (square - mean.square()).clamp_min(0).float(),
        }
    return moments
