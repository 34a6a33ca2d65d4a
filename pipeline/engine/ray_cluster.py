"""What a Ray cluster has and could ever have: its nodes, and those that its autoscaler may start."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import ray
from ray._private.state import state

from pipeline.errors import InputError
from pipeline.study import ResourceOptions

Amounts = Mapping[str, float]


def wanted(resources: ResourceOptions) -> dict[str, float]:
    """What one task asks for, under Ray's names; without what it does not need."""
    amounts = {"CPU": float(resources.cpus), "GPU": resources.gpus}
    return {name: amount for name, amount in amounts.items() if amount}


def slots(request: Amounts, nodes: Iterable[Amounts]) -> int:
    """How many requests fit on the nodes at once. A request is never spread over nodes."""
    return sum(min(_times(node.get(name, 0.0), amount) for name, amount in request.items()) for node in nodes)


def check_feasible(request: Amounts, nodes: Iterable[Amounts], where: str) -> None:
    """Raises InputError, naming resource and amount, unless one of the nodes could carry the request."""
    nodes = list(nodes)
    if slots(request, nodes):
        return
    for name, amount in request.items():
        most = max((node.get(name, 0.0) for node in nodes), default=0.0)
        if amount > most:
            raise InputError(
                f"resources.{name.lower()}s: {amount:g}: {where} has no node with more than {most:g} {name}, "
                "so no trial could ever start"
            )
    asked = " and ".join(f"{amount:g} {name}" for name, amount in request.items())
    raise InputError(f"resources: {where} has no node with {asked} together, so no trial could ever start")


def nodes_now() -> list[Amounts]:
    """All resources of each node that is alive and not about to leave."""
    leaving = state.get_draining_nodes()
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in nodes if node["Alive"] and node["NodeID"] not in leaving]


def nodes_to_come() -> list[Amounts]:
    """All resources of each kind of node that the autoscaler may start, as far as it has told."""
    config = state.get_cluster_config()
    groups = config.node_group_configs if config else []
    return [dict(group.resources) for group in groups if group.max_count]


def free_now() -> list[Amounts]:
    """What is free on each node."""
    return list(state.available_resources_per_node().values())  # type: ignore[no-untyped-call]


def this_node_leaves() -> bool:
    """Whether the node of this worker has been told to go (a spot machine's notice, say)."""
    leaving = state.get_draining_nodes()
    return ray.get_runtime_context().get_node_id() in leaving


def _times(have: float, amount: float) -> int:
    # Fractions of a GPU: three thirds are one, whatever their sum is in binary.
    return math.floor(have / amount + 1e-9)
