"""Generators and discriminators: structure only. Parameters live in trees (see `parameters.py`)."""

from __future__ import annotations

import torch
from torch import nn

from pipeline.networks.dcgan import DcganDiscriminator, DcganGenerator
from pipeline.networks.mlp import MlpDiscriminator, MlpGenerator
from pipeline.options import DiscriminatorOptions, GeneratorOptions

Shape = tuple[int, ...]

GENERATORS = {"dcgan": DcganGenerator, "mlp": MlpGenerator}
DISCRIMINATORS = {"dcgan": DcganDiscriminator, "mlp": MlpDiscriminator}


def generator(options: GeneratorOptions, sample_shape: Shape) -> nn.Module:
    """(b, latent_dim) float32 -> (b, *sample_shape) float32; images in [-1, 1].

    Built on the meta device: no memory, and no draw from torch's global random state.
    Raises ValueError where the network cannot make such samples.
    """
    with torch.device("meta"):
        return GENERATORS[options.name](options, sample_shape)


def discriminator(options: DiscriminatorOptions, sample_shape: Shape, *, per_sample: bool) -> nn.Module:
    """(b, *sample_shape) float32 -> (b,) logits or critic values.

    per_sample: the objective differentiates each sample's value on its own, so samples must not meet in a
    batch norm. Raises ValueError where the network cannot judge such samples.
    """
    with torch.device("meta"):
        return DISCRIMINATORS[options.name](options, sample_shape, per_sample=per_sample)
