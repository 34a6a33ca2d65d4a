"""What training draws: real samples, latents and what else a system asks for, each from its own stream."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

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


class Feed:
    """Endless batches for trials trained side by side, everything with a leading axis of readers. Each
    reader's real samples come in shuffled epochs: each is seen equally often, also when the batch is larger
    than the training set. `progress`, which readers share, is for the loop to fill in.
    """

    def __init__(self, shelf: Shelf, readers: Sequence[Reader], game: System, batch_size: int) -> None:
        rows = batch_size * game.pack
        widest = max([game.latent_dim, *(math.prod(draw.shape) for draw in game.draws.values())])
        self._chunk = max(1, min(CHUNK, CHUNK_NUMBERS // (rows * widest * len(readers))))
        self._drawing = [_Drawing(reader, rows, game.latent_dim, game.draws) for reader in readers]
        self._shelf, self._names = shelf, list(game.draws)
        self._nowhere = torch.zeros((), device=shelf.samples.device)
        self._given = self._chunk  # of the chunk's batches

    def __next__(self) -> Batch:
        if self._given == self._chunk:
            self._begun = [reader.state() for reader in self._drawing]
            # (readers, chunk, ...) as drawn, (chunk, readers, ...) as read.
            drawn = zip(*(reader.draw(self._chunk) for reader in self._drawing), strict=True)
            self._drawn = [owned(np.stack(values, 1), self._nowhere.device) for values in drawn]
            self._given = 0
        indices, latents, *others = (values[self._given] for values in self._drawn)
        self._given += 1
        return Batch(
            to_network(self._shelf.samples[indices]),
            latents,
            self._shelf.labels[indices],
            dict(zip(self._names, others, strict=True)),
            self._nowhere,
        )

    def state(self) -> dict[str, Any]:
        """For a checkpoint, after the first batch: the streams as they were before the chunk, and how many
        batches of it have been given.
        """
        return {"begun": self._begun, "given": self._given}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        for reader, begun in zip(self._drawing, state["begun"], strict=True):
            reader.restore(begun)
        self._given = self._chunk
        for _ in range(state["given"]):
            next(self)


class _Drawing:
    def __init__(self, reader: Reader, rows: int, latent_dim: int, draws: Mapping[str, Draw]) -> None:
        self.order, self.waiting = stream(reader.trial_id, "data_order"), np.empty(0, np.int64)
        self.own, self.rows, self.latent_dim = reader.rows, rows, latent_dim
        self.latents = stream(reader.trial_id, "training_latents")
        self.others = [(draw, stream(reader.trial_id, name)) for name, draw in draws.items()]
        self.streams = [self.order, self.latents, *(rng for _, rng in self.others)]

    def draw(self, count: int) -> list[np.ndarray]:
        """Rows of the shelf, latents and the other draws of the next `count` batches."""
        return [
            self._epochs(count * self.rows).reshape(count, self.rows),
            self.latents.standard_normal((count, self.rows, self.latent_dim), np.float32),
            *(numbers(rng, draw, (count, self.rows)) for draw, rng in self.others),
        ]

    def state(self) -> dict[str, Any]:
        return {
            "waiting": torch.from_numpy(self.waiting),
            "streams": [_listed(rng.bit_generator.state) for rng in self.streams],
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.waiting = state["waiting"].cpu().numpy()
        for rng, listed in zip(self.streams, state["streams"], strict=True):
            rng.bit_generator.state = listed

    def _epochs(self, count: int) -> np.ndarray:
        """The next rows of one permutation of the training set after another."""
        missing = max(0, count - len(self.waiting))
        epochs = [
            self.own[self.order.permutation(len(self.own))] for _ in range(-(-missing // len(self.own)))
        ]
        rows = np.concatenate([self.waiting, *epochs])
        self.waiting = rows[count:]
        return rows[:count]


def _listed(state: Any) -> Any:
    """A bit generator's state with lists for its arrays; numpy takes it back as well."""
    if isinstance(state, np.ndarray):
        return state.tolist()
    return {key: _listed(value) for key, value in state.items()} if isinstance(state, dict) else state


def numbers(rng: np.random.Generator, draw: Draw, leading: tuple[int, ...]) -> np.ndarray:
    """(*leading, *draw.shape) float32."""
    shape = (*leading, *draw.shape)
    return rng.standard_normal(shape, np.float32) if draw.kind == "normal" else rng.random(shape, np.float32)
