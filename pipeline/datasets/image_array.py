"""Images that are an array already: `.npy`, or `.npz` with labels and a held-out part of its own."""

from __future__ import annotations

import zipfile
import zlib
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.datasets.cache import kept, key
from pipeline.datasets.dataset import DataSet
from pipeline.datasets.decoding import selected
from pipeline.datasets.places import find, fixed_split
from pipeline.errors import InputError
from pipeline.options import ImageArray

# Images -> their labels.
NAMES = {"images": "labels", "held_out": "held_out_labels"}


def load_image_array(options: ImageArray, data_root: Path | None) -> DataSet:
    """(n, C, H, W) uint8 from an array (n, H, W), (n, C, H, W) or (n, H, W, C), C being 1 or 3.

    `.npy` holds the images. `.npz` holds `images` and may hold `labels`, `held_out` and `held_out_labels`
    besides. Without `held_out`, n/10 of n images are, but at least 500 and never more than 3n/10; which ones
    depends on n alone.
    Raises InputError for a file that is missing or damaged, or holds anything else.
    """
    path = find("dataset.path", options.path, data_root, "file")
    arrays = read_arrays(path)
    images, labels = arrays["images"], arrays.get("labels")
    if "held_out" in arrays:
        sources = {"train": (images, np.arange(len(images)))}
        sources["held_out"] = (arrays["held_out"], np.arange(len(arrays["held_out"])))
        of_train, of_held_out = labels, arrays.get("held_out_labels")
    else:
        train, held_out = fixed_split(str(path), options.name, len(images))
        sources = {"train": (images, train), "held_out": (images, held_out)}
        of_train, of_held_out = (None, None) if labels is None else (labels[train], labels[held_out])
    parts = {
        name: selected(partial(np.asarray, array), rows, array.shape[1:])
        for name, (array, rows) in sources.items()
    }
    made = kept(key(options, [path]), parts)
    return DataSet(options.name, made["train"], made["held_out"], of_train, of_held_out)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of the file: `images` and `held_out` (n, C, H, W) uint8, their labels (n,) int64.

    An `.npy` is mapped, not read. Raises InputError, naming file and array.
    """
    arrays = _opened(path)
    known = [*NAMES, *NAMES.values()]
    if "images" not in arrays or set(arrays) - set(known):
        raise InputError(
            f"{path}: holds {', '.join(arrays) or 'no array'}; allowed: images, and beside it labels, "
            "held_out, held_out_labels"
        )
    found: dict[str, np.ndarray] = {}
    for name, labels in NAMES.items():
        if name in arrays:
            found[name] = _channels_first(f"{path}: {name}", arrays[name])
        if labels in arrays:
            found[labels] = _labels(f"{path}: {labels}", arrays[labels], len(arrays.get(name, ())))
    shapes = {array.shape[1:] for name, array in found.items() if name in NAMES}
    if len(shapes) > 1:
        raise InputError(f"{path}: images and held_out differ in shape: {' and '.join(map(str, shapes))}")
    return found


def _opened(path: Path) -> dict[str, np.ndarray]:
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            with loaded:
                return dict(loaded)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not a readable .npy or .npz file: {reason}") from None
    return {"images": loaded}


def _channels_first(where: str, array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8 and array.ndim == 3 and 0 not in array.shape:
        return array[:, None]
    if array.dtype == np.uint8 and array.ndim == 4 and 0 not in array.shape:
        if array.shape[1] in (1, 3):
            return array
        if array.shape[3] in (1, 3):
            return array.transpose(0, 3, 1, 2)
    raise InputError(
        f"{where}: {array.dtype} of shape {array.shape}; allowed: uint8 (n, height, width), "
        "(n, channels, height, width) or (n, height, width, channels) of 1 or 3 channels"
    )


def _labels(where: str, array: np.ndarray, count: int) -> np.ndarray:
    if array.dtype.kind not in "iu" or array.shape != (count,):
        raise InputError(
            f"{where}: {array.dtype} of shape {array.shape}; allowed: {count} integers, one an image"
        )
    return array.astype(np.int64)
