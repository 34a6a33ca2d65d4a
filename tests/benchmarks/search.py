"""What a search costs, and what it gains.

Overhead: suggestions whose trials take 50 ms each, from the first asked to the last told, against what the trials
take by themselves; and the time of a suggestion whose trial takes none, after many others.

Gain, on WGAN-GP and a ring of eight Gaussians whose learning rates may lie anywhere in four decades: TPE against
random choice at equal budget, and a median pruner against none. Searches of a repeat have the sampler's seed in
common. What each found is trained again on seeds that no search saw, so no score is the luckiest of many.
"""

from __future__ import annotations

import cProfile
import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from statistics import fmean, median, stdev
from typing import Any, NamedTuple
from unittest import mock

from scipy import stats

from pipeline import Study, load_run
from pipeline import run as carry_out
from pipeline.engine import execute
from pipeline.engine.cohorts import Cohort
from pipeline.engine.work import Context, Ended
from pipeline.search import search
from tests.benchmarks.overhead import STUDY, Clock, parts_of, replaying, sleeping
from tests.benchmarks.scale import real_trial
from tests.benchmarks.timing import Figure, load

NAME = "search"
SUGGESTIONS, SECONDS, PASSES = 200, 0.05, 3
MANY = (1000, 2000)
REPEATS, BUDGET = 30, 48
PRUNED_REPEATS, PRUNED_BUDGET, SEEDS = 10, 12, 4
FRESH = 6
RATE = {"type": "float", "low": 1e-5, "high": 1e-1, "log": True}
SPACE = {"training.generator_lr": RATE, "training.discriminator_lr": RATE}
# Functions of the driver's thread whose time is told apart, by file and name.
PARTS = {
    "asking": ("proposals.py", "ask"),
    "telling": ("hunt.py", "_step"),
    "committing": ("writer.py", "_commit"),
    "submitting tasks": ("ray_engine.py", "submit"),
    "waiting for workers": ("worker.py", "wait"),
    "fetching results": ("ray_engine.py", "_result"),
}
RING: dict[str, Any] = {
    "study": "ring",
    "question": "Which learning rates suit WGAN-GP on a ring of Gaussians?",
    "base": {
        "dataset": {"name": "gaussian_ring", "std": 0.1, "size": 4000},
        "generator": {"name": "mlp", "width": 32, "depth": 2, "latent_dim": 4},
        "discriminator": {"name": "mlp", "width": 32, "depth": 2},
        "objective": {"name": "wgan_gp", "penalty": 0.1},
        "train_samples": 2000,
        "training": {"steps": 300, "batch_size": 64, "betas": [0.5, 0.9], "ticks": 2},
    },
    "vary": {"seed": {"count": 1}},
    "measure": {"samples": 500, "quality_reference": 500, "tau": {"rule": "fixed", "value": 0.05}},
    "resources": {"back_end": "stacked"},
}


class Span(Clock):
    """Progress that also notes when the last suggestion was told."""

    def finish(self) -> None:
        self.seconds, self.cpu_seconds = time.perf_counter() - self.started, time.process_time() - self.cpu


class Found(NamedTuple):
    """fresh: mean score of the best settings on fresh seeds. steps: of training, in all trials of the search."""

    fresh: float
    steps: int


def run() -> Iterator[Figure]:
    """Overhead and growth; paired differences with their 95 % intervals; training saved."""
    yield from _overhead()
    yield from _growth()
    yield from _gain()


def _gain() -> Iterator[Figure]:
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), multiprocessing.get_context("spawn")) as pool:

        def paired(repeats: int, **searches: dict[str, Any]) -> list[list[Found]]:
            ended = [
                pool.map(_searched, repeat(name), repeat(options), range(repeats))
                for name, options in searches.items()
            ]
            return [list(found) for found in ended]

        common = {"trials": BUDGET, "parallel": 4, "ordered": True}
        tpe, chance = paired(
            REPEATS,
            tpe={**common, "sampler": {"name": "tpe"}},
            random={**common, "sampler": {"name": "random"}},
        )
        case = f"WGAN-GP on a ring, {BUDGET} suggestions, {REPEATS} repeats"
        yield from _compared(case, "random", tpe, chance, "")
        common |= {"trials": PRUNED_BUDGET, "seeds": SEEDS}
        pruned, whole = paired(
            PRUNED_REPEATS,
            median={**common, "pruner": {"name": "median", "startup_trials": 3}},
            none={**common, "pruner": {"name": "none"}},
        )
        case = f"median pruner, {PRUNED_BUDGET} suggestions of {SEEDS} seeds, {PRUNED_REPEATS} repeats"
        saved = 100 * (1 - sum(one.steps for one in pruned) / sum(one.steps for one in whole))
        yield Figure(NAME, case, "training steps saved", "%", saved, target=">= 30 %", load=load())
        yield from _compared(case, "no pruner", pruned, whole, "interval reaches 0")


def _overhead() -> Iterator[Figure]:
    slots = len(os.sched_getaffinity(0))
    ideal = SUGGESTIONS * SECONDS / slots
    study, function = _digits(SUGGESTIONS), sleeping(replaying(real_trial()), SECONDS)
    case = f"{SUGGESTIONS} suggestions of {1e3 * SECONDS:.0f} ms on {slots} slots"
    with execute.started("ray", study.resources, None):  # the searches below find Ray started
        _timed(_digits(20), function, "ray")  # its workers import torch
        spans = [_timed(study, function, "ray") for _ in range(PASSES)]
        profile = cProfile.Profile()
        _timed(study, function, "ray", profile)
    seconds = [span.seconds for span in spans]
    yield Figure(
        NAME, case, "first asked to last told", "s", median(seconds), "the trials alone", ideal,
        target="<= 1.15 times", load=load(),
    )  # fmt: skip
    for quantity, value in (("times the ideal, median", median), ("the least", min), ("the most", max)):
        yield Figure(NAME, case, quantity, "", value(seconds) / ideal, load=load())
    cpu = 1e3 * median(span.cpu_seconds for span in spans) / SUGGESTIONS
    yield Figure(NAME, case, "driver's CPU time, a suggestion", "ms", cpu, load=load())
    for part, milliseconds in parts_of(profile, PARTS, SUGGESTIONS).items():
        yield Figure(NAME, case, f"driver under a profiler: {part}", "ms", milliseconds, load=load())


def _growth() -> Iterator[Figure]:
    nothing = replaying(real_trial())
    for count in MANY:
        span = _timed(_digits(count), nothing, "inline")
        for quantity, seconds in (("wall", span.seconds), ("CPU", span.cpu_seconds)):
            case = f"{count:,} suggestions that take no time, inline"
            yield Figure(NAME, case, f"a suggestion: {quantity}", "ms", 1e3 * seconds / count, load=load())


def _digits(suggestions: int) -> Study:
    # Eight for each slot: while some train, others are asked, and those that end meanwhile are committed together.
    options = {"space": SPACE, "objective": {"metric": "kid"}, "trials": suggestions, "parallel": 16}
    resources = {"back_end": "reference"}
    return Study.parse({**STUDY, "vary": {"seed": {"count": 1}}, "search": options, "resources": resources})


def _timed(
    study: Study,
    function: Callable[[Context, Cohort], Ended],
    engine: str,
    profile: cProfile.Profile | None = None,
) -> Span:
    span = Span()
    with tempfile.TemporaryDirectory() as runs, mock.patch.object(execute, "run_cohort", function):
        if profile:
            profile.enable()
        found = search(study, runs, engine=engine, mirror=False, progress=span)
        if profile:
            profile.disable()
    assert study.search is not None
    assert [one.state for one in found.suggestions] == ["complete"] * study.search.trials
    return span


def _searched(name: str, options: dict[str, Any], seed: int) -> Found:
    """One search of the ring, in this process, and its best settings on fresh seeds."""
    sampler = {**options.get("sampler", {"name": "tpe"}), "seed": seed}
    objective = {"metric": "precision_recall_f"}
    of = {"space": SPACE, "objective": objective, "fresh_seeds": FRESH, **options, "sampler": sampler}
    study = Study.parse({**RING, "study": f"ring-{name}-{seed}", "search": of})
    with tempfile.TemporaryDirectory() as runs:
        found = search(study, runs, engine="inline", mirror=False)
        best = Study.load(found.best_study)
        carry_out(best, runs, engine="inline", mirror=False)
        steps = load_run(f"{runs}/{study.study}-search").table("trials")["steps_done"].sum()
        quality = load_run(f"{runs}/{best.study}").table("quality")
    rows = quality[quality["source"] == "generated"]
    # A trial that failed has no row, and counts as 0.
    both = 2 * rows["precision"] * rows["recall"] / (rows["precision"] + rows["recall"])
    return Found(float(both.fillna(0).sum()) / FRESH, int(steps))


def _compared(
    case: str, peer: str, ours: Sequence[Found], theirs: Sequence[Found], target: str
) -> Iterator[Figure]:
    """Mean scores; the mean paired difference with Student's 95 % interval; who won."""
    a, b = [one.fresh for one in ours], [one.fresh for one in theirs]
    yield Figure(NAME, case, "F on fresh seeds, mean", "", fmean(a), peer, fmean(b), load=load())
    each = [x - y for x, y in zip(a, b, strict=True)]
    half = float(stats.t.ppf(0.975, len(each) - 1)) * stdev(each) / math.sqrt(len(each))
    for quantity, value in (
        ("difference, paired mean", fmean(each)),
        ("difference, 95 % interval from", fmean(each) - half),
        ("difference, 95 % interval to", fmean(each) + half),
    ):
        yield Figure(NAME, case, quantity, "", value, target=target, load=load())
    won = 100 * fmean((x > 0) + (x == 0) / 2 for x in each)
    yield Figure(NAME, case, "repeats won", "%", won, load=load())
