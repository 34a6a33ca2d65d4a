"""Every data set a study may name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.options.images import Digits, FashionMnist, ImageFolder, Mnist
from pipeline.options.synthetic import GaussianGrid, GaussianRing

DatasetOptions = Annotated[
    Digits | Mnist | FashionMnist | ImageFolder | GaussianRing | GaussianGrid, Field(discriminator="name")
]
