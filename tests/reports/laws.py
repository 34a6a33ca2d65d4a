"""Rows drawn from laws whose N2 is known at every tau: P(two samples within tau) is a power of tau, with an atom.

p2(tau) = 1 / atoms + (1 - 1 / atoms) * (tau / TAU)^DIMENSION / n2, at most 1: a finite support of `atoms`
equally likely images (0: none) over a continuum of correlation dimension DIMENSION.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from pipeline.study import Study
from pipeline.study_options import RealQuantile

Row = dict[str, Any]
TAU, DIMENSION, REAL_N2 = 1.5, 8, 1000.0
# People call pairs at distance d duplicates with probability 1 / (1 + (d / HALF)^STEEPNESS).
HALF, STEEPNESS = 1.2, 10


class Law(NamedTuple):
    """n2: at TAU, of the continuum; atoms: size of the finite support, 0 for none."""

    n2: float
    atoms: int = 0

    def p2(self, tau: Any) -> Any:
        exact = 1 / self.atoms if self.atoms else 0.0
        return exact + (1 - exact) * np.minimum(1.0, (np.asarray(tau) / TAU) ** DIMENSION / self.n2)


def taus(study: Study, ladder: bool = True) -> dict[str, float]:
    """Rule -> tau; a quantile q of real pairs, whose N2 at TAU is 1000, lies where their p2 is q."""
    own = study.measure.tau
    rules = [own] if isinstance(own, RealQuantile) else []
    rules += [RealQuantile(rule="real_quantile", quantile=q) for q in study.measure.tau_ladder if ladder]
    first = {} if rules[:1] == [own] else {study.measure.tau_rule(): TAU}
    return first | {rule.name(): TAU * (rule.quantile * REAL_N2) ** (1 / DIMENSION) for rule in rules}


def collision_rows(rules: dict[str, float], law: Law, samples: int, rng: np.random.Generator) -> list[Row]:
    """Poisson counts of collisions that grow with tau, as those of one set of samples do."""
    pairs = samples * (samples - 1) // 2
    rows, count, before = {}, 0, 0.0
    for rule, tau in sorted(rules.items(), key=lambda item: item[1]):
        p2 = float(law.p2(tau))
        count = min(count + int(rng.poisson(pairs * (p2 - before))), pairs)
        rows[rule] = {"tau_rule": rule, "tau": tau, "samples": samples} | measured(count, pairs)
        before = p2
    return [rows[rule] for rule in rules]


def measured(count: int, pairs: int) -> Row:
    """A count of collisions with a Poisson-like interval."""
    return {
        "pairs": pairs,
        "collisions": count,
        "p2": count / pairs,
        "n2": pairs / count if count else None,
        "n2_low": pairs / (count + 2 * np.sqrt(count) + 3.7),
        "n2_high": pairs / (count - 2 * np.sqrt(count)) if count > 5 else None,
        "method": "poisson" if count else "lower_bound",
        "clusters": min(count, 9),
        "largest_cluster_mass": 0.01,
        "n2_without_largest": pairs / count * 1.1 if count else None,
    }


def histogram_rows(law: Law, samples: int) -> list[Row]:
    """All pairs at the law's own shares, in the bins of the store: 16 to each doubling of the square."""
    edges = np.sqrt(2.0 ** np.repeat(np.arange(-4, 8), 16) * np.tile(1 + np.arange(16) / 16, 12))
    pairs = samples * (samples - 1) // 2
    below = np.rint(pairs * law.p2(edges)).astype(int)
    counts = np.diff(below, prepend=0, append=pairs)
    low, high = np.concatenate([[0.0], edges]), np.concatenate([edges, [2 * edges[-1]]])
    return [
        {"samples": samples, "low": a, "high": b, "count": int(n), "exact_below": 1.6, "resolution": 0.02}
        for a, b, n in zip(low, high, counts, strict=True)
        if n
    ]


def batch_rows(rule: str, tau: float, law: Law, samples: int, rng: np.random.Generator) -> list[Row]:
    """How many of the disjoint batches of each size collided."""
    rows = []
    for size in (10, 20, 40, 80, 160):
        p = 1 - math.exp(-size * (size - 1) / 2 * float(law.p2(tau)))
        batches = samples // size
        collided = int(rng.binomial(batches, p))
        share, half = collided / batches, 1 / math.sqrt(batches)
        row = {"tau_rule": rule, "tau": tau, "samples": samples, "batch_size": size, "batches": batches}
        row |= {"collided": collided, "low": max(share - half, 0), "high": min(share + half, 1)}
        rows.append(row | {"predicted": p})
    return rows


def estimate_rows(rule: str, tau: float, law: Law, samples: int) -> list[Row]:
    """What each estimator would say of the law."""
    n2 = 1 / float(law.p2(tau))
    s = (1 + math.sqrt(1 + 8 * n2 * math.log(2))) / 2
    values = {
        "chao1": 3 * n2,
        "unseen_mass": math.exp(-samples / n2),
        "hill_1": 1.5 * n2,
        "hill_2": n2,
        "soft_n2": 0.8 * n2,
        "half_collision": s,
        "paper_support": s**2,
        "calibrated_support": s * (s - 1) / (2 * math.log(2)),
        "arz_bound": 1.2 * n2,
        "n2_precise": 0.9 * n2,
        "n2_low_any_law": 0.5 * n2,
    }
    rows = [
        {"tau_rule": rule, "tau": tau, "samples": samples, "estimator": name, "value": value}
        for name, value in values.items()
    ]
    bounded = {"chao1", "hill_1", "soft_n2", "half_collision", "n2_precise"}
    return [
        r | {"low": 0.8 * r["value"], "high": 1.3 * r["value"]} if r["estimator"] in bounded else r
        for r in rows
    ]


def duplicate_to_people(distance: Any) -> Any:
    return 1 / (1 + (np.asarray(distance) / HALF) ** STEEPNESS)


def human_n2(law: Law) -> float:
    """1 / the share of all pairs that people call duplicates, of a law without atoms: its mean over pairs
    sorted by distance.
    """
    share = (np.arange(2_000_000) + 0.5) / 2_000_000
    # Finer where duplicates are: share = u^4 has density 4 u^3.
    distance = TAU * (share**4 * law.n2) ** (1 / DIMENSION)
    return 1 / float(np.mean(duplicate_to_people(distance) * 4 * share**3))


def label_rows(law: Law, samples: int, rng: np.random.Generator, drawn: int = 12) -> list[Row]:
    """Two raters on `drawn` pairs of each stratum of a law without atoms; neither knows what the other said."""
    pairs = samples * (samples - 1) // 2
    edges = [0, 20, 60, 200, 600, 2000, pairs // 50, pairs]
    rows = []
    for k, (low, high) in enumerate(itertools.pairwise(edges)):
        count = min(drawn, high - low)
        shares = rng.uniform(low / pairs, high / pairs, count)
        for n, distance in enumerate(TAU * (shares * law.n2) ** (1 / DIMENSION)):
            for rater in ("ada", "emmy"):
                said = "duplicate" if rng.random() < duplicate_to_people(distance) else "different"
                row = {"first": 1000 * k + n, "second": 9000, "distance": float(distance), "stratum": k}
                row |= {"stratum_pairs": high - low, "stratum_drawn": count, "rater": rater, "label": said}
                rows.append(row)
    return rows
