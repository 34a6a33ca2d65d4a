"""Data sets of images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.options.base import Options


class Digits(Options):
    """1,797 handwritten digits, 8x8 grey (UCI, shipped inside scikit-learn)."""

    name: Literal["digits"]


class Mnist(Options):
    """MNIST, 28x28 grey, 60,000 + 10,000, from IDX files."""

    name: Literal["mnist"]


class FashionMnist(Options):
    """Fashion-MNIST, 28x28 grey, 60,000 + 10,000, from IDX files."""

    name: Literal["fashion_mnist"]


class ImageFolder(Options):
    """Every image file under a folder, centre-cropped to a square and resized."""

    name: Literal["image_folder"]
    path: str
    size: Annotated[int, Field(ge=8, le=128, multiple_of=4)] = 32
    channels: Literal[1, 3] = 3
