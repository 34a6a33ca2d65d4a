"""What training draws: real samples, latents and what else a system asks for, each from its own stream."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.objectives import Draw
from pipeline.seeds import stream
from pipeline.systems import Batch, System
from pipeline.training.numerics import owned

# Draws made and moved to the device at once, as many as fit. Streams are sequential, so the size changes no
# number.
CHUNK, CHUNK_NUMBERS = 64, 2**23


def to_network(samples: Tensor) -> Tensor:
    """Samples as a network sees them: uint8 images -> float32 in [-1, 1]; float32 points as they are."""
    if samples.dtype == torch.uint8:
        return samples.to(torch.float32).mul_(2 / 255).sub_(1)
    return samples


class Shelf(NamedTuple):
    """Samples (n, *sample_shape) and labels (n,) on the device of training."""

    samples: Tensor
    labels: Tensor


class Reader(NamedTuple):
    """Who reads: a trial, which has `rows` of the shelf (m,), int64, for its training set."""

    trial_id: str
    rows: np.ndarray


def batches(shelf: Shelf, readers: Sequence[Reader], game: System, batch_size: int) -> Iterator[Batch]:
    """Endless batches for trials trained side by side, everything with a leading axis of readers. Each
    reader's real samples come in shuffled epochs: each is seen equally often, also when the batch is larger
    than the training set. `progress`, which readers share, is for the loop to fill in.
    """
    rows = batch_size * game.pack
    widest = max([game.latent_dim, *(math.prod(draw.shape) for draw in game.draws.values())])
    chunk = max(1, min(CHUNK, CHUNK_NUMBERS // (rows * widest * len(readers))))
    drawing = [_Drawing(reader, rows, game.latent_dim, game.draws) for reader in readers]
    device = shelf.samples.device
    nowhere = torch.zeros((), device=device)
    while True:
        # (readers, chunk, ...) as drawn, (chunk, readers, ...) as read.
        drawn = [reader.draw(chunk) for reader in drawing]
        indices, latents, *others = (
            owned(np.stack(values, 1), device) for values in zip(*drawn, strict=True)
        )
        for k in range(chunk):
            yield Batch(
                to_network(shelf.samples[indices[k]]),
                latents[k],
                shelf.labels[indices[k]],
                {name: values[k] for name, values in zip(game.draws, others, strict=True)},
                nowhere,
            )


class _Drawing:
    def __init__(self, reader: Reader, rows: int, latent_dim: int, draws: Mapping[str, Draw]) -> None:
        self.order, self.waiting = stream(reader.trial_id, "data_order"), np.empty(0, np.int64)
        self.own, self.rows, self.latent_dim = reader.rows, rows, latent_dim
        self.latents = stream(reader.trial_id, "training_latents")
        self.others = [(draw, stream(reader.trial_id, name)) for name, draw in draws.items()]

    def draw(self, count: int) -> list[np.ndarray]:
        """Rows of the shelf, latents and the other draws of the next `count` batches."""
        return [
            self._epochs(count * self.rows).reshape(count, self.rows),
            self.latents.standard_normal((count, self.rows, self.latent_dim), np.float32),
            *(numbers(rng, draw, (count, self.rows)) for draw, rng in self.others),
        ]

    def _epochs(self, count: int) -> np.ndarray:
        """The next rows of one permutation of the training set after another."""
        missing = max(0, count - len(self.waiting))
        epochs = [
            self.own[self.order.permutation(len(self.own))] for _ in range(-(-missing // len(self.own)))
        ]
        rows = np.concatenate([self.waiting, *epochs])
        self.waiting = rows[count:]
        return rows[:count]


def numbers(rng: np.random.Generator, draw: Draw, leading: tuple[int, ...]) -> np.ndarray:
    """(*leading, *draw.shape) float32."""
    shape = (*leading, *draw.shape)
    return rng.standard_normal(shape, np.float32) if draw.kind == "normal" else rng.random(shape, np.float32)
