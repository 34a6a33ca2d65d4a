"""CelebA: the published photographs, or sheets or an array of faces cut from them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from PIL import Image

from pipeline.datasets.cache import Part, kept, key
from pipeline.datasets.dataset import DataSet
from pipeline.datasets.decoding import centre, decoded, open_image, pixels, selected
from pipeline.datasets.image_array import read_arrays
from pipeline.datasets.image_folder import image_names
from pipeline.datasets.places import fixed_split, not_found, places
from pipeline.datasets.sheets import find_sheets, read_sheets
from pipeline.errors import InputError
from pipeline.options import CelebA

PHOTOGRAPHS = "img_align_celeba"
PARTITION = "list_eval_partition.txt"
TILE = 64


class Source(NamedTuple):
    """What was found: the files, the parts to make of them."""

    files: list[Path]
    parts: dict[str, Part]


def load_celeba(options: CelebA, data_root: Path | None) -> DataSet:
    """(n, 3, size, size) uint8 without labels.

    `aligned` photographs: the central crop x crop pixels, resized bilinearly, as DCGAN-tensorflow does (which
    also stretches each crop's contrast to 0..255; here pixels keep their values). Faces of sheets and arrays
    are square already; smaller sizes are means of 2x2, 4x4, ... pixels.
    Where list_eval_partition.txt lies beside the photographs, train is its part 0 (162,770 images), held out
    its part 2 (19,962), and part 1 is left alone; otherwise held out are n/10 of n, at least 500.
    Raises InputError for files that are missing or damaged, or of other sizes.
    """
    path = find_celeba(options.images, data_root)
    if path is None:
        raise InputError(f"dataset 'celeba': {missing(options.images, data_root)}")
    source = (_photographs if path.name == PHOTOGRAPHS else _faces)(options, path)
    made = kept(key(options, source.files), source.parts)
    return DataSet(options.name, made["train"], made["held_out"])


def find_celeba(images: str, data_root: Path | None) -> Path | None:
    """The first that there is: the folder of photographs, an array file, a folder with sheets."""
    for place in places("celeba", data_root):
        if images == "aligned" and (place / PHOTOGRAPHS).is_dir():
            return place / PHOTOGRAPHS
        for array in (place / f"{images}.npy", place / f"{images}.npz"):
            if array.is_file():
                return array
        if find_sheets(place, images):
            return place
    return None


def whereabouts(data_root: Path | None) -> str:
    """The folder, and which `images` it holds."""
    kinds = get_args(CelebA.model_fields["images"].annotation)
    found = {images: path for images in kinds if (path := find_celeba(images, data_root))}
    if not found:
        return f"not found: {missing('aligned', data_root)}"
    return ", ".join(f"{path} (images: {images})" for images, path in found.items())


def missing(images: str, data_root: Path | None) -> str:
    """One line: every place looked in, and what to do."""
    photographs = f"{PHOTOGRAPHS}/, " if images == "aligned" else ""
    what = f"{photographs}{images}.npy, {images}.npz or {images}_*.jpg"
    return not_found("celeba", what, places("celeba", data_root))


# --- photographs --------------------------------------------------------------------------------------------


def _photographs(options: CelebA, folder: Path) -> Source:
    names = image_names(folder)
    files = [folder / name for name in names]
    lists = (folder.parent / PARTITION, folder.parent / "Eval" / PARTITION)
    partition = next((path for path in lists if path.is_file()), None)
    if partition is None:
        train, held_out = fixed_split(str(folder), "celeba/aligned", len(files))
    else:
        train, held_out = _official(partition, folder, names)
    read = partial(read_face, crop=options.crop, size=options.size)
    shape = (3, options.size, options.size)
    parts = {
        "train": decoded([files[row] for row in train], shape, read),
        "held_out": decoded([files[row] for row in held_out], shape, read),
    }
    return Source([*files, *([partition] if partition else [])], parts)


def read_face(file: Path, crop: int, size: int) -> np.ndarray:
    """(3, size, size) uint8: the central crop x crop pixels, resized by Pillow's bilinear filter."""
    image = open_image(file, str(file), channels=3)
    if min(image.size) < crop:
        raise InputError(
            f"{file}: is {image.width}x{image.height}; dataset.crop: {crop} needs {crop} either way"
        )
    return pixels(centre(image, crop).resize((size, size), Image.Resampling.BILINEAR))


def _official(partition: Path, folder: Path, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Rows (train, held_out) of the names by the list's lines `000001.jpg 0`."""
    listed = {}
    for number, line in enumerate(partition.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        name, _, part = line.strip().partition(" ")
        if part.strip() not in ("0", "1", "2"):
            raise InputError(f"{partition}: line {number}: {line[:60]!r}: must be a file name and 0, 1 or 2")
        listed[name] = int(part)
    parts = [listed.get(Path(name).name) for name in names]
    if None in parts:
        raise InputError(f"{partition}: does not name {names[parts.index(None)]} of {folder}")
    train, held_out = (np.flatnonzero(np.array(parts) == wanted) for wanted in (0, 2))
    if not len(train) or not len(held_out):
        raise InputError(
            f"{partition}: puts {len(train)} images of {folder} into part 0, {len(held_out)} into part 2; "
            "both are needed (without the list, the images are split by chance)"
        )
    return train, held_out


# --- faces that are cut already -----------------------------------------------------------------------------


def _faces(options: CelebA, path: Path) -> Source:
    """Square faces: an array file, or the sheets of a folder."""
    load: Callable[[], np.ndarray]
    if path.is_file():
        images = read_arrays(path)["images"]
        files, count, side, load = [path], len(images), images.shape[-1], lambda: images
        if images.shape[1] != 3 or images.shape[2] != side:
            raise InputError(f"{path}: images: of shape {images.shape[1:]}; allowed: square, 3 channels")
    else:
        sheets = find_sheets(path, options.images)
        files, count, side = [sheet.path for sheet in sheets], sum(sheet.images for sheet in sheets), TILE
        load = cache(lambda: read_sheets(sheets, TILE))
    allowed = [side // k for k in range(1, side) if side % k == 0 and side // k >= 8]
    if options.size not in allowed:
        sizes = ", ".join(map(str, allowed))
        raise InputError(
            f"dataset.size: {options.size}: {path}: holds {side}x{side} images; allowed: {sizes}"
        )
    train, held_out = fixed_split(str(path), f"celeba/{options.images}", count)
    shape, change = (3, options.size, options.size), partial(means, size=options.size)
    parts = {
        "train": selected(load, train, shape, change),
        "held_out": selected(load, held_out, shape, change),
    }
    return Source(files, parts)


def means(images: np.ndarray, size: int) -> np.ndarray:
    """(n, C, size, size) uint8: every pixel the rounded mean (half to even) of a square of pixels."""
    k = images.shape[-1] // size
    if k == 1:
        return images
    # Strided sums: ten times as fast as a reduction over two short axes.
    total = sum(images[..., row::k, column::k].astype(np.uint32) for row in range(k) for column in range(k))
    return np.rint(total / k**2).astype(np.uint8)
