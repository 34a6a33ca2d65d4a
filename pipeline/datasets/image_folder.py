"""Any folder of image files, cropped to squares of one size."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from pipeline.datasets.cache import kept, key
from pipeline.datasets.dataset import DataSet
from pipeline.datasets.decoding import decoded, read_square
from pipeline.datasets.places import LEAST, find, held_out_count
from pipeline.errors import InputError
from pipeline.options import ImageFolder
from pipeline.seeds import stream

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


def load_image_folder(options: ImageFolder, data_root: Path | None) -> DataSet:
    """(n, channels, size, size) uint8 of every image file below `path`, without labels.

    A relative `path` is looked for below data_root, then below the working directory. Held out are n/10 of n
    images, but at least 500, and never more than 3n/10; which ones depends on the names of the files alone.
    Copies of one picture under two names may fall on both sides of the split.
    Raises InputError for a missing folder, fewer than 20 images, or a file that cannot be decoded.
    """
    folder = find("dataset.path", options.path, data_root)
    names = image_names(folder)
    if len(names) < LEAST:
        kinds = ", ".join(sorted(SUFFIXES))
        raise InputError(
            f"dataset.path: {folder}: holds {len(names)} images ({kinds}); at least {LEAST} are needed"
        )
    order = stream(_key(names), "image_folder/split").permutation(len(names))
    count = held_out_count(len(names))
    files = [folder / name for name in names]
    shape = (options.channels, options.size, options.size)
    arrays = kept(
        key(options, files),
        {
            part: decoded(
                [files[row] for row in rows],
                shape,
                lambda file: read_image(file, options.size, options.channels),
            )
            for part, rows in (("train", order[count:]), ("held_out", order[:count]))
        },
    )
    return DataSet(options.name, arrays["train"], arrays["held_out"])


def _key(names: list[str]) -> str:
    # Hashed as bytes: a file name need not be valid Unicode.
    return hashlib.sha256(os.fsencode("\0".join(names))).hexdigest()


def image_names(folder: Path) -> list[str]:
    """All image files below the folder, relative to it, sorted; hidden files and folders are left out."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    shown = (name for name in names if not any(part.startswith(".") for part in name.parts))
    return sorted(name.as_posix() for name in shown if (folder / name).is_file())


def read_image(path: Path, size: int, channels: int) -> np.ndarray:
    """(channels, size, size) uint8: turned upright, centre-cropped to a square, resized (Lanczos).

    Raises InputError, naming the file, where it is damaged or has more than 8 bits a channel.
    """
    return read_square(path, str(path), size, channels)
