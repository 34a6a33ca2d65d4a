"""Image sheets: thousands of small images as the tiles of one picture, a compact way to keep a set.

A sheet is a JPEG, WebP or PNG file of square tiles, row by row, 100 a row; the last row may be partly empty.
Its name ends in the numbers of its first and last image, `train_10000-19999.webp`, and the sheets of a set
follow one another without a gap.
"""

from __future__ import annotations

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.datasets.decoding import open_image
from pipeline.errors import InputError

ACROSS = 100


class Sheet(NamedTuple):
    """A file, the number of its first image, and how many images it holds."""

    path: Path
    first: int
    images: int


def find_sheets(folder: Path, name: str) -> list[Sheet]:
    """The sheets `<name>_<first>-<last>.<jpg|jpeg|webp|png>` of the folder, in their order; none is no error.

    Raises InputError where images are missing between two of them, or stand in both.
    """
    pattern = re.compile(rf"{re.escape(name)}_(\d+)-(\d+)\.(?:jpe?g|webp|png)", re.IGNORECASE)
    sheets = []
    for path in folder.iterdir() if folder.is_dir() else ():
        if match := pattern.fullmatch(path.name):
            first, last = int(match[1]), int(match[2])
            if last < first:
                raise InputError(
                    f"{path}: names images {first} to {last}; the last must not be before the first"
                )
            sheets.append(Sheet(path, first, last - first + 1))
    sheets.sort(key=lambda sheet: sheet.first)
    for one, other in itertools.pairwise(sheets):
        if other.first != one.first + one.images:
            raise InputError(
                f"{other.path}: begins with image {other.first}; {one.path.name} ends with image "
                f"{one.first + one.images - 1}, so {one.first + one.images} must come next"
            )
    return sheets


def read_sheets(sheets: list[Sheet], side: int) -> np.ndarray:
    """(n, 3, side, side) uint8: the images of these sheets, in their order.

    Raises InputError, naming the file, for one that is damaged or of another size than its name says.
    """
    with ThreadPoolExecutor() as pool:
        return np.concatenate(list(pool.map(lambda sheet: _read(sheet, side), sheets)))


def _read(sheet: Sheet, side: int) -> np.ndarray:
    image = open_image(sheet.path, str(sheet.path), channels=3)
    rows = -(-sheet.images // ACROSS)
    if image.size != (ACROSS * side, rows * side):
        raise InputError(
            f"{sheet.path}: is {image.width}x{image.height}; {sheet.images} images of {side}x{side}, "
            f"{ACROSS} a row, are {ACROSS * side}x{rows * side}"
        )
    tiles = np.asarray(image).reshape(rows, side, ACROSS, side, 3).transpose(0, 2, 4, 1, 3)
    return tiles.reshape(-1, 3, side, side)[: sheet.images]
