"""Trials as Ray tasks, on this machine's cores or on a cluster."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

from pipeline.engine.engines import Done, Task
from pipeline.errors import InputError
from pipeline.study import ResourceOptions

ATTEMPTS = 3
# Seconds without a finished trial after which the driver looks whether tasks can still be placed.
PATIENCE = 30.0


class RayEngine:
    """A bounded number of tasks in flight; a task whose worker dies is tried again.

    Workers are kept between tasks (also with GPUs, where Ray's default is a new process per task): importing torch and starting
    CUDA costs more than many a trial. Nothing leaks, since a trial draws from no global random state and sets its own threads.
    """

    def __init__(self, resources: ResourceOptions, address: str | None = None) -> None:
        self.resources = resources
        self._connect(address)
        self.slots = self._slots(address)

    def share(self, value: Any) -> Any:
        return ray.put(value)

    def run(self, function: Callable[..., Any], tasks: Iterable[Task]) -> Iterator[list[Done]]:
        # Our own attempts instead of Ray's: they are counted, and a trial that kills its worker ends as a row.
        options = {"num_cpus": self.resources.cpus, "num_gpus": self.resources.gpus}
        remote = ray.remote(max_retries=0, max_calls=0, **options)(function)
        waiting = iter(tasks)
        in_flight: dict[Any, tuple[Task, int]] = {}

        def submit(task: Task, attempt: int) -> None:
            in_flight[remote.remote(task.shared, *task.arguments)] = (task, attempt)

        for task in islice(waiting, 2 * self.slots):
            submit(task, 1)
        while in_flight:
            ready, _ = ray.wait(list(in_flight), num_returns=1, timeout=PATIENCE)
            if not ready:
                continue
            # Whatever else is there by now comes along: one commit for all of it.
            ready, _ = ray.wait(list(in_flight), num_returns=len(in_flight), timeout=0)
            finished: list[Done] = []
            for reference in ready:
                task, attempt = in_flight.pop(reference)
                done = _result(reference, task, attempt)
                if done.lost and attempt < ATTEMPTS:
                    submit(task, attempt + 1)
                else:
                    finished.append(done)
            if finished:
                yield finished  # the next tasks wait in the queue meanwhile
            for task in islice(waiting, len(finished)):
                submit(task, 1)

    def close(self) -> None:
        ray.shutdown()

    def _connect(self, address: str | None) -> None:
        quiet = {"logging_level": "error", "log_to_driver": False}
        if address is None:
            ray.init(num_cpus=len(os.sched_getaffinity(0)), include_dashboard=False, **quiet)
            return
        if address != "auto":
            _check_reachable(address)
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, RayError, RuntimeError, ValueError) as error:
            raise InputError(
                f"--address {address}: cannot join the Ray cluster: {' '.join(str(error).split())[:300]}"
            ) from None

    def _slots(self, address: str | None) -> int:
        have = ray.cluster_resources()
        wanted = {"CPU": float(self.resources.cpus), "GPU": self.resources.gpus}
        for name, amount in wanted.items():
            if amount > have.get(name, 0.0):
                where = f"the cluster at {address}" if address else "this machine"
                self.close()
                raise InputError(
                    f"resources.{name.lower()}s: {amount:g}: {where} has {have.get(name, 0.0):g} {name}, so no trial could ever start"
                )
        return max(1, int(min(have[name] / amount for name, amount in wanted.items() if amount)))


def _result(reference: Any, task: Task, attempt: int) -> Done:
    try:
        return Done(task, ray.get(reference), attempts=attempt)
    except RayTaskError as error:
        raise error.as_instanceof_cause() from None  # a defect of ours: trials catch their own failures
    except OutOfMemoryError as error:
        return Done(task, None, "out_of_memory", _first_line(error), attempt)
    except RayError as error:
        return Done(task, None, "lost", f"{type(error).__name__}: {_first_line(error)}", attempt)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "the worker died")[:300]


def _check_reachable(address: str) -> None:
    """Ray itself would retry an address where nothing listens for many seconds."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise InputError(
            f"--address {address}: must be HOST:PORT of a Ray head (ray start --head prints it), or auto"
        )
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
    except OSError as error:
        raise InputError(
            f"--address {address}: no Ray head answers there: {error.strerror or error}"
        ) from None
