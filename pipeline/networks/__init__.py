"""Generators, discriminators and encoders: structure only. Parameters live in trees (see `parameters.py`)."""

from __future__ import annotations

import torch
from torch import nn

from pipeline.networks.dcgan import DcganDiscriminator, DcganEncoder, DcganGenerator
from pipeline.networks.mlp import MlpDiscriminator, MlpEncoder, MlpGenerator
from pipeline.networks.resnet import ResnetDiscriminator, ResnetGenerator
from pipeline.options import DiscriminatorOptions, EncoderOptions, GeneratorOptions

Shape = tuple[int, ...]

GENERATORS = {"dcgan": DcganGenerator, "mlp": MlpGenerator, "resnet": ResnetGenerator}
DISCRIMINATORS = {"dcgan": DcganDiscriminator, "mlp": MlpDiscriminator, "resnet": ResnetDiscriminator}
ENCODERS = {"dcgan": DcganEncoder, "mlp": MlpEncoder}


def generator(options: GeneratorOptions | None, sample_shape: Shape, inputs: int | None = None) -> nn.Module:
    """(b, inputs) float32 -> (b, *sample_shape) float32; images in [-1, 1]. inputs: latent_dim unless given.

    Built on the meta device: no memory, and no draw from torch's global random state.
    Raises ValueError where the network cannot make such samples.
    """
    assert options is not None  # a system that asks has one
    with torch.device("meta"):
        return GENERATORS[options.name](options, sample_shape, inputs or options.latent_dim)


def discriminator(
    options: DiscriminatorOptions | None,
    sample_shape: Shape,
    *,
    per_sample: bool,
    spectral_norm: bool = False,
) -> nn.Module:
    """(b, *sample_shape) float32 -> (b,) logits or critic values; `.features`: (b, `.feature_count`).

    per_sample: the objective differentiates each sample's value on its own, so samples must not meet in a
    batch norm. spectral_norm: it will be normalised by its weights, so `normalization: auto` adds nothing.
    Raises ValueError where the network cannot judge such samples.
    """
    assert options is not None
    if spectral_norm and getattr(options, "normalization", None) == "auto":
        options = options.model_copy(update={"normalization": "none"})
    with torch.device("meta"):
        return DISCRIMINATORS[options.name](options, sample_shape, per_sample=per_sample)


def encoder(options: EncoderOptions, sample_shape: Shape, outputs: int) -> nn.Module:
    """(b, *sample_shape) float32 -> (b, outputs). Raises ValueError where the network cannot take them."""
    with torch.device("meta"):
        return ENCODERS[options.name](options, sample_shape, outputs)
