"""The same trials through the engine and through Ray Tune, which trains each by the plain PyTorch loop, on the same
cores.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import torch

from pipeline.engine.cohorts import Choice, packed
from pipeline.engine.engines import Task
from pipeline.engine.ray_settings import settle
from pipeline.networks.dcgan import halvings
from pipeline.study import ResourceOptions
from pipeline.training import BACK_ENDS, BackEnd, Member, exact_float32, train_cohort
from pipeline.training.feed import to_network
from pipeline.trial import TrialConfig
from tests.benchmarks.plain import Gan
from tests.benchmarks.timing import Figure, alternate, load, ratios
from tests.benchmarks.training import BATCH, Case, _samples, _trial

NAME = "sweep"
REPEATS, TRIALS = 3, 16
# Steps of a trial, and the back end that `birthday tune` finds for it on two CPU cores.
CASES = {
    Case(8, 1, 16, "nonsaturating", ()): (400, Choice(BACK_ENDS["stacked"], 8)),
    Case(32, 3, 16, "nonsaturating", ()): (60, Choice(BACK_ENDS["traced"], 4)),
}


def run() -> Iterator[Figure]:
    """Seconds for all trials, Ray already started for both."""
    settle(None)
    from pipeline.engine.ray_engine import RayEngine

    engine = RayEngine(ResourceOptions())
    try:
        for case, (steps, choice) in CASES.items():
            trials = [_trial(case, steps, seed) for seed in range(TRIALS)]
            samples = _samples(case)
            with tempfile.TemporaryDirectory() as folder:

                def ours(trials: list[TrialConfig] = trials, choice: Choice = choice) -> None:
                    _by_engine(engine, trials, choice, samples)  # noqa: B023 - called before the next case

                def tune(case: Case = case, steps: int = steps, folder: str = folder) -> None:
                    _by_tune(case, steps, folder)

                ours()
                times = alternate({"ours": ours, "tune": tune}, REPEATS)
            mine, theirs = times["ours"], times["tune"]
            yield Figure(
                NAME,
                f"{TRIALS} trials of {steps} steps, {case}, {choice.back_end.name} x {choice.size}",
                "all trials",
                "s",
                mine.median,
                "Ray Tune, plain PyTorch loop, 1 CPU a trial",
                theirs.median,
                **ratios(theirs.wall, mine.wall),
                target="1.5x",
                load=load(),
            )
    finally:
        engine.close()


def _by_engine(engine: Any, trials: list[TrialConfig], choice: Choice, samples: np.ndarray) -> None:
    cohorts = packed(trials, lambda _: choice, engine.slots, lambda _: 1.0)
    shared = engine.share(samples)
    tasks = [Task(c.trials[0].id, shared, (c.trials, c.back_end)) for c in cohorts]
    done = [d for batch in engine.run(trained, tasks) for d in batch]
    assert sum(d.value for d in done) == len(trials)


def trained(samples: np.ndarray, trials: tuple[TrialConfig, ...], back_end: BackEnd) -> int:
    """How many of them completed."""
    members = [Member(trial, np.arange(len(samples))) for trial in trials]
    with exact_float32(1):
        ends = train_cohort(members, samples, samples, torch.device("cpu"), None, back_end)
    return sum(end.status == "completed" for end in ends)


def _by_tune(case: Case, steps: int, folder: str) -> None:
    from ray import tune

    samples = _samples(case)

    def trainable(config: dict[str, Any]) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(config["seed"])
        data = to_network(torch.from_numpy(samples))
        gan = Gan(case.size, case.channels, case.width, case.latent_dim, halvings(case.size), case.objective)
        tune.report({"steps_per_second": gan.train(data, steps, BATCH)})

    quiet = {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
    with mock.patch.dict(os.environ, quiet):
        found = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            param_space={"seed": tune.grid_search(list(range(TRIALS)))},
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
    assert not found.num_errors
    assert len(found) == TRIALS
