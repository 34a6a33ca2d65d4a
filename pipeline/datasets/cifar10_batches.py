"""The two official forms of CIFAR-10's batches of 10,000 images (Krizhevsky 2009, the data set's page)."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError

ROWS = 10_000
PIXELS = 3 * 32 * 32


def read_binary(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(10000, 3, 32, 32) uint8 images and (10000,) int64 labels of a `.bin` file.

    Each of 10,000 records is a label byte, then 1,024 red, green and blue bytes.
    Raises InputError, naming the file, for any other size or a label above 9.
    """
    content = _bytes(path)
    expected = ROWS * (1 + PIXELS)
    if len(content) != expected:
        what = "truncated" if len(content) < expected else "too long"
        raise InputError(f"{path}: {what}: {len(content)} bytes; a batch of 10,000 images has {expected}")
    records = np.frombuffer(content, np.uint8).reshape(ROWS, 1 + PIXELS)
    return _checked(path, records[:, 1:], records[:, 0])


def read_pickled(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The same of a Python batch: a pickled dict of `data`, (10000, 3072) uint8, and `labels`, a list.

    Reading it runs nothing: the unpickler knows plain values and numpy's arrays, and refuses any other name.
    Raises InputError, naming the file, for anything but that.
    """
    with _opened(path) as file:
        try:
            # Python 2 wrote them: its strings, array bytes among them, are read as Latin-1.
            batch = _PlainUnpickler(file, encoding="latin1").load()
        except InputError:
            raise
        except Exception as error:  # whatever damage makes the unpickler stumble over
            reason = " ".join(str(error).split())[:120]
            raise InputError(f"{path}: not a readable CIFAR-10 Python batch: {reason}") from None
    data, labels = (batch.get("data"), batch.get("labels")) if isinstance(batch, dict) else (None, None)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != (ROWS, PIXELS):
        raise InputError(f"{path}: holds no `data` of {ROWS} x {PIXELS} bytes, so it is no CIFAR-10 batch")
    if not isinstance(labels, list) or len(labels) != ROWS or not all(type(k) is int for k in labels):
        raise InputError(f"{path}: holds no `labels`, a list of {ROWS} integers, so it is no CIFAR-10 batch")
    return _checked(path, data, np.array(labels))


class _PlainUnpickler(pickle.Unpickler):
    """Knows what an array of bytes is made of, and nothing else."""

    ALLOWED = {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")} | {
        (module, "_reconstruct") for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}; allowed: arrays and plain values")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _checked(path: Path, rows: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not ((labels >= 0) & (labels <= 9)).all():
        raise InputError(f"{path}: holds a label that is none of 0 to 9, so it is no CIFAR-10 batch")
    return rows.reshape(ROWS, 3, 32, 32), labels.astype(np.int64)


def _opened(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def _bytes(path: Path) -> bytes:
    with _opened(path) as file:
        return file.read()
