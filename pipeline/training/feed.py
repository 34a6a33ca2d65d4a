"""What the loop draws: real samples, latents and what else a system asks for, each from its own stream."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from pipeline.objectives import Draw
from pipeline.seeds import stream
from pipeline.systems import Batch
from pipeline.training.numerics import owned

# Draws made and moved to the device at once, as many as fit. Streams are sequential, so the size changes no
# number.
CHUNK, CHUNK_NUMBERS = 64, 2**23


def to_network(samples: Tensor) -> Tensor:
    """Samples as a network sees them: uint8 images -> float32 in [-1, 1]; float32 points as they are."""
    if samples.dtype == torch.uint8:
        return samples.to(torch.float32).mul_(2 / 255).sub_(1)
    return samples


def batches(
    real: Tensor, labels: Tensor, rows: int, latent_dim: int, draws: Mapping[str, Draw], trial_id: str
) -> Iterator[Batch]:
    """Endless batches of so many rows. Real samples come in shuffled epochs: each is seen equally often, also
    when the batch is larger than the training set. real: (n, *sample_shape), labels: (n,), both on the device
    of training. `progress` is for the loop to fill in.
    """
    order = _epochs(len(real), rows, stream(trial_id, "data_order"))
    latent_rng = stream(trial_id, "training_latents")
    others = {name: stream(trial_id, name) for name in draws}
    widest = max([latent_dim, *(math.prod(draw.shape) for draw in draws.values())])
    chunk = max(1, min(CHUNK, CHUNK_NUMBERS // (rows * widest)))
    nowhere = torch.zeros((), device=real.device)
    while True:
        indices = owned(np.stack([next(order) for _ in range(chunk)]), real.device)
        latents = owned(latent_rng.standard_normal((chunk, rows, latent_dim), np.float32), real.device)
        drawn = {
            name: owned(numbers(rng, draws[name], (chunk, rows)), real.device) for name, rng in others.items()
        }
        for k in range(chunk):
            yield Batch(
                to_network(real[indices[k]]),
                latents[k],
                labels[indices[k]],
                {name: values[k] for name, values in drawn.items()},
                nowhere,
            )


def numbers(rng: np.random.Generator, draw: Draw, leading: tuple[int, ...]) -> np.ndarray:
    """(*leading, *draw.shape) float32."""
    shape = (*leading, *draw.shape)
    return rng.standard_normal(shape, np.float32) if draw.kind == "normal" else rng.random(shape, np.float32)


def _epochs(count: int, rows: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    waiting = np.empty(0, np.int64)
    while True:
        while len(waiting) < rows:
            waiting = np.concatenate([waiting, rng.permutation(count)])
        yield waiting[:rows]
        waiting = waiting[rows:]
