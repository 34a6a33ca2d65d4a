"""What the players optimise."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.options.base import NonNegative, Options, Positive


class Minimax(Options):
    """Goodfellow et al. 2014, equation 1: both players play V(D, G)."""

    name: Literal["minimax"]


class NonSaturating(Options):
    """Goodfellow et al. 2014, section 3: the generator maximises log D(G(z))."""

    name: Literal["nonsaturating"]


class WassersteinClip(Options):
    """Arjovsky, Chintala, Bottou 2017: a critic whose weights are clipped to [-clip, clip]."""

    name: Literal["wgan_clip"]
    clip: Positive = 0.01


class WassersteinPenalty(Options):
    """Gulrajani et al. 2017, equation 3: a critic with a gradient penalty."""

    name: Literal["wgan_gp"]
    penalty: NonNegative = 10.0


class Hinge(Options):
    """Lim & Ye 2017; Miyato et al. 2018, equations 16-17."""

    name: Literal["hinge"]


ObjectiveOptions = Annotated[
    Minimax | NonSaturating | WassersteinClip | WassersteinPenalty | Hinge, Field(discriminator="name")
]

# --- regularisers, which go with any objective -----------------------------------------------------------


class Regularizers(Options):
    """What restrains the discriminator, beside its objective. Each is off at its default.

    spectral_norm: its layers divided by their largest singular values (Miyato et al. 2018). r1: weight
    gamma/2 of the squared gradient at real samples (Mescheder, Geiger, Nowozin 2018). dragan: weight of the
    gradient penalty around real samples (Kodali et al. 2017). instance_noise: standard deviation, falling
    linearly to 0, of Gaussian noise on all that the discriminator sees (Sønderby et al. 2017; Arjovsky &
    Bottou 2017).
    """

    spectral_norm: bool = False
    r1: NonNegative = 0.0
    dragan: NonNegative = 0.0
    instance_noise: NonNegative = 0.0
