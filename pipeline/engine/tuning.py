"""Which back end is fastest for a shape of trial, measured on a worker and kept beside the runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from pipeline.engine.cohorts import Choice, Shape, by_shape
from pipeline.engine.cost import predicted_seconds
from pipeline.engine.engines import Engine, Task
from pipeline.engine.work import Context, device_name, device_of, measuring_seconds
from pipeline.errors import InputError
from pipeline.store.run import Run
from pipeline.study import ResourceOptions
from pipeline.training import (
    BACK_ENDS,
    REFERENCE,
    BackEnd,
    Member,
    available,
    exact_float32,
    forget_peak_memory,
    peak_memory_bytes,
    train_cohort,
)
from pipeline.trial import TrialConfig, content_hash

# Predicted seconds of training, all trials of a shape together, from which measuring pays for itself; and
# from which compiling, which takes half a minute in every process, might.
WORTH_MEASURING, WORTH_COMPILING = 20.0, 7200.0
SIZES = {"cpu": (4, 8), "cuda": (4, 16, 64)}
DEFAULT_SIZE = {"cpu": 8, "cuda": 64}
# Steps that one probe trains, twice; the second time counts.
STEPS = 20
# Another back end than the reference must win by more than a busy machine's noise.
MARGIN = 1.1
# Share of a slot's memory that a cohort may take: the rest is for fragments and libraries.
ROOM = 0.8


class Timing(NamedTuple):
    """Steps per second of all members together, or why there are none. memory_bytes: at the peak of training,
    of the process on a CPU and of what is allocated on a GPU.
    """

    back_end: str
    size: int
    steps_per_second: float | None
    error: str | None = None
    memory_bytes: int | None = None


class Probed(NamedTuple):
    """What a worker measured of a shape. measure_seconds: of measuring one trial; None where it failed."""

    timings: list[Timing]
    measure_seconds: float | None


class Tuned(NamedTuple):
    """What was measured for a shape: the device, every timing, the choice, and measuring a trial."""

    device: str
    timings: list[Timing]
    choice: Choice
    measure_seconds: float | None = None

    def seconds(self, steps: int) -> float | None:
        """What one trial of so many steps takes, trained as chosen and measured; None where it is unknown."""
        name, size = self.choice.back_end.name, self.choice.size
        speeds = [t.steps_per_second for t in self.timings if (t.back_end, t.size) == (name, size)]
        if not speeds or speeds[0] is None or self.measure_seconds is None:
            return None
        return steps / speeds[0] + self.measure_seconds


def choices(
    trials: Sequence[TrialConfig],
    contexts: Mapping[str, Context],
    resources: ResourceOptions,
    worker: Engine,
    target: Run,
    *,
    everything: bool = False,
) -> dict[Shape, Tuned | Choice]:
    """Of each shape among the trials how to train it: as the study says, or as measured now or before.

    everything: measure also what is not worth it, again, and with every back end.
    """
    device = device_of(resources)
    size = resources.cohort or DEFAULT_SIZE[device]
    if resources.back_end != "auto" and not everything:
        return {shape: Choice(BACK_ENDS[resources.back_end], size) for shape in by_shape(trials)}
    found: dict[Shape, Tuned | Choice] = {}
    waiting: dict[str, tuple[Shape, Context, tuple[Any, ...]]] = {}
    label: str | None = None
    for shape, alike in by_shape(trials).items():
        context = contexts[shape[0]]
        seconds = len(alike) * predicted_seconds(alike[0], context.data.sample_shape)
        if not everything and seconds < WORTH_MEASURING:
            found[shape] = Choice(REFERENCE, 1)
            continue
        if label is None:
            label = _label(worker, device, context.threads)
        key = choice_key(shape, label, resources)
        kept = None if everything else _kept(target, key)
        if kept is not None:
            found[shape] = kept
        else:
            compiling = everything or seconds >= WORTH_COMPILING
            candidates = _candidates(device, len(alike), resources.cohort, compiling)
            waiting[key] = (shape, context, (alike[0], candidates, resources))
    shared = {shape[0]: worker.share(context) for shape, context, _ in waiting.values()}
    tasks = [Task(key, shared[shape[0]], arguments) for key, (shape, _, arguments) in waiting.items()]
    for batch in worker.run(probe, tasks):
        for done in batch:
            timings, measuring = done.value or ([Timing(REFERENCE.name, 1, None, done.reason)], None)
            tuned = Tuned(label or "", timings, _best(timings), measuring)
            if not done.lost:  # a worker's death says nothing for later runs
                target.save_choice(done.task.key, _written(tuned))
            found[waiting[done.task.key][0]] = tuned
    return found


def probe(
    context: Context,
    trial: TrialConfig,
    candidates: Sequence[tuple[BackEnd, int]],
    resources: ResourceOptions,
) -> Probed:
    """Time every candidate on the trial's shape, and measuring. What a back end cannot train, or not within
    the memory of a slot, has no time.
    """
    room = _room(torch.device(context.device), resources)
    timings: list[Timing] = []
    for back_end, size in candidates:
        timing = _timed(context, trial, back_end, size)
        if timing.memory_bytes and timing.memory_bytes > room:
            needs, has = timing.memory_bytes / 2**30, room / 2**30
            error = f"needs {needs:.2g} GiB, a task's share here is {has:.2g} GiB"
            timing = timing._replace(steps_per_second=None, error=error)
        timings.append(timing)
    try:
        with exact_float32(context.threads):
            measuring = measuring_seconds(context, trial)
    except Exception:  # its trials will say so themselves
        return Probed(timings, None)
    return Probed(timings, measuring)


def _room(device: torch.device, resources: ResourceOptions) -> float:
    """Bytes that one task may use, so that as many as Ray places side by side fit the machine."""
    if device.type == "cuda":
        return ROOM * torch.cuda.get_device_properties(device).total_memory * min(1.0, resources.gpus)
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return ROOM * whole * min(1.0, resources.cpus / (os.cpu_count() or 1))


def _timed(context: Context, trial: TrialConfig, back_end: BackEnd, size: int) -> Timing:
    options = trial.training.model_copy(update={"steps": STEPS, "ticks": 1})
    short = trial.model_copy(update={"training": options})
    data, device = context.data, torch.device(context.device)
    rows = data.subset(trial.train_samples, trial.seed)
    members = [Member(short.model_copy(update={"seed": trial.seed + k}), rows) for k in range(size)]

    def seconds() -> float:
        ends = train_cohort(members, data.train, data.held_out, device, data.train_labels, back_end)
        return sum(end.seconds for end in ends)

    try:
        with exact_float32(context.threads):
            forget_peak_memory(device)
            seconds()
            speed = size * STEPS / seconds()
            return Timing(back_end.name, size, speed, memory_bytes=peak_memory_bytes(device))
    except Exception as error:  # one that cannot train this shape is no candidate
        return Timing(back_end.name, size, None, f"{type(error).__name__}: {error}".splitlines()[0][:200])


def _candidates(device: str, trials: int, most: int | None, compiling: bool) -> list[tuple[BackEnd, int]]:
    sizes = [size for size in SIZES[device] if size <= min(trials, most or trials)]
    return [
        (back_end, size)
        for back_end in available(device)
        if compiling or not back_end.compiled
        for size in ([1] if not (back_end.stacked or back_end.captured) else [*sizes])
    ]


def _best(timings: Sequence[Timing]) -> Choice:
    speeds = {(t.back_end, t.size): t.steps_per_second or 0.0 for t in timings}
    slowest = speeds.get((REFERENCE.name, 1), 0.0)
    name, size = max(speeds, key=lambda key: speeds[key])
    if speeds[name, size] <= MARGIN * slowest:
        return Choice(REFERENCE, 1)
    return Choice(BACK_ENDS[name], size)


def _label(worker: Engine, device: str, threads: int) -> str:
    """What the measurement holds for: the workers' device and the libraries that decide its speed."""
    for batch in worker.run(_described, [Task("device", device, (threads,))]):
        for done in batch:
            if done.lost:
                raise InputError(f"no worker could be asked for its device: {done.reason}")
            return str(done.value)
    raise AssertionError("an engine ends every task")


def _described(device: str, threads: int) -> str:
    processor = torch.backends.cpu.get_cpu_capability() if device == "cpu" else ""
    return " ".join([device_name(device, threads), processor, f"torch {torch.__version__}"])


def _kept(target: Run, key: str) -> Tuned | None:
    try:
        content = json.loads(target.choice(key))
        timings = [Timing(**timing) for timing in content["timings"]]
        return Tuned(content["device"], timings, _best(timings), content["measure_seconds"])
    except (OSError, ValueError, KeyError, TypeError):  # never measured, or by another version
        return None


def _written(tuned: Tuned) -> bytes:
    content: dict[str, Any] = {
        "device": tuned.device,
        "timings": [timing._asdict() for timing in tuned.timings],
        "measure_seconds": tuned.measure_seconds,
    }
    return json.dumps(content, indent=1).encode()


def choice_key(shape: Shape, label: str, resources: ResourceOptions) -> str:
    """Names what was measured for a shape on such workers, with such a share of them."""
    return content_hash([shape, label, resources.cpus, resources.gpus])


def choice_of(found: Tuned | Choice) -> Choice:
    """The choice itself."""
    return found.choice if isinstance(found, Tuned) else found


def table(found: Mapping[Shape, Tuned], trials: Sequence[TrialConfig]) -> Iterator[tuple[str, ...]]:
    """Rows of what `birthday tune` prints: shape, trials, back end, trials at once, steps a second, speed-up
    over the reference, and whether it was chosen.
    """
    alike = by_shape(trials)
    for shape, tuned in found.items():
        first = alike[shape][0]
        reference = next((t.steps_per_second for t in tuned.timings if t.back_end == REFERENCE.name), None)
        for k, timing in enumerate(tuned.timings):
            name = describe(first) if k == 0 else ""
            count = str(len(alike[shape])) if k == 0 else ""
            speed, ratio = timing.error or "", ""
            if timing.steps_per_second is not None:
                speed = f"{timing.steps_per_second:.4g}"
                ratio = f"{timing.steps_per_second / reference:.2f}" if reference else ""
            chosen = (timing.back_end, timing.size) == (tuned.choice.back_end.name, tuned.choice.size)
            yield name, count, timing.back_end, str(timing.size), speed, ratio, "*" if chosen else ""


def describe(trial: TrialConfig) -> str:
    """A trial's shape in a few words."""
    parts = [trial.dataset.name, trial.variant]
    for side, part in (("G", trial.generator), ("D", trial.discriminator)):
        if part is not None:
            parts.append(f"{side} {part.name} {part.width}")
    return ", ".join(parts)
