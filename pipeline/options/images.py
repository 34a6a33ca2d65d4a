"""Data sets of images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.options.base import Count, Options

Side = Annotated[int, Field(ge=8, le=128, multiple_of=4)]


class Digits(Options):
    """1,797 handwritten digits, 8x8 grey (Alpaydin & Kaynak 1998, UCI; shipped inside scikit-learn)."""

    name: Literal["digits"]


class Mnist(Options):
    """MNIST, 28x28 grey, 60,000 + 10,000, from IDX files (LeCun et al. 1998)."""

    name: Literal["mnist"]


class FashionMnist(Options):
    """Fashion-MNIST, 28x28 grey, 60,000 + 10,000, from IDX files (Xiao et al. 2017)."""

    name: Literal["fashion_mnist"]


class ImageFolder(Options):
    """Every image file under a folder, centre-cropped to a square and resized."""

    name: Literal["image_folder"]
    path: str
    size: Side = 32
    channels: Literal[1, 3] = 3


class Cifar10(Options):
    """CIFAR-10, 32x32 colour, 50,000 + 10,000 in ten classes (Krizhevsky 2009); `only` keeps one of them."""

    name: Literal["cifar10"]
    only: (
        Literal["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
        | None
    ) = None


class CelebA(Options):
    """CelebA, 202,599 faces (Liu, Luo, Wang, Tang 2015).

    `images: aligned` are the published 178x218 photographs, of which the central `crop` is kept; `aligned64`
    and `crop64` are 64x64 sheets. All show the same people, so a split is only ever inside one of them.
    """

    name: Literal["celeba"]
    images: Literal["aligned", "aligned64", "crop64"] = "aligned"
    crop: Annotated[int, Field(ge=8, le=178)] = 108
    size: Side = 64


class Lsun(Options):
    """One scene of LSUN, e.g. 3,033,042 bedrooms (Yu et al. 2015): an LMDB folder, or a folder of images."""

    name: Literal["lsun"]
    category: Literal[
        "bedroom",
        "bridge",
        "church_outdoor",
        "classroom",
        "conference_room",
        "dining_room",
        "kitchen",
        "living_room",
        "restaurant",
        "tower",
    ] = "bedroom"
    size: Side = 64
    limit: Count | None = None


class ImageArray(Options):
    """An array of 8-bit images, .npy or .npz."""

    name: Literal["image_array"]
    path: str


class ParquetImages(Options):
    """Encoded images in a column of Parquet files, as on the Hugging Face hub."""

    name: Literal["parquet_images"]
    path: str
    held_out: str | None = None
    image_column: str = "image"
    label_column: str | None = None
    size: Side = 32
    channels: Literal[1, 3] = 3
