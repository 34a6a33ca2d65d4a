"""The numerical policy of training and sampling, stated once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def exact_float32(threads: int) -> Iterator[None]:
    """Full float32 (no TF32), deterministic kernels and a fixed thread count, so that a trial's numbers do not
    depend on the process that happens to run it. What was set before is put back.
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


def _set(threads: int, matmul_tf32: bool, cudnn_tf32: bool, deterministic: bool, benchmark: bool) -> None:
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = matmul_tf32
    torch.backends.cudnn.allow_tf32 = cudnn_tf32
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = benchmark
