"""How much memory a trial takes, in a process that has carried others before."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
import sys
from pathlib import Path

import torch


def forget_peak_memory(device: torch.device) -> None:
    """Give back what earlier tasks have left, and count the peak from now on."""
    gc.collect()
    gc.freeze()  # what is left, modules above all, stays: next time only what is new is looked through
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        return
    # The C library keeps freed memory, which would count as resident; only glibc has the call.
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_bytes(device: torch.device) -> int:
    """The most at once since `forget_peak_memory`: on GPUs allocated by this process, else resident, its code
    and libraries included. Where the system cannot forget a peak, since the process began.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
