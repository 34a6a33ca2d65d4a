"""Data sets whose law is known."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.options.base import Count, NonNegative, Options, Positive


class GaussianRing(Options):
    """Equal Gaussians on a circle (PacGAN, VEEGAN: 8 modes, radius 1, sd 0.01)."""

    name: Literal["gaussian_ring"]
    modes: Count = 8
    radius: Positive = 1.0
    std: Positive = 0.01
    size: Count = 100_000


class GaussianGrid(Options):
    """Equal Gaussians on a square grid centred on the origin (VEEGAN: 5x5, spacing 2, sd 0.05)."""

    name: Literal["gaussian_grid"]
    side: Count = 5
    spacing: Positive = 2.0
    std: Positive = 0.05
    size: Count = 100_000


class EmbeddedGaussians(Options):
    """Equal Gaussians of `intrinsic` dimensions in a space of more (VEEGAN: ten of 700 in 1,200)."""

    name: Literal["embedded_gaussians"]
    dimensions: Count = 1200
    intrinsic: Count = 700
    modes: Annotated[int, Field(ge=1, le=10)] = 10
    std: Positive = 1.0
    size: Count = 50_000

    @model_validator(mode="after")
    def _room_for_the_gaussians(self) -> EmbeddedGaussians:
        if self.intrinsic > self.dimensions:
            raise PydanticCustomError(
                "intrinsic",
                "intrinsic: {intrinsic}: must not exceed dimensions, {dimensions}",
                {"intrinsic": self.intrinsic, "dimensions": self.dimensions},
            )
        return self


class Circle(Options):
    """The uniform law on a circle in the plane (Bai, Ma, Risteski 2019, appendix F)."""

    name: Literal["circle"]
    radius: Positive = 1.0
    noise: NonNegative = 0.0
    size: Count = 100_000


class SwissRoll(Options):
    """A spiral in the plane (Bai, Ma, Risteski 2019, appendix F; size and noise of Gulrajani et al. 2017)."""

    name: Literal["swiss_roll"]
    noise: NonNegative = 0.25
    size: Count = 100_000


class InvertiblePushforward(Options):
    """N(0, I) through a random invertible network: its density is known (Bai, Ma, Risteski 2019, section 4).

    `condition` bounds the singular values of every weight matrix: they lie in [1 / condition, condition].
    """

    name: Literal["invertible_pushforward"]
    dimensions: Count = 10
    layers: Count = 3
    condition: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0
    network_seed: Annotated[int, Field(ge=0)] = 0
    size: Count = 100_000


class StackedMnist(Options):
    """Three random MNIST digits as the channels of an image: 1,000 modes (Metz et al. 2017; PacGAN).

    `side: 32` puts two black pixels around the 28x28 images.
    """

    name: Literal["stacked_mnist"]
    side: Literal[28, 32] = 28
    size: Count = 128_000


class UniformLaw(Options):
    """All images equally likely."""

    name: Literal["uniform"]


class ZipfLaw(Options):
    """The k-th image with probability proportional to k^-exponent."""

    name: Literal["zipf"]
    exponent: Positive = 1.0


class AtomLaw(Options):
    """The first image with this probability, the others equally likely."""

    name: Literal["atom"]
    mass: Annotated[float, Field(gt=0, lt=1)] = 0.1


class FiniteSupport(Options):
    """Draws, with replacement, from a law on a few images of a real set: the true support size is known.

    `jitter` is the standard deviation of the noise on every pixel of every draw, full intensity being 1.
    """

    name: Literal["finite_support"]
    of: Literal["digits", "mnist", "fashion_mnist", "cifar10"]
    images: Count = 1000
    law: Annotated[UniformLaw | ZipfLaw | AtomLaw, Field(discriminator="name")] = UniformLaw(name="uniform")
    jitter: NonNegative = 0.0
    size: Count = 50_000

    @model_validator(mode="after")
    def _others_than_the_atom(self) -> FiniteSupport:
        if isinstance(self.law, AtomLaw) and self.images < 2:
            raise PydanticCustomError(
                "atom_alone", "images: 1: an atom needs others beside it; allowed: 2 or more"
            )
        return self
