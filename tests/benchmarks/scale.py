"""Ten thousand trials through the Ray engine and a hundred thousand inline, of a system that does nothing.

A trial is at once what a real one on digits left behind, rows in eleven tables and weights, under its own id; so what is
measured is what the pipeline adds. Beside it, in the same run: the same trials under Ray Tune, and as one plain Ray task
each in a new process, as GPU tasks are by default. Weak scaling: trials that sleep, on 1, 2 and 4 nodes.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from unittest import mock

from pipeline.engine import execute
from pipeline.engine.cohorts import Cohort
from pipeline.engine.ray_settings import settle
from pipeline.engine.work import Context, Ended, Finished, run_cohort
from pipeline.store.run import Run
from pipeline.study import Study
from pipeline.training import REFERENCE
from tests.benchmarks.overhead import STUDY, Clock, replaying, sleeping
from tests.benchmarks.timing import Figure, load

NAME = "scale"
BY_RAY, INLINE, BY_TUNE, IN_NEW_PROCESSES = 10_000, 100_000, 40, 20
NODES, SLEEP, PER_NODE, SLOTS = (1, 2, 4), 2.0, 240, 4


class Pass(NamedTuple):
    """milliseconds: a trial, wall and the driver's CPU. memory: MiB that the driver grew by. root: the run."""

    milliseconds: float
    cpu: float
    memory: float
    root: str


def run() -> Iterator[Figure]:
    """Milliseconds a trial, memory, files, status and resuming; ratios to Tune and to plain tasks; efficiency."""
    nothing = replaying(real_trial())
    with tempfile.TemporaryDirectory() as runs:
        ours = _through(nothing, "ray", BY_RAY, runs)
        yield from _figures(f"{BY_RAY:,} trials by Ray", ours, "<= 5 ms", "< 300 MiB")
        yield from _afterwards(ours, runs)
    tune, plain = _by_tune(), _in_new_processes()
    for peer, theirs, target in (("Ray Tune", tune, "50x"), ("a task in a new process each", plain, "")):
        yield Figure(
            NAME, "overhead a trial", "wall", "ms", ours.milliseconds, peer, theirs, theirs / ours.milliseconds,
            target=target, load=load(),
        )  # fmt: skip
    for count in (BY_RAY, INLINE):
        with tempfile.TemporaryDirectory() as runs:
            yield from _figures(f"{count:,} trials inline", _through(nothing, "inline", count, runs), "", "")
    yield from _weak_scaling()


def real_trial() -> Finished:
    """A trial on digits, trained and measured."""
    study = _study(1)
    with tempfile.TemporaryDirectory() as runs:
        bench = execute.prepare(study, study.trials(), "inline", None, None, Run(f"{runs}/{study.study}"))
    (real,) = run_cohort(
        next(iter(bench.contexts.values())), Cohort(tuple(study.trials()), REFERENCE)
    ).finished
    assert real.status == "completed", real.error
    return real


def _study(trials: int) -> Study:
    of = {"study": "scale", "vary": {"seed": {"count": trials}}, "resources": {"back_end": "reference"}}
    return Study.parse({**STUDY, **of})


def _through(
    function: Callable[[Context, Cohort], Ended],
    engine: str,
    count: int,
    runs: str,
    address: str | None = None,
) -> Pass:
    clock, study = Clock(), _study(count)
    with mock.patch.object(execute, "run_cohort", function), _Memory() as memory:
        target = execute.run(study, runs, engine=engine, mirror=False, progress=clock)
        end, cpu = time.perf_counter(), time.process_time()
    assert len(target.done()) == count
    each = [1e3 * seconds / count for seconds in (end - clock.started, cpu - clock.cpu)]
    return Pass(*each, memory.grown, target.root)


class _Memory:
    """How much this process's own resident memory grows at most, in MiB, sampled ten times a second."""

    def __enter__(self) -> _Memory:
        self.grown, self._before, self._over = 0.0, _resident(), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self.grown = max(self.grown, _resident() - self._before)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def _resident() -> float:
    """MiB, without what is shared with other processes: Ray maps its whole object store into the driver."""
    _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
    return (resident - shared) * resource.getpagesize() / 2**20


def _figures(case: str, found: Pass, cost: str, growth: str) -> Iterator[Figure]:
    files = sum(len(names) for _, _, names in os.walk(found.root))
    size = sum(f.stat().st_size for f in Path(found.root).rglob("*") if f.is_file()) / 2**20
    for quantity, unit, value, target in (
        ("a trial", "ms", found.milliseconds, cost),
        ("driver's CPU time, a trial", "ms", found.cpu, ""),
        ("driver's memory growth", "MiB", found.memory, growth),
        ("files of the finished run", "files", files, ""),
        ("size of the finished run", "MiB", size, ""),
    ):
        yield Figure(NAME, case, quantity, unit, value, target=target, load=load())


def _afterwards(found: Pass, runs: str) -> Iterator[Figure]:
    """The commands that a user types then, each in a process of its own."""
    file = f"{runs}/study.yaml"
    Path(file).write_text(_study(BY_RAY).yaml())
    for quantity, words, target in (
        ("birthday status", ["status", found.root], "< 1 s"),
        ("birthday run of the finished study", ["run", file, "--runs", runs, "--no-mlflow"], "< 5 s"),
        ("birthday verify", ["verify", found.root], ""),
    ):
        walls, cpus = zip(*(_command(words) for _ in range(3)), strict=True)
        for kind, seconds in (("wall", walls), ("CPU", cpus)):
            case = f"{BY_RAY:,} trials by Ray"
            yield Figure(NAME, case, f"{quantity}: {kind}", "s", median(seconds), target=target, load=load())


def _command(words: list[str]) -> tuple[float, float]:
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "pipeline.cli", *words], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - clock, cpu


def _by_tune() -> float:
    """Milliseconds a trial that does nothing, on as many CPUs as ours had."""
    import ray
    from ray import tune

    def nothing(config: dict[str, Any]) -> None:
        tune.report({"seed": config["seed"]})

    ray.init("local", num_cpus=len(os.sched_getaffinity(0)), include_dashboard=False, log_to_driver=False)
    try:
        with tempfile.TemporaryDirectory() as folder:
            tuner = tune.Tuner(
                tune.with_resources(nothing, {"cpu": 1}),
                param_space={"seed": tune.grid_search(list(range(BY_TUNE)))},
                run_config=tune.RunConfig(storage_path=folder, verbose=0),
            )
            with mock.patch.dict(os.environ, {"RAY_AIR_NEW_OUTPUT": "0"}):
                clock = time.perf_counter()
                found = tuner.fit()
                seconds = time.perf_counter() - clock
        assert len(found) == BY_TUNE
        assert not found.num_errors
        return 1e3 * seconds / BY_TUNE
    finally:
        ray.shutdown()


def _in_new_processes() -> float:
    """Milliseconds a plain task that imports torch, each in a process of its own: Ray's default for GPUs."""
    import ray

    @ray.remote(num_cpus=1, max_calls=1)
    def task(seed: int) -> int:
        import torch

        return int(torch.tensor(seed))

    ray.init("local", num_cpus=len(os.sched_getaffinity(0)), include_dashboard=False, log_to_driver=False)
    try:
        clock = time.perf_counter()
        assert ray.get([task.remote(k) for k in range(IN_NEW_PROCESSES)]) == list(range(IN_NEW_PROCESSES))
        return 1e3 * (time.perf_counter() - clock) / IN_NEW_PROCESSES
    finally:
        ray.shutdown()


def _weak_scaling() -> Iterator[Figure]:
    """As many trials a node on more nodes: what share of the trials' own speed is reached."""
    real = real_trial()
    slow = sleeping(replaying(real), SLEEP)
    for nodes in NODES:
        seconds = _on_nodes(slow, nodes)
        ideal = PER_NODE * SLEEP / SLOTS
        case = f"{nodes} nodes of {SLOTS} slots, {PER_NODE} trials of {SLEEP:g} s each"
        yield Figure(NAME, case, "efficiency", "%", 100 * ideal / seconds, target=">= 95 %", load=load())


def _on_nodes(function: Callable[[Context, Cohort], Ended], nodes: int) -> float:
    """Seconds of the study, once every slot's worker has started."""
    import ray
    from ray.cluster_utils import Cluster

    settle(None)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=SLOTS, object_store_memory=100 * 2**20)
        ray.init(cluster.address, log_to_driver=False)
        _warm(nodes * SLOTS)
        clock = Clock()
        with tempfile.TemporaryDirectory() as runs, mock.patch.object(execute, "run_cohort", function):
            execute.run(_study(nodes * PER_NODE), runs, mirror=False, progress=clock)  # finds Ray joined
            return time.perf_counter() - clock.started
    finally:
        ray.shutdown()
        cluster.shutdown()


def _warm(slots: int) -> None:
    """Start a worker in every slot, with the pipeline imported: no task ends before all run."""
    import ray

    with tempfile.TemporaryDirectory() as folder:

        @ray.remote(num_cpus=1)
        def wait(k: int) -> None:
            import pipeline.engine.work  # noqa: F401

            Path(f"{folder}/{k}").touch()
            while len(os.listdir(folder)) < slots:
                time.sleep(0.1)

        ray.get([wait.remote(k) for k in range(slots)])
