"""What the players optimise."""

from __future__ import annotations

import ast
import math
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from pipeline.options.base import NonNegative, Options, Positive
from pipeline.options.expressions import ALLOWED, evaluate, parse

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Minimax(Options):
    """Goodfellow et al. 2014, equation 1: both players play V(D, G)."""

    name: Literal["minimax"]


class NonSaturating(Options):
    """Goodfellow et al. 2014, section 3: the generator maximises log D(G(z))."""

    name: Literal["nonsaturating"]


# Measuring functions with a name, as formulas in x = D(.).
MEASURING_FUNCTIONS = {"log": "log(x)", "identity": "x", "sqrt": "sqrt(x)"}


def _is_measuring_function(text: str) -> str:
    """A name or a formula whose function is finite, increasing and concave on (0, 1), checked on a grid.
    Raises PydanticCustomError.
    """
    try:
        reason = _refusal(parse(MEASURING_FUNCTIONS.get(text, text)))
    except ValueError as error:
        reason = str(error)
    if reason is None:
        return text
    allowed = f"{', '.join(MEASURING_FUNCTIONS)}, or a concave increasing formula of {ALLOWED}"
    raise PydanticCustomError(
        "measuring_function", "{reason}; allowed: {allowed}", {"reason": reason, "allowed": allowed}
    )


def _refusal(formula: ast.expr) -> str | None:
    """Why the formula is no measuring function."""
    try:
        values = [evaluate(formula, k / 100, vars(math)) for k in range(1, 100)]
    except (ArithmeticError, ValueError):  # ValueError: the logarithm or root of a negative number
        values = [math.nan]
    if not all(isinstance(value, float) and math.isfinite(value) for value in values):
        return "not a finite number everywhere in (0, 1)"
    slopes = [b - a for a, b in pairwise(values)]
    rounding = 1e-9 * max(map(abs, values))
    if min(slopes) <= rounding:
        return "not increasing on (0, 1)"
    if any(after > before + rounding for before, after in pairwise(slopes)):
        return "not concave on (0, 1)"
    return None


class MeasuringFunction(Options):
    """Arora, Ge, Liang, Ma, Zhang 2017, section 2: the payoff E phi(D(x)) + E phi(1 - D(G(z))), phi concave
    and increasing.

    `function`: `log` (which is minimax), `identity`, `sqrt`, or a formula in x, such as the paper's bounded
    logarithm `log(0.1 + 0.9 * x)`.
    """

    name: Literal["measuring_function"]
    function: Annotated[str, AfterValidator(_is_measuring_function)] = "log"


class LeastSquares(Options):
    """Mao et al. 2017, equation 2: D is drawn to `a` on generated and `b` on real samples, G draws it to `c`.
    The defaults are equation 9; a: -1, b: 1, c: 0 is equation 8, half the Pearson chi2 divergence.
    """

    name: Literal["lsgan"]
    a: Finite = 0.0
    b: Finite = 1.0
    c: Finite = 1.0


class RelativisticAverage(Options):
    """Jolicoeur-Martineau 2019, RaSGAN: is a sample more real than those of the other kind on average?"""

    name: Literal["relativistic_average"]


class WassersteinClip(Options):
    """Arjovsky, Chintala, Bottou 2017: a critic whose weights are clipped to [-clip, clip].

    `warm_up` is the authors' code: 100 critic steps before each of the first 25 generator steps and every
    500th.
    """

    name: Literal["wgan_clip"]
    clip: Positive = 0.01
    warm_up: bool = False


class WassersteinPenalty(Options):
    """Gulrajani et al. 2017, equation 3: a critic with a gradient penalty."""

    name: Literal["wgan_gp"]
    penalty: NonNegative = 10.0


class Hinge(Options):
    """Lim & Ye 2017; Miyato et al. 2018, equations 16-17."""

    name: Literal["hinge"]


ObjectiveOptions = Annotated[
    Minimax
    | NonSaturating
    | MeasuringFunction
    | LeastSquares
    | RelativisticAverage
    | WassersteinClip
    | WassersteinPenalty
    | Hinge,
    Field(discriminator="name"),
]

# --- regularisers, which go with any objective -----------------------------------------------------------


class Regularizers(Options):
    """What restrains the discriminator, beside its objective. Each is off at its default."""

    spectral_norm: bool = Field(
        default=False,
        description="Its layers divided by their largest singular values (Miyato et al. 2018).",
    )
    r1: NonNegative = Field(
        default=0.0,
        description="Weight gamma of gamma/2 E |grad D|^2 at real samples (Mescheder, Geiger, Nowozin 2018).",
    )
    dragan: NonNegative = Field(
        default=0.0,
        description="Weight of the gradient penalty around real samples (Kodali et al. 2017).",
    )
    instance_noise: NonNegative = Field(
        default=0.0,
        description="Standard deviation, falling linearly to 0, of Gaussian noise on all that the "
        "discriminator sees (Sønderby et al. 2017; Arjovsky & Bottou 2017).",
    )
