"""Simulated studies of several variants: the frame that `statistics.decide` reads, quality beside support."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline.study import Study
from tests.reports import simulate, synthetic

OBJECTIVES = ["nonsaturating", "wgan_gp", "hinge", "lsgan"]


def study(hypothesis: dict[str, Any], variants: int = 4, seeds: int = 5, sizes: int = 2) -> Study:
    vary = {
        "discriminator.width": [2, 8, 4, 16][:sizes],
        "objective.name": OBJECTIVES[:variants],
        "seed": {"count": seeds},
    }
    return synthetic.study(vary=vary, hypotheses=[{"name": "h", "outcome": "log_support"} | hypothesis])


def draw(
    planned: pd.DataFrame,
    rng: np.random.Generator,
    *,
    effects: dict[str, float] | None = None,
    slope: float = 0.5,
    sd: float = 0.5,
    seed_sd: float = 0.0,
    quality: dict[str, float] | None = None,
    by_quality: float = 0.0,
    level: float = 6.0,
    samples: int = 4000,
    lost: float = 0.05,
) -> pd.DataFrame:
    """log N2 = level + slope * log size + effects[objective] + by_quality * q + seed's + sd * normal, where
    precision = 0.6 + 0.05 q and log KID = -4 - 0.5 q, and q = quality[objective] + normal.
    """
    n = len(planned)
    params = np.log(planned["discriminator_params"].to_numpy())
    q = planned["objective.name"].map(quality or {}).fillna(0).to_numpy() + rng.standard_normal(n)
    own = dict(zip(sorted(set(planned["seed"])), seed_sd * rng.standard_normal(100), strict=False))
    log_support = level + slope * (params - params.mean()) + by_quality * q + sd * rng.standard_normal(n)
    log_support += planned["objective.name"].map(effects or {}).fillna(0).to_numpy()
    log_support += planned["seed"].map(own).to_numpy()
    pairs = samples * (samples - 1) // 2
    counts = rng.poisson(np.minimum(pairs * np.exp(-log_support), pairs))
    trials = planned.assign(
        collisions=counts,
        pairs=pairs,
        precision=0.6 + 0.05 * q,
        kid=np.exp(-4 - 0.5 * q),
        log_support=log_support,
    )
    return trials.assign(kid_standard_error=1e-4)[rng.random(n) >= lost]


def plan(study: Study) -> pd.DataFrame:
    return simulate.plan(study)
