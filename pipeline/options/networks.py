"""Generators and discriminators."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.options.base import Count, Options

Normalization = Literal["auto", "batch", "layer", "none"]


class DcganGenerator(Options):
    """Radford, Metz, Chintala 2016: transposed convolutions; `width` channels before the image, doubling
    inwards.
    """

    name: Literal["dcgan"]
    width: Count = 64
    latent_dim: Count = 100


class DcganDiscriminator(Options):
    """Radford, Metz, Chintala 2016: strided convolutions; `width` channels after the image, doubling inwards.

    `normalization: auto` is batch norm as published, and layer norm where the objective penalises per-sample
    gradients (Gulrajani et al. 2017, section 4).
    """

    name: Literal["dcgan"]
    width: Count = 64
    normalization: Normalization = "auto"


class MlpGenerator(Options):
    """Fully connected: `depth` hidden layers of `width` units."""

    name: Literal["mlp"]
    width: Count = 128
    depth: Count = 3
    latent_dim: Count = 2
    normalization: Literal["batch", "none"] = "none"


class MlpDiscriminator(Options):
    """Fully connected: `depth` hidden layers of `width` units."""

    name: Literal["mlp"]
    width: Count = 128
    depth: Count = 3


GeneratorOptions = Annotated[DcganGenerator | MlpGenerator, Field(discriminator="name")]
DiscriminatorOptions = Annotated[DcganDiscriminator | MlpDiscriminator, Field(discriminator="name")]
