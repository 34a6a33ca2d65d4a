"""What the loop draws: batches of real samples, latents and uniforms, each from its own stream."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pipeline.seeds import stream
from pipeline.systems import Batch
from pipeline.training.numerics import owned

# Draws made and moved to the device at once. Streams are sequential, so the size changes no number.
CHUNK = 64


def to_network(samples: Tensor) -> Tensor:
    """Samples as a network sees them: uint8 images -> float32 in [-1, 1]; float32 points as they are."""
    if samples.dtype == torch.uint8:
        return samples.to(torch.float32).mul_(2 / 255).sub_(1)
    return samples


def batches(real: Tensor, batch_size: int, latent_dim: int, trial_id: str) -> Iterator[Batch]:
    """Endless batches. Real samples come in shuffled epochs: each is seen equally often, also when the batch
    is larger than the training set. real: (n, *sample_shape) on the device of training.
    """
    order = _epochs(len(real), batch_size, stream(trial_id, "data_order"))
    latent_rng, uniform_rng = stream(trial_id, "training_latents"), stream(trial_id, "objective_uniform")
    while True:
        indices = owned(np.stack([next(order) for _ in range(CHUNK)]), real.device)
        latents = owned(latent_rng.standard_normal((CHUNK, batch_size, latent_dim), np.float32), real.device)
        uniforms = owned(uniform_rng.random((CHUNK, batch_size), np.float32), real.device)
        for k in range(CHUNK):
            yield Batch(to_network(real[indices[k]]), latents[k], uniforms[k])


def _epochs(count: int, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    waiting = np.empty(0, np.int64)
    while True:
        while len(waiting) < batch_size:
            waiting = np.concatenate([waiting, rng.permutation(count)])
        yield waiting[:batch_size]
        waiting = waiting[batch_size:]
