"""Simulated studies of several variants: the frame that `statistics.decide` reads, quality beside support."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline.study import Study
from tests.reports import simulate, synthetic

OBJECTIVES = ["nonsaturating", "wgan_gp", "hinge", "lsgan"]


def study(variants: int = 4, seeds: int = 5, sizes: int = 2, **hypothesis: Any) -> Study:
    """Objectives compared at some sizes; keyword arguments change the hypothesis."""
    stated = {"name": "h", "outcome": "log_support", "predictor": "objective", "expect": "different"}
    vary = {
        "discriminator.width": [2, 8, 4, 16][:sizes],
        "objective.name": OBJECTIVES[:variants],
        "seed": {"count": seeds},
    }
    return synthetic.study(vary=vary, hypotheses=[stated | hypothesis])


def draw(
    study: Study,
    rng: np.random.Generator,
    *,
    effects: dict[Any, float] | None = None,
    slope: float = 0.0,
    sd: float = 0.5,
    seed_sd: float = 0.0,
    interaction: float = 0.0,
    quality: dict[Any, float] | None = None,
    quality_slope: float = 0.0,
    by_quality: float = 0.0,
    level: float = 6.0,
    samples: int = 4000,
    lost: float = 0.05,
) -> pd.DataFrame:
    """log N2 = level + slope * x + effect + by_quality * q + the seed's own, alone (seed_sd) and with
    the objective (interaction), + sd * normal, x being the centred log size, with q = quality + quality_slope * x + normal, precision = 0.6 + 0.05 q, log KID = -4 - 0.5 q.

    effects, quality: by objective or by seed.
    """
    planned = simulate.plan(study)
    n = len(planned)
    x = np.log(planned["discriminator_params"].to_numpy())
    x -= x.mean()
    q = quality_slope * x + _of(planned, quality) + rng.standard_normal(n)
    seeds = planned["seed"].map(dict(enumerate(seed_sd * rng.standard_normal(100)))).to_numpy()
    log_support = level + slope * x + _of(planned, effects) + by_quality * q + seeds
    pair = planned.groupby(["seed", "objective.name"]).ngroup().to_numpy()
    log_support += interaction * rng.standard_normal(n)[pair] + sd * rng.standard_normal(n)
    pairs = samples * (samples - 1) // 2
    counts = rng.poisson(np.minimum(pairs * np.exp(-log_support), pairs))
    columns = {"collisions": counts, "pairs": pairs, "precision": 0.6 + 0.05 * q, "kid": np.exp(-4 - 0.5 * q)}
    trials = planned.assign(**columns, kid_standard_error=1e-4, variant=planned["objective.name"])
    return trials[rng.random(n) >= lost]


def _of(planned: pd.DataFrame, effects: dict[Any, float] | None) -> np.ndarray:
    own = effects or {}
    return sum(planned[key].map(own).fillna(0.0).to_numpy(float) for key in ("objective.name", "seed"))
