"""Any folder of image files, cropped to squares of one size."""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pipeline.datasets.dataset import DataSet
from pipeline.errors import InputError
from pipeline.options import ImageFolder
from pipeline.seeds import stream

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
LEAST = 20


def load_image_folder(options: ImageFolder, data_root: Path | None) -> DataSet:
    """(n, channels, size, size) uint8 of every image file below `path`, without labels.

    A relative `path` is looked for below data_root, then below the working directory. Held out are n/10 of n
    images, but at least 500, and never more than 3n/10; which ones depends on the names of the files alone.
    Copies of one picture under two names may fall on both sides of the split.
    Raises InputError for a missing folder, fewer than 20 images, or a file that cannot be decoded.
    """
    folder = find(options.path, data_root)
    names = image_names(folder)
    if len(names) < LEAST:
        kinds = ", ".join(sorted(SUFFIXES))
        raise InputError(
            f"dataset.path: {folder}: holds {len(names)} images ({kinds}); at least {LEAST} are needed"
        )
    images = np.empty((len(names), options.channels, options.size, options.size), np.uint8)
    for image, name in zip(images, names, strict=True):
        image[:] = read_image(folder / name, options.size, options.channels)
    order = stream(_key(names), "image_folder/split").permutation(len(names))
    count = min(max(len(names) // 10, 500), 3 * len(names) // 10)
    return DataSet(options.name, images[order[count:]], images[order[:count]])


def _key(names: list[str]) -> str:
    # Hashed as bytes: a file name need not be valid Unicode.
    return hashlib.sha256(os.fsencode("\0".join(names))).hexdigest()


def find(path: str, data_root: Path | None) -> Path:
    """The folder that `path` names."""
    given = Path(path).expanduser()
    tried = [data_root / given, given] if data_root and not given.is_absolute() else [given]
    for folder in tried:
        if folder.is_dir():
            return folder
    raise InputError(f"dataset.path: {path!r}: no such folder; looked for {', '.join(map(str, tried))}")


def image_names(folder: Path) -> list[str]:
    """All image files below the folder, relative to it, sorted; hidden files and folders are left out."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    shown = (name for name in names if not any(part.startswith(".") for part in name.parts))
    return sorted(name.as_posix() for name in shown if (folder / name).is_file())


def read_image(path: Path, size: int, channels: int) -> np.ndarray:
    """(channels, size, size) uint8: turned upright, centre-cropped to a square, resized.

    Colour goes to grey by ITU-R 601 luma; transparency is dropped. Pillow's Lanczos filter resizes in both
    directions; it widens with the scale, so a smaller copy is not aliased.
    Raises InputError, naming the file, where it is damaged or has more than 8 bits a channel.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith(("I", "F")):
                raise InputError(f"{path}: has more than 8 bits a channel; allowed: 8-bit images")
            image = image.convert("L" if channels == 1 else "RGB")
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        # Pillow's decoders report damage by any of these.
        raise InputError(f"{path}: not a readable image: {' '.join(str(error).split())}") from None
    square = min(image.size)
    left, top = (image.width - square) // 2, (image.height - square) // 2
    image = image.crop((left, top, left + square, top + square))
    pixels = np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))
    return pixels.reshape(size, size, channels).transpose(2, 0, 1)
