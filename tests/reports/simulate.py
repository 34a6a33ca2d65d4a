"""Simulated studies: the frame that `statistics.decide` reads, drawn from a planted law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.study import Study
from reports.statistics.verdicts import Verdict, decide
from tests.reports import synthetic


def small_study() -> Study:
    """The fewest trials that a study should have: 4 sizes, 2 objectives, 2 seeds."""
    vary = {
        "discriminator.width": [2, 4, 8, 16],
        "objective.name": ["nonsaturating", "wgan_gp"],
        "seed": {"count": 2},
    }
    return synthetic.study(vary=vary, hypotheses=[synthetic.CAPACITY])


def seeded_study() -> Study:
    """Enough seeds to take them as clusters: 5 sizes, 2 objectives, 5 seeds."""
    vary = {
        "discriminator.width": [2, 4, 8, 16, 32],
        "objective.name": ["nonsaturating", "wgan_gp"],
        "seed": {"count": 5},
    }
    return synthetic.study(vary=vary, hypotheses=[synthetic.CAPACITY])


@dataclass(frozen=True)
class Law:
    """log N2 = level + slope (log params - its mean) + effects + sd * normal; `samples` images a trial are
    measured.

    unequal: how the standard deviation grows with the predictor, exp(unequal * standardised log params).
    seed_level, seed_slope: standard deviations of what all trials of a seed share, in log N2 and in the slope.
    plateau: log params, from their mean, beyond which there is no growth.
    """

    slope: float
    sd: float = 0.6
    level: float = 6.0
    samples: int = 4000
    unequal: float = 0.0
    lost: float = 0.08
    seed_level: float = 0.0
    seed_slope: float = 0.0
    plateau: float = np.inf


def plan(study: Study) -> pd.DataFrame:
    """The columns of a study's trials that no draw changes."""
    trials = study.trials()
    columns: dict[str, Any] = {key: [trial.flat()[key] for trial in trials] for key in study.axes()}
    columns |= {
        "discriminator_params": [float(synthetic.params(trial)) for trial in trials],
        "passes_gate": True,
    }
    columns |= {
        "objective.name": [t.objective.name for t in trials],
        "train_samples": [t.train_samples for t in trials],
    }
    return pd.DataFrame(columns)


def draw(planned: pd.DataFrame, law: Law, rng: np.random.Generator) -> pd.DataFrame:
    """One simulated study's completed trials."""
    params = planned["discriminator_params"].to_numpy()
    x = np.log(params) - np.log(params).mean()
    critic = (planned["objective.name"] == "wgan_gp").to_numpy()
    sd = law.sd * np.exp(law.unequal * x / x.std())
    seeds, seed = np.unique(planned["seed"], return_inverse=True)
    own = law.seed_level * rng.standard_normal(len(seeds))[seed]
    slope = law.slope + law.seed_slope * rng.standard_normal(len(seeds))[seed]
    log_support = law.level + slope * np.minimum(x, law.plateau) + 0.5 * critic + own
    log_support += sd * rng.standard_normal(len(planned))
    pairs = law.samples * (law.samples - 1) // 2
    counts = rng.poisson(np.minimum(pairs * np.exp(-log_support), pairs))
    done = rng.random(len(planned)) >= law.lost
    return planned.assign(collisions=counts, pairs=pairs)[done]


def frame(study: Study, law: Law, rng: np.random.Generator) -> pd.DataFrame:
    """A plan and one draw of it."""
    return draw(plan(study), law, rng)


def verdicts(study: Study, law: Law, studies: int, seed: int) -> list[Verdict]:
    """The study's first hypothesis decided on `studies` simulated studies."""
    rng, planned = np.random.default_rng(seed), plan(study)
    return [decide(study.hypotheses[0], study, draw(planned, law, rng)) for _ in range(studies)]


@dataclass(frozen=True)
class Measured:
    """Share of 95 % intervals that hold the planted slope, of supported verdicts, of slopes called
    near-linear, of trials without a collision.
    """

    coverage: float
    supported: float
    refuted: float
    near_linear: float
    undecided: float
    censored: float


def measure(study: Study, law: Law, studies: int, seed: int = 0) -> Measured:
    """Operating characteristics; studies whose slope could not be estimated count as `undecided` only."""
    found = verdicts(study, law, studies, seed)
    slopes = [v.slope for v in found if v.slope is not None]
    return Measured(
        coverage=float(np.mean([s.low <= law.slope <= s.high for s in slopes])),
        supported=sum(v.decision == "supported" for v in found) / studies,
        refuted=sum(v.decision == "refuted" for v in found) / studies,
        near_linear=sum(s.near_linear for s in slopes) / studies,
        undecided=1 - len(slopes) / studies,
        censored=sum(s.censored for s in slopes) / max(1, sum(s.trials for s in slopes)),
    )
