"""Encoded images to arrays."""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.datasets.cache import Part
from pipeline.errors import InputError

T = TypeVar("T")

BLOCK = 512


def open_image(source: Path | bytes, name: str, channels: int) -> Image.Image:
    """An image file, or its bytes, turned upright: grey (mode L) or colour (RGB).

    Colour goes to grey by ITU-R 601 luma; transparency is dropped.
    Raises InputError, beginning with the name, where it is damaged or has more than 8 bits a channel.
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith(("I", "F")):
                raise InputError(f"{name}: has more than 8 bits a channel; allowed: 8-bit images")
            return image.convert("L" if channels == 1 else "RGB")
    except UnidentifiedImageError:
        raise InputError(f"{name}: not a readable image: of no format that Pillow knows") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        # Pillow's decoders report damage by any of these.
        raise InputError(f"{name}: not a readable image: {' '.join(str(error).split())}") from None


def read_square(source: Path | bytes, name: str, size: int, channels: int) -> np.ndarray:
    """(channels, size, size) uint8: centre-cropped to a square, resized.

    Pillow's Lanczos filter resizes in both directions; it widens with the scale, so a smaller copy is not
    aliased. Raises InputError as `open_image`.
    """
    image = open_image(source, name, channels)
    square = min(image.size)
    return pixels(centre(image, square).resize((size, size), Image.Resampling.LANCZOS))


def centre(image: Image.Image, side: int) -> Image.Image:
    """The square of `side` pixels in the middle."""
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def pixels(image: Image.Image) -> np.ndarray:
    """(channels, height, width) uint8."""
    return np.asarray(image).reshape(image.height, image.width, -1).transpose(2, 0, 1)


def in_blocks(items: Iterable[T], decode: Callable[[T], np.ndarray]) -> Iterator[np.ndarray]:
    """The decoded items in their order, stacked by hundreds; threads decode, as Pillow lets go of the GIL."""
    rest = iter(items)
    with ThreadPoolExecutor() as pool:
        while block := list(itertools.islice(rest, BLOCK)):
            yield np.stack(list(pool.map(decode, block)))


def decoded(items: Sequence[T], shape: tuple[int, ...], decode: Callable[[T], np.ndarray]) -> Part:
    """The part of a cache entry that holds these items; every one decodes to the shape, uint8."""
    return Part((len(items), *shape), np.uint8, lambda: in_blocks(items, decode))


def selected(
    load: Callable[[], np.ndarray],
    rows: Sequence[int] | np.ndarray,
    shape: tuple[int, ...],
    change: Callable[[np.ndarray], np.ndarray] = lambda block: block,
) -> Part:
    """The part of a cache entry that holds these rows of an array, uint8, each changed to the shape."""

    def blocks() -> Iterator[np.ndarray]:
        images = load()
        for at in range(0, len(rows), BLOCK):
            yield change(images[rows[at : at + BLOCK]])

    return Part((len(rows), *shape), np.uint8, blocks)
