"""Arora, Risteski & Zhang 2018, Do GANs learn the distribution? Some theory and empirics: what a collision
probability says about support, in both directions.

Both theorems speak of a subset of the items that carries mass rho, and take its items as equally likely. The
exponents below are the derived ones: of M samples about rho M belong to that subset, so that collisions go
with rho^2, and not with rho.
"""

from __future__ import annotations

import math


def collision_probability(samples: float, support: float, mass: float = 1.0) -> float:
    """How likely `samples` samples collide, if `mass` of the law lies evenly on `support` items and the rest
    never collides: 1 - exp(-M (M - 1) rho^2 / (2 N)), Theorem 1.

    It is approximate: within 0.011 of the exact probability from N = 365 on (0.5000 for 0.5073 at 23
    birthdays). Raises ValueError for fewer than one sample, a support of no items or a mass outside (0, 1].
    """
    _check(samples, mass)
    if not support > 0:
        raise ValueError(f"a support must be positive, not {support:g}")
    return -math.expm1(-samples * (samples - 1) * mass**2 / (2 * support))


def support_bound(samples: int, probability: float, mass: float = 1.0) -> float | None:
    """The most items on which mass rho can lie evenly, if M samples collide with the given probability
    gamma: Theorem 2,

        N <= 2 M rho^2 / ((-3 + sqrt(9 + (24 / M) ln(1 / (1 - gamma)))) - 2 M (1 - rho)^2).

    What is outside the subset collides with probability at most (1 - rho)^2 a pair, so p2 <= rho^2 / N +
    (1 - rho)^2, and no collision has probability about exp(-M^2 p2 / 2 - M^3 p2^2 / 6), to be solved for N.
    None where the bound is vacuous (denominator not positive): what is outside explains the collisions alone.
    With M = 400 and gamma = 1/2 that is so for any rho below 0.99706.

    It says nothing about laws that are not even on the subset, which collisions cannot tell from small
    supports: a 10 % atom over a million items collides 82 % of the time at M = 30, and rho = 1 then "bounds"
    the support by 275. With rho = 0.9, which describes that law, the bound is vacuous.

    The bound falls with gamma, so a lower confidence limit of gamma gives an upper one of the support.
    Raises ValueError unless M >= 1, 0 <= gamma < 1 and 0 < rho <= 1.
    """
    _check(samples, mass)
    if not 0 <= probability < 1:
        raise ValueError(f"a collision probability must lie in [0, 1), not {probability:g}")
    root = 24 / samples * -math.log1p(-probability)
    # -3 + sqrt(9 + root), without the cancellation.
    denominator = root / (3 + math.sqrt(9 + root)) - 2 * samples * (1 - mass) ** 2
    return 2 * samples * mass**2 / denominator if denominator > 0 else None


def _check(samples: float, mass: float) -> None:
    if not samples >= 1:
        raise ValueError(f"at least one sample is needed, not {samples:g}")
    if not 0 < mass <= 1:
        raise ValueError(f"a mass must lie in (0, 1], not {mass:g}")
