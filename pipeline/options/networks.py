"""Generators, discriminators and encoders. Width and depth are free on each side."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.options.base import Count, Options

Normalization = Literal["auto", "batch", "layer", "none"]
# Convolutions that halve or double the image, innermost first; None: as many as the image allows.
Depth = Annotated[int, Field(ge=1, le=12)] | None
# 4x4 kernels as in the PyTorch DCGAN, 5x5 as in the original and in DCGAN-tensorflow.
Kernel = Literal[4, 5]


class DcganGenerator(Options):
    """Radford, Metz, Chintala 2016: transposed convolutions; `width` channels before the image, doubling
    inwards. `depth` counts them; beyond what the image's size allows they keep it.
    """

    name: Literal["dcgan"]
    width: Count = 64
    latent_dim: Count = 100
    depth: Depth = None
    kernel: Kernel = 4


class DcganDiscriminator(Options):
    """Radford, Metz, Chintala 2016: strided convolutions; `width` channels after the image, doubling inwards.
    `depth` counts them; beyond what the image's size allows they keep it.

    `normalization: auto` is batch norm as published, and layer norm where the objective penalises per-sample
    gradients (Gulrajani et al. 2017, section 4).
    """

    name: Literal["dcgan"]
    width: Count = 64
    normalization: Normalization = "auto"
    depth: Depth = None
    kernel: Kernel = 4


class MlpGenerator(Options):
    """Fully connected: `depth` hidden layers of `width` units."""

    name: Literal["mlp"]
    width: Count = 128
    depth: Count = 3
    latent_dim: Count = 2
    normalization: Literal["batch", "none"] = "none"


class MlpDiscriminator(Options):
    """Fully connected: `depth` hidden layers of `width` units, leaky ReLU or maxout over five pieces (as in
    VEEGAN's and PacGAN's rings and grids).
    """

    name: Literal["mlp"]
    width: Count = 128
    depth: Count = 3
    activation: Literal["leaky_relu", "maxout"] = "leaky_relu"


class ResnetGenerator(Options):
    """Miyato et al. 2018, appendix B.4: residual blocks that double the image, all of `width` channels
    (32x32, table 4) or `width` next to the image, doubling inwards (48x48 and 128x128, tables 5 and 6, width
    64). `depth` counts blocks; beyond what the image's size allows they keep it.
    """

    name: Literal["resnet"]
    width: Count = 256
    latent_dim: Count = 128
    depth: Depth = None
    channels: Literal["constant", "doubling"] = "constant"


class ResnetDiscriminator(Options):
    """Miyato et al. 2018, appendix B.4: residual blocks that halve the image, then some that do not, without
    normalization; `width` and `channels` as for the generator. `depth` counts blocks; None: two of either
    kind (table 4), where channels double all that the size allows and one more (tables 5 and 6).
    """

    name: Literal["resnet"]
    width: Count = 128
    depth: Depth = None
    channels: Literal["constant", "doubling"] = "constant"


class DcganEncoder(Options):
    """The DCGAN discriminator's convolutions, with a vector as output."""

    name: Literal["dcgan"]
    width: Count = 64
    normalization: Literal["batch", "none"] = "batch"
    depth: Depth = None
    kernel: Kernel = 4


class MlpEncoder(Options):
    """Fully connected: `depth` hidden layers of `width` units, with a vector as output."""

    name: Literal["mlp"]
    width: Count = 128
    depth: Count = 3


GeneratorOptions = Annotated[DcganGenerator | MlpGenerator | ResnetGenerator, Field(discriminator="name")]
DiscriminatorOptions = Annotated[
    DcganDiscriminator | MlpDiscriminator | ResnetDiscriminator, Field(discriminator="name")
]
EncoderOptions = Annotated[DcganEncoder | MlpEncoder, Field(discriminator="name")]
