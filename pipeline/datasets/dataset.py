"""DataSet: what every named data set becomes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from pipeline.errors import InputError
from pipeline.seeds import stream


@dataclass(frozen=True, eq=False)
class DataSet:
    """Samples to train on, and others that nothing is ever trained on.

    train, held_out: (n, C, H, W) uint8 images or (n, d) float32 points, both of one kind; read-only.
    train_labels, held_out_labels: (n,) int64 or None; read-only.
    modes: (m, d) float32 centres of a mixture, where they are known; read-only.
    mode_radius: the distance from a centre within which a sample counts as one of its mode, where known.
    fingerprint: 16 hex digits of SHA-256 over name, shapes, dtypes and bytes of train and held_out.
    Raises ValueError for arrays of another kind.
    """

    name: str
    train: np.ndarray
    held_out: np.ndarray
    train_labels: np.ndarray | None = None
    held_out_labels: np.ndarray | None = None
    modes: np.ndarray | None = None
    mode_radius: float | None = None
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        _check(self.train, self.held_out)
        for array in (self.train, self.held_out, self.train_labels, self.held_out_labels, self.modes):
            if array is not None:
                array.setflags(write=False)
        object.__setattr__(self, "fingerprint", _fingerprint(self.name, self.train, self.held_out))

    @property
    def is_images(self) -> bool:
        return self.train.ndim == 4

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """(C, H, W) of images, (d,) of points."""
        return self.train.shape[1:]

    def subset(self, count: int, seed: int) -> np.ndarray:
        """(count,) int64 indices into train: the first of one permutation that belongs to the seed.

        Of one seed the smaller subset begins the larger; another seed is another permutation. No index comes
        twice.
        Raises InputError where there are not `count` training samples.
        """
        if not 1 <= count <= len(self.train):
            raise InputError(
                f"train_samples: {count}: {self.name} has {len(self.train)} training samples; "
                f"allowed: 1 to {len(self.train)}"
            )
        return stream(f"{self.name}/{seed}", "subset").permutation(len(self.train))[:count]


def _check(train: np.ndarray, held_out: np.ndarray) -> None:
    kind = {2: np.dtype(np.float32), 4: np.dtype(np.uint8)}.get(train.ndim)
    if kind is None or train.dtype != kind or held_out.dtype != kind:
        raise ValueError("a data set holds (n, C, H, W) uint8 images or (n, d) float32 points")
    if train.shape[1:] != held_out.shape[1:]:
        raise ValueError(
            f"training samples of shape {train.shape[1:]}, held-out ones of {held_out.shape[1:]}"
        )


def _fingerprint(name: str, *arrays: np.ndarray) -> str:
    digest = hashlib.sha256(name.encode())
    for array in arrays:
        digest.update(f"\0{array.shape}{array.dtype.str}\0".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:16]
