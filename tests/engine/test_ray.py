"""What Ray is asked for, and what a worker gets."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.engine.engines import Task
from pipeline.engine.ray_cluster import check_feasible, slots, wanted
from pipeline.errors import InputError
from pipeline.study import ResourceOptions


@pytest.mark.parametrize(
    ("request_", "nodes", "expected"),
    [
        ({"CPU": 1}, [{"CPU": 2}, {"CPU": 4}], 6),
        ({"CPU": 2}, [{"CPU": 1}] * 8, 0),  # eight cores, and none of them beside another
        ({"CPU": 2}, [{"CPU": 3}, {"CPU": 3}], 2),
        ({"CPU": 1, "GPU": 1 / 3}, [{"CPU": 16, "GPU": 1}], 3),
        ({"CPU": 1, "GPU": 0.25}, [{"CPU": 2, "GPU": 1}, {"CPU": 64}], 2),
        ({"CPU": 1, "GPU": 2}, [{"CPU": 8, "GPU": 1}], 0),
        ({"CPU": 1}, [], 0),
    ],
)
def test_a_request_is_never_spread_over_nodes(
    request_: dict[str, float], nodes: list[dict[str, float]], expected: int
) -> None:
    assert slots(request_, nodes) == expected
    if expected:
        check_feasible(request_, nodes, "here")
    else:
        with pytest.raises(InputError, match="so no trial could ever start"):
            check_feasible(request_, nodes, "here")


def test_what_is_missing_is_named_with_its_amount() -> None:
    nodes = [{"CPU": 4.0}, {"CPU": 2.0, "GPU": 1.0}]
    for resources, said in (
        (ResourceOptions(cpus=5), "resources.cpus: 5: the cluster has no node with more than 4 CPU"),
        (ResourceOptions(gpus=2), "resources.gpus: 2: the cluster has no node with more than 1 GPU"),
        (ResourceOptions(cpus=4, gpus=1), "resources: the cluster has no node with 4 CPU and 1 GPU together"),
    ):
        with pytest.raises(InputError, match=re.escape(said)):
            check_feasible(wanted(resources), nodes, "the cluster")


def where(shared: dict[str, Any], _: int) -> tuple[int, bool, str]:
    """Process, whether the array's memory is its own, and the file that is mapped where it lies."""
    array = shared["images"]
    address = array.__array_interface__["data"][0]
    for line in Path("/proc/self/maps").read_text().splitlines():
        low, high = (int(part, 16) for part in line.split()[0].split("-"))
        if low <= address < high:
            return os.getpid(), bool(array.flags.owndata), line.split(maxsplit=5)[5]
    raise AssertionError("the array lies nowhere")


@pytest.mark.usefixtures("local_ray")
def test_workers_of_a_node_read_one_copy_of_the_data() -> None:
    from pipeline.engine.ray_engine import RayEngine

    engine = RayEngine(ResourceOptions())
    shared = engine.share({"images": np.zeros((1000, 3, 32, 32), np.uint8)})
    found = [
        d.value for batch in engine.run(where, [Task(str(k), shared, (k,)) for k in range(8)]) for d in batch
    ]
    assert len(found) == 8
    for _, own, file in found:
        assert not own
        assert "plasma" in file or file.startswith("/dev/shm")
