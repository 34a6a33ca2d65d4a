"""The numerical policy of training and sampling, stated once."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class _Settings(NamedTuple):
    """What of a process decides its numbers. matmul: torch's float32 matmul precision, which also decides
    whether GPUs may use TF32 and CPUs bfloat16 in its place.
    """

    threads: int
    matmul: str = "highest"
    cudnn_tf32: bool = False
    cudnn_deterministic: bool = True
    cudnn_benchmark: bool = False
    deterministic: bool = False
    warn_only: bool = False
    gradients: bool = True
    dtype: torch.dtype = torch.float32

    @staticmethod
    def now() -> _Settings:
        """Those of this process."""
        try:
            matmul = torch.get_float32_matmul_precision()
        except RuntimeError:  # set in two ways that contradict each other
            matmul = "highest"
        return _Settings(
            torch.get_num_threads(),
            matmul,
            torch.backends.cudnn.allow_tf32,
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.benchmark,
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
        )

    def settle(self) -> None:
        """Make them those of this process."""
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        torch.set_float32_matmul_precision(self.matmul)
        torch.backends.cudnn.allow_tf32 = self.cudnn_tf32
        torch.backends.cudnn.deterministic = self.cudnn_deterministic
        torch.backends.cudnn.benchmark = self.cudnn_benchmark
        if torch.are_deterministic_algorithms_enabled() != self.deterministic:  # the call imports a lot
            torch.use_deterministic_algorithms(self.deterministic, warn_only=self.warn_only)
        torch.set_grad_enabled(self.gradients)
        torch.set_default_dtype(self.dtype)


@contextlib.contextmanager
def exact_float32(threads: int) -> Iterator[None]:
    """The numerical policy: float32 products are float32, kernels are deterministic, threads are stated,
    gradients are on, and the global random streams of torch, numpy and Python begin at 0, for functions of
    others that draw from them. Whatever a process did before, what follows is as in a new one. What was there
    before is put back.
    """
    before, drawn = _Settings.now(), (np.random.get_state(), random.getstate())  # noqa: NPY002
    with torch.random.fork_rng(_gpus()):
        _Settings(threads).settle()
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)
        try:
            yield
        finally:
            before.settle()
            np.random.set_state(drawn[0])  # noqa: NPY002
            random.setstate(drawn[1])


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


def _gpus() -> range:
    """Those whose random streams this process may have used."""
    in_use: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return range(torch.cuda.device_count() if in_use else 0)
