"""LSUN scenes, from the published LMDB folders or from folders of images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from pipeline.datasets.cache import Part, kept, key
from pipeline.datasets.dataset import DataSet
from pipeline.datasets.decoding import decoded, in_blocks, read_square
from pipeline.datasets.image_folder import image_names, read_image
from pipeline.datasets.places import fixed_split, not_found, places
from pipeline.errors import InputError
from pipeline.options import Lsun

MOST_HELD_OUT = 10_000


def load_lsun(options: Lsun, data_root: Path | None) -> DataSet:
    """(n, 3, size, size) uint8 without labels: centre-cropped to a square, resized (Lanczos).

    `limit` takes the first images in the order of their keys or names. Held out are n/10 of n images, at
    least 500 and at most 10,000: the official `val` part is 300 images, too few for a collision test.
    Raises InputError for a folder that is missing or damaged, or an image that cannot be decoded.
    """
    folder = find_lsun(options.category, data_root)
    if folder is None:
        raise InputError(f"dataset 'lsun': {missing(options.category, data_root)}")
    made = (_from_lmdb if (folder / "data.mdb").is_file() else _from_images)(options, folder)
    return DataSet(options.name, made["train"], made["held_out"])


def find_lsun(category: str, data_root: Path | None) -> Path | None:
    """The first that there is: `<category>_train_lmdb`, a folder `<category>_train` or `<category>`."""
    for place in places("lsun", data_root):
        if (place / f"{category}_train_lmdb" / "data.mdb").is_file():
            return place / f"{category}_train_lmdb"
        for name in (f"{category}_train", category):
            if (place / name).is_dir():
                return place / name
    return None


def whereabouts(data_root: Path | None) -> str:
    """The folders of the categories that there are."""
    categories = get_args(Lsun.model_fields["category"].annotation)
    found = [str(folder) for category in categories if (folder := find_lsun(category, data_root))]
    return ", ".join(found) or f"not found: {missing('bedroom', data_root)}"


def missing(category: str, data_root: Path | None) -> str:
    """One line: every place looked in, and what to do."""
    what = f"{category}_train_lmdb/data.mdb or folder {category}/ of images"
    return not_found("lsun", what, places("lsun", data_root))


def _split(options: Lsun, folder: Path, count: int) -> dict[str, np.ndarray]:
    count = min(count, options.limit or count)
    train, held_out = fixed_split(str(folder), f"lsun/{options.category}", count, MOST_HELD_OUT)
    return {"train": train, "held_out": held_out}


def _from_images(options: Lsun, folder: Path) -> dict[str, np.ndarray]:
    names = image_names(folder)
    rows = _split(options, folder, len(names))
    files = [folder / name for name in names[: options.limit]]
    read = partial(read_image, size=options.size, channels=3)
    shape = (3, options.size, options.size)
    return kept(
        key(options, files),
        {part: decoded([files[row] for row in of_part], shape, read) for part, of_part in rows.items()},
    )


def _from_lmdb(options: Lsun, folder: Path) -> dict[str, np.ndarray]:
    with _opened(folder) as environment:
        rows = _split(options, folder, environment.stat()["entries"])

    def read(entry: tuple[str, bytes]) -> np.ndarray:
        return read_square(entry[1], entry[0], options.size, 3)

    def part(of_part: np.ndarray) -> Part:
        shape = (len(of_part), 3, options.size, options.size)
        return Part(shape, np.uint8, lambda: in_blocks(_entries(folder, of_part), read))

    return kept(key(options, [folder / "data.mdb"]), {name: part(of_part) for name, of_part in rows.items()})


def _entries(folder: Path, rows: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """(where it is, encoded image) of the rows, ascending, in the order of the keys."""
    wanted = np.zeros(rows[-1] + 1, bool)
    wanted[rows] = True
    with _opened(folder) as environment, environment.begin() as transaction:
        cursor = transaction.cursor()
        for take, name in zip(wanted, cursor.iternext(keys=True, values=False), strict=False):
            if take:
                yield f"{folder}: key {name.decode(errors='replace')}", cursor.value()


@contextmanager
def _opened(folder: Path) -> Iterator[Any]:
    """The LMDB environment, read only and without a lock file, so that the folder may be read-only too."""
    try:
        import lmdb
    except ImportError:
        raise InputError(f"{folder}: to read it, pip install 'birthday[lsun]' (the package lmdb)") from None
    file = folder / "data.mdb"
    try:
        with lmdb.open(str(folder), readonly=True, lock=False, create=False, readahead=False) as environment:
            # Pages beyond the end of a mapped file kill the process that touches them.
            expected = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
            size = file.stat().st_size
            if size < expected:
                raise InputError(f"{file}: truncated: {size} bytes; its header says {expected}")
            yield environment
    except lmdb.Error as error:
        raise InputError(f"{file}: not a readable LMDB file: {' '.join(str(error).split())}") from None
