"""Trials as Ray tasks, on this machine's cores or on a cluster."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

from pipeline.engine.engines import Done, Task
from pipeline.errors import InputError
from pipeline.study import ResourceOptions

# Tasks queued beyond those that run. While the driver commits, others finish, and one commit then takes them
# all: the shorter the trials, the more share its cost.
QUEUED = 32
# Seconds without a finished trial after which the driver looks whether trials can still be placed.
PATIENCE = 600.0


class RayEngine:
    """A bounded number of tasks in flight; a task whose worker dies is tried again.

    Workers are kept between tasks (also with GPUs, where Ray's default is a new process per task): importing
    torch and starting CUDA costs more than many a trial. Nothing leaks, since a trial draws from no global
    random state and sets its own threads. Without an address, a Ray that the process has joined already is
    used and left as it is.
    """

    def __init__(self, resources: ResourceOptions, address: str | None = None) -> None:
        self.resources = resources
        self.address = address
        self._started = address is not None or not ray.is_initialized()
        if self._started:
            _connect(address)
        try:
            self.slots = self._slots()
        except InputError:
            self.close()
            raise

    def share(self, value: Any) -> Any:
        return ray.put(value)

    def run(self, function: Callable[..., Any], tasks: Iterable[Task]) -> Iterator[list[Done]]:
        # Our own attempts instead of Ray's: they are counted, and a trial that kills workers ends as a row.
        options = {"num_cpus": self.resources.cpus, "num_gpus": self.resources.gpus}
        remote: Any = ray.remote(**options, max_retries=0, max_calls=0)(function)  # type: ignore[call-overload]
        waiting = iter(tasks)
        in_flight: dict[Any, tuple[Task, int]] = {}

        def submit(task: Task, attempt: int) -> None:
            in_flight[remote.remote(task.shared, *task.arguments)] = (task, attempt)

        for task in islice(waiting, self.slots + QUEUED):
            submit(task, 1)
        while in_flight:
            ready, _ = ray.wait(list(in_flight), num_returns=1, timeout=PATIENCE)
            if not ready:
                self._slots()
                continue
            # Whatever else is there by now comes along: one commit for all of it.
            ready, _ = ray.wait(list(in_flight), num_returns=len(in_flight), timeout=0)
            finished: list[Done] = []
            for reference in ready:
                task, attempt = in_flight.pop(reference)
                done = _result(reference, task, attempt)
                if done.lost and attempt < task.attempts:
                    submit(task, attempt + 1)
                else:
                    finished.append(done)
            if finished:
                yield finished  # the next tasks wait in the queue meanwhile
            for task in islice(waiting, len(finished)):
                submit(task, 1)

    def close(self) -> None:
        if self._started:
            ray.shutdown()

    def _slots(self) -> int:
        """How many tasks fit at once. Raises InputError if none ever could."""
        have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        wanted = {"CPU": float(self.resources.cpus), "GPU": self.resources.gpus}
        for name, amount in wanted.items():
            if amount > have.get(name, 0.0):
                where = f"the cluster at {self.address}" if self.address else "the local Ray"
                raise InputError(
                    f"resources.{name.lower()}s: {amount:g}: {where} has {have.get(name, 0.0):g} {name}, "
                    "so no trial could ever start"
                )
        return max(1, int(min(have[name] / amount for name, amount in wanted.items() if amount)))


def _connect(address: str | None) -> None:
    quiet: Any = {"logging_level": logging.ERROR, "log_to_driver": False}
    before = signal.getsignal(signal.SIGTERM)
    if address is None:
        cores = len(os.sched_getaffinity(0))
        # `local`: a Ray that somebody else started on this machine is not ours to use.
        ray.init("local", num_cpus=cores, include_dashboard=False, **quiet)
    else:
        try:
            ray.init(address, **quiet)
        except (ConnectionError, RayError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"--address {address}: cannot join the Ray cluster: {reason}") from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray has put its own in its place


def _result(reference: Any, task: Task, attempt: int) -> Done:
    try:
        return Done(task, ray.get(reference), attempts=attempt)
    except RayTaskError as error:
        # A defect of ours: trials catch their own failures.
        raise error.as_instanceof_cause() from None  # type: ignore[no-untyped-call]
    except OutOfMemoryError as error:
        return Done(task, None, "out_of_memory", _first_line(error), attempt)
    except RayError as error:
        return Done(task, None, "lost", f"{type(error).__name__}: {_first_line(error)}", attempt)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "the worker died")[:300]
