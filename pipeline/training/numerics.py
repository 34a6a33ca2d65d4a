"""The numerical policy of training and sampling, stated once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


@contextlib.contextmanager
def exact_float32(threads: int) -> Iterator[None]:
    """Full float32 (no TF32), deterministic kernels and a fixed thread count, so that a trial's numbers do
    not depend on the process that happens to run it. What was set before is put back.
    """
    before = (
        torch.get_num_threads(),
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
    )
    _set(threads, False, False, True, False)
    try:
        yield
    finally:
        _set(*before)


@contextlib.contextmanager
def lowered(precision: str, device: torch.device) -> Iterator[None]:
    """What a study may have its losses computed in instead of float32, where it says so.

    tf32: matrix products and convolutions round their factors to 10 bits of mantissa, on GPUs that can; CPUs
    stay at float32. bfloat16: torch's autocast. Parameters, gradients and optimizers stay float32.
    """
    if precision == "bfloat16":
        # Without its cache, which would keep the weights of the step that filled it.
        with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
            yield
    elif precision == "tf32":
        before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        try:
            yield
        finally:
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
    else:
        yield


def owned(array: np.ndarray, device: torch.device) -> Tensor:
    """A copy of the array in torch's own memory, with torch's own strides.

    Alignment, and the strides of axes of length 1, vary with where an array came from (numpy, Ray, a file),
    and matrix and convolution libraries choose their order of summation by both: the last bit of a result
    would depend on the process.
    """
    source = torch.tensor(array)
    return torch.empty(source.shape, dtype=source.dtype, device=device).copy_(source)


def _set(threads: int, matmul_tf32: bool, cudnn_tf32: bool, deterministic: bool, benchmark: bool) -> None:
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = matmul_tf32
    torch.backends.cudnn.allow_tf32 = cudnn_tf32
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = benchmark
