"""Every data set a study may name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.options.images import (
    CelebA,
    Cifar10,
    Digits,
    FashionMnist,
    ImageArray,
    ImageFolder,
    Lsun,
    Mnist,
    ParquetImages,
)
from pipeline.options.synthetic import (
    Circle,
    EmbeddedGaussians,
    FiniteSupport,
    GaussianGrid,
    GaussianRing,
    InvertiblePushforward,
    StackedMnist,
    SwissRoll,
)

DatasetOptions = Annotated[
    Digits
    | Mnist
    | FashionMnist
    | Cifar10
    | CelebA
    | Lsun
    | ImageFolder
    | ImageArray
    | ParquetImages
    | GaussianRing
    | GaussianGrid
    | EmbeddedGaussians
    | Circle
    | SwissRoll
    | InvertiblePushforward
    | StackedMnist
    | FiniteSupport,
    Field(discriminator="name"),
]
