"""What a cluster's autoscaler says. Ray keeps the kinds of nodes that it may start to itself.

Of its two autoscalers the second, that of `ray up` and KubeRay, reports to the head. The first says nothing,
and a cluster with it counts as one that does not grow.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ray.autoscaler.v2.utils import is_autoscaler_v2
from ray.core.generated import autoscaler_pb2
from ray.experimental.internal_kv import internal_kv_get_gcs_client

# Seconds until the first report: the autoscaler starts when the head is up, and a driver may be as quick.
FIRST_REPORT = 30.0


def grows() -> bool:
    """Whether an autoscaler starts nodes for tasks that wait."""
    if not is_autoscaler_v2(fetch_from_server=True):
        return False
    deadline = time.monotonic() + FIRST_REPORT
    while _report() is None:
        if time.monotonic() > deadline:  # KubeRay without one, say
            return False
        time.sleep(0.5)
    return True


def refuses(request: Mapping[str, float]) -> bool:
    """Whether the autoscaler has looked at a waiting request, cannot place it, and has nothing under way.

    It says so of requests beyond its largest number of nodes too: ask only while no node could carry one.
    """
    report = _report()
    if report is None or report.pending_instance_requests or report.pending_instances:
        return False
    return any(dict(asked.resources_bundle) == request for asked in report.infeasible_resource_requests)


def _report() -> Any:
    """What it reported last, an `AutoscalingState`, if it ever did."""
    messages: Any = autoscaler_pb2  # generated while Ray is built, without types
    head = internal_kv_get_gcs_client()  # type: ignore[no-untyped-call]
    status = messages.GetClusterStatusReply.FromString(head.get_cluster_status())
    return status.autoscaling_state if status.HasField("autoscaling_state") else None
