"""Trials as Ray tasks, on this machine's cores or on a cluster."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    OutOfMemoryError,
    RayError,
    RayTaskError,
    TaskCancelledError,
)

from pipeline.engine import ray_autoscaler
from pipeline.engine.engines import Done, Task
from pipeline.engine.ray_cluster import (
    check_feasible,
    free_now,
    nodes_now,
    slots,
    this_node_leaves,
    wanted,
)
from pipeline.engine.stopping import also_on, stop_asked
from pipeline.errors import InputError
from pipeline.study import ResourceOptions

log = logging.getLogger(__name__)

# Tasks queued beyond those that run. While the driver commits, others finish, and one commit then takes them
# all: the shorter the trials, the more share its cost. The queue is also what an autoscaler scales by.
QUEUED = 32
# Trials whose values the driver holds at once, where more have finished: what bounds its memory.
AT_ONCE = 64
# Seconds between commits, as long as queued tasks keep the slots busy: one of ten trials costs little more
# than one of one, and workers wait for a driver that computes.
GATHER = 0.2
# Seconds after which the driver counts the cluster's slots anew: nodes join and leave.
RECOUNT = 5.0
# Seconds without a finished task after which the driver looks whether tasks can still be placed.
PATIENCE = 600.0
# Seconds for which an autoscaler must refuse: a machine on its way out may be the one too many.
REFUSED = 20.0
# Seconds that tasks get to keep their state when the driver is asked to end; a stopped job has 60.
GRACE = 45.0
# Nodes that a task may lose before that counts as the task's fault: spot machines come and go.
NODES_LOST = 10
NODE_LOST = "node_lost"


class RayEngine:
    """A bounded number of tasks in flight; a task whose worker dies is tried again.

    Workers are kept between tasks (also with GPUs, where Ray's default is a new process per task): importing
    torch and starting CUDA costs more than many a trial. Nothing leaks, since a trial draws from no global
    random state and sets its own threads. Without an address, a Ray that the process has joined already is
    used and left as it is.
    """

    def __init__(self, resources: ResourceOptions, address: str | None = None) -> None:
        self.request = wanted(resources)
        self.where = f"the cluster at {address}" if address else "the local Ray"
        self._started = address is not None or not ray.is_initialized()
        if self._started:
            _connect(address)
        try:
            self._check()
        except InputError:
            self.close()
            raise
        self._slots, self._counted = slots(self.request, nodes_now()), time.monotonic()
        self._refused: float | None = None  # since when the autoscaler has said no

    def slots(self) -> int:
        if time.monotonic() - self._counted > RECOUNT:
            self._slots, self._counted = slots(self.request, nodes_now()), time.monotonic()
        return max(1, self._slots)

    def share(self, value: Any) -> Any:
        return ray.put(value)

    def run(self, function: Callable[..., Any], tasks: Iterable[Task]) -> Iterator[list[Done]]:
        # Our own attempts instead of Ray's: they are counted, and a trial that kills workers ends as a row.
        options = {"num_cpus": self.request.get("CPU", 0), "num_gpus": self.request.get("GPU", 0)}
        remote: Any = ray.remote(**options, max_retries=0, max_calls=0)(_on_worker)  # type: ignore[call-overload]
        called = ray.put(function)
        waiting, flight = iter(tasks), _Flight(remote.options(name=function.__name__), called)
        heard = time.monotonic()
        while not stop_asked():
            for task in islice(waiting, max(0, self._window() - len(flight))):
                flight.start(task)
            if not flight:
                return
            finished = flight.landed(1.0, spare=len(flight) - self.slots())
            if finished:
                heard, self._refused = time.monotonic(), None
                yield finished  # the next tasks wait in the queue meanwhile
                continue
            self._heed_refusal()
            if time.monotonic() - heard > PATIENCE:
                heard = time.monotonic()
                self._look_for_a_stall(len(flight))
        if finished := flight.recalled():
            yield finished

    def close(self) -> None:
        if self._started:
            ray.shutdown()

    def _window(self) -> int:
        return self.slots() + max(QUEUED, self.slots())

    def _check(self) -> None:
        """Raises InputError if no task could ever start, as far as anybody knows."""
        try:
            check_feasible(self.request, nodes_now(), self.where)
        except InputError:
            if not ray_autoscaler.grows():
                raise
            log.warning("%s has no node for a trial; waiting for its autoscaler", self.where)

    def _heed_refusal(self) -> None:
        """Raises InputError if no node could carry a task and the autoscaler goes on saying it has none."""
        now = time.monotonic()
        if self._slots or not ray_autoscaler.refuses(self.request):
            self._refused = None
        elif self._refused is None:
            self._refused = now
        elif now - self._refused > REFUSED:
            check_feasible(self.request, nodes_now(), f"{self.where}, even with its autoscaler,")

    def _look_for_a_stall(self, waiting: int) -> None:
        """Say that resources are idle while tasks wait. Raises InputError if none can ever be placed."""
        self._check()
        idle = slots(self.request, free_now())
        if idle:
            log.warning(
                "nothing has finished for %d min although %s could run %d more tasks and %d wait: "
                "Ray does not place them; `ray status` on the head may say why",
                PATIENCE / 60, self.where, idle, waiting,
            )  # fmt: skip


class _Flight:
    """Tasks that Ray has."""

    def __init__(self, remote: Any, function: Any) -> None:
        self._remote, self._function = remote, function
        self._tasks: dict[Any, tuple[Task, int, int]] = {}  # by reference, with attempt and nodes lost
        self._landed = time.monotonic()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, task: Task, attempt: int = 1, nodes_lost: int = 0) -> None:
        reference = self._remote.remote(self._function, task.shared, *task.arguments)
        self._tasks[reference] = (task, attempt, nodes_lost)

    def landed(self, seconds: float, spare: int) -> list[Done]:
        """What has finished once one task has, or after so many seconds, of about `AT_ONCE` trials at most.
        Lost tasks start again. spare: tasks that may finish before a slot is idle.
        """
        references = list(self._tasks)
        ready, _ = ray.wait(references, num_returns=1, timeout=seconds)
        if not ready:
            return []
        trials = sum(task.size for task, _, _ in self._tasks.values())
        most = max(1, AT_ONCE * len(self) // trials)
        patience = self._landed + GATHER - time.monotonic()
        if spare > 1 and patience > 0:
            ray.wait(references, num_returns=min(spare, most), timeout=patience)
        ready, _ = ray.wait(references, num_returns=min(len(self), most), timeout=0)
        self._landed = time.monotonic()
        finished: list[Done] = []
        for reference in ready:
            task, attempt, nodes_lost = self._tasks.pop(reference)
            done = _result(reference, task, attempt)
            if done.lost == NODE_LOST and nodes_lost < NODES_LOST:
                self.start(task, attempt, nodes_lost + 1)
            elif done.lost and attempt < task.attempts:
                self.start(task, attempt + 1, nodes_lost)
            else:
                finished.append(done._replace(lost="lost") if done.lost == NODE_LOST else done)
        return finished

    def recalled(self) -> list[Done]:
        """Ask every task to end, and give what ends in time with a value."""
        for reference in self._tasks:
            ray.cancel(reference, force=False, recursive=False)
        ready, late = ray.wait(list(self._tasks), num_returns=len(self), timeout=GRACE) if self else ([], [])
        for reference in late:
            ray.cancel(reference, force=True, recursive=False)
        finished = [_result(reference, *self._tasks[reference][:2]) for reference in ready]
        return [done for done in finished if not done.lost]


def _on_worker(function: Callable[..., Any], shared: Any, *arguments: Any) -> Any:
    """The function, on a worker that also heeds its node's notice to leave."""
    also_on(this_node_leaves)
    return function(shared, *arguments)


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
    except TaskCancelledError:
        return Done(task, None, "lost", "was cancelled", attempt)
    except (NodeDiedError, LocalRayletDiedError) as error:
        return Done(task, None, NODE_LOST, f"{type(error).__name__}: {_first_line(error)}", attempt)
    except OutOfMemoryError as error:
        return Done(task, None, "out_of_memory", _first_line(error), attempt)
    except RayError as error:
        return Done(task, None, "lost", f"{type(error).__name__}: {_first_line(error)}", attempt)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "the worker died")[:300]
