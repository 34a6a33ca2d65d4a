"""Small IDX files, written byte by byte from the format's description."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

NAMES = {
    (part, kind): f"{part}-{kind}-ubyte"
    for part in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
}


def idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_set(folder: Path, train: int = 5, held_out: int = 3, suffix: str = ".gz") -> dict[str, np.ndarray]:
    """Four files of random images; returns the arrays by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(train * 100 + held_out)
    arrays = {}
    for (part, kind), name in NAMES.items():
        n = train if part == "train" else held_out
        shape = (n, 28, 28) if "images" in kind else (n,)
        arrays[name] = rng.integers(0, 256 if "images" in kind else 10, shape, np.uint8)
        content = idx_bytes(arrays[name])
        (folder / (name + suffix)).write_bytes(gzip.compress(content) if suffix else content)
    return arrays
