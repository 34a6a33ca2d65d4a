"""A user's own function as an embedding."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.embedding_options import Function
from pipeline.support.embeddings.images import floats
from pipeline.support.embeddings.kind import Data, Facts, Kind, State


def fit(options: Function, data: Data) -> tuple[State, Facts]:
    """Nothing is learnt. The source of the function's module stands for its numbers."""
    return {"source_sha256": _source(_load(options.function))}, {}


def embed(options: Function, state: State, samples: np.ndarray) -> np.ndarray:
    """function(samples), given (n, c, h, w) float32 in [0, 1], or points (n, d), of its own to change.

    Raises ValueError if it returns anything but (n, d) numbers.
    """
    function = _load(options.function)
    if not np.array_equal(_source(function), state["source_sha256"]):
        raise ValueError("the function's source here is not the one it was made with")
    vectors = np.asarray(function(np.array(floats(samples))))
    if vectors.ndim != 2 or len(vectors) != len(samples) or vectors.dtype.kind not in "biuf":
        raise ValueError(
            f"the function gave {vectors.dtype} {vectors.shape}, not numbers ({len(samples)}, d)"
        )
    return vectors


def _load(path: str) -> Callable[[np.ndarray], Any]:
    module, _, name = path.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise ValueError(f"cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise ValueError(f"{name} of {module} is no function")
    return function


def _source(function: Callable[[np.ndarray], Any]) -> np.ndarray:
    try:
        source = inspect.getsource(inspect.getmodule(function) or function)
    except (OSError, TypeError):
        source = ""  # compiled: its name has to do
    return np.frombuffer(hashlib.sha256(source.encode()).digest(), np.uint8)


FUNCTION = Kind(fit, embed, options=("function",), points=True)
