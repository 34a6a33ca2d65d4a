"""A trial in a process that has carried others is the trial of a new process: numbers, threads and memory."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.training import exact_float32, forget_peak_memory, peak_memory_bytes, sample, train
from tests.systems.games import CPU
from tests.training.test_back_ends import CASES, trials

MB = 2**20


def leave_traces() -> None:
    """What somebody's function may do to a process: settings, random streams, 300 MB and as much in crumbs,
    some of it in a cycle that only the collector breaks.
    """
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.set_float32_matmul_precision("medium")
    torch.backends.cuda.matmul.allow_tf32 = False  # contradicts the line before
    torch.backends.cudnn.benchmark = True
    torch.use_deterministic_algorithms(True)
    large: list[Any] = [torch.ones(300 * MB // 8)]
    large.append(large)
    crumbs = [np.ones(1000, np.uint8) for _ in range(300_000)]
    assert len(crumbs) > len(large)


def embedding(samples: np.ndarray) -> np.ndarray:
    """Somebody's, with weights from every global stream, a product that low precision would show, and
    numbers of the default type.
    """
    weights = torch.randn(samples.shape[1], 512) + random.random() + float(np.random.rand())  # noqa: NPY002
    wide = torch.tensor(samples).float() @ weights.float()
    return torch.cat([wide @ wide.T, weights.new_zeros(len(wide), 1)], 1).numpy()


def a_task() -> dict[str, Any]:
    data, parts = CASES["wgan_gp of points"]
    (trial,) = trials(parts, 1, steps=20)
    forget_peak_memory(CPU)
    with exact_float32(2):
        found = train(trial, data, data, CPU)
        numbers = embedding(sample(found.system, found.players, 600, trial.id))
        threads = torch.get_num_threads()
    return {
        "numbers": numbers.astype(np.float64).sum(1).tolist(),
        "curves": [point.value for point in found.curves],
        "dtype": str(numbers.dtype),
        "threads": threads,
        "peak": peak_memory_bytes(CPU),
    }


def in_a_new_process(steps: str) -> dict[str, Any]:
    code = f"import json; from {__name__} import *; {steps}; print(json.dumps(found))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(said)
    return found


def test_a_used_process_is_as_good_as_a_new_one() -> None:
    new = in_a_new_process("found = a_task()")
    used = in_a_new_process(
        "leave_traces(); earlier = peak_memory_bytes(CPU); found = a_task() | {'earlier': earlier}"
    )
    # Tasks may come one after another, too.
    again = in_a_new_process("a_task(); found = a_task()")
    for other in (used, again):
        assert {k: v for k, v in other.items() if k not in ("peak", "earlier")} == {
            k: v for k, v in new.items() if k != "peak"
        }
    assert (new["threads"], new["dtype"]) == (2, "float32")
    assert used["earlier"] > new["peak"] + 400 * MB
    # The traces left a few dozen MB of code behind.
    assert abs(used["peak"] - new["peak"]) < 60 * MB


def test_low_precision_that_was_left_behind_is_lifted() -> None:
    x = torch.tensor(np.random.default_rng(0).standard_normal((512, 512)), dtype=torch.float32)
    exact = x.double() @ x.double()
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")  # bfloat16 where CPUs have it
        with exact_float32(1):
            assert float(((x @ x).double() - exact).abs().max()) < 1e-3
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_streams_and_settings_of_the_caller_are_put_back() -> None:
    def drawn() -> tuple[float, float, float]:
        return float(torch.rand(())), float(np.random.rand()), random.random()  # noqa: NPY002

    torch.manual_seed(11), np.random.seed(11), random.seed(11)  # noqa: NPY002
    expected = drawn()
    torch.manual_seed(11), np.random.seed(11), random.seed(11)  # noqa: NPY002
    with torch.no_grad():
        with exact_float32(1):
            inside = drawn()
            assert torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    assert drawn() == expected
    with exact_float32(1):
        assert drawn() == inside != expected


def test_the_peak_is_of_what_came_after_it_was_forgotten() -> None:
    forget_peak_memory(CPU)
    start = peak_memory_bytes(CPU)
    block = torch.ones(200 * MB // 4)
    del block
    most = peak_memory_bytes(CPU)
    assert 180 * MB < most - start < 260 * MB
    forget_peak_memory(CPU)
    assert peak_memory_bytes(CPU) < most - 150 * MB


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_peak_on_a_gpu() -> None:
    gpu = torch.device("cuda")
    block = torch.ones(200 * MB // 4, device=gpu)
    del block
    forget_peak_memory(gpu)
    assert peak_memory_bytes(gpu) < 100 * MB
    block = torch.ones(100 * MB // 4, device=gpu)
    assert block.nbytes <= peak_memory_bytes(gpu) < 200 * MB
