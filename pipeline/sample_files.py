"""Samples of a model that lives elsewhere: an array file, or a folder of images."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from pipeline.errors import InputError


def load_samples(path: Path, array: str | None = None) -> np.ndarray:
    """(s, d) float32 vectors, or (s, c, h, w) images as uint8 or float32, from `.npy`, `.npz` or a folder.

    array: which array of an `.npz`; needed where it holds several. Four axes are images, channels first or
    last. A folder's images, in the order of their names, must all have one size; colour and transparency
    become RGB unless all are grey. Raises InputError, naming the file, for anything else.
    """
    if path.is_dir():
        return _folder(path)
    try:
        loaded = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file or folder") from None
    except (OSError, ValueError, EOFError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: is neither .npy, .npz nor a folder of images: {reason}") from None
    if isinstance(loaded, np.lib.npyio.NpzFile):
        loaded = _member(path, loaded, array)
    elif array is not None:
        raise InputError(f"--array {array}: {path} holds one array without a name")
    return _checked(path, loaded)


def _member(path: Path, archive: np.lib.npyio.NpzFile, array: str | None) -> np.ndarray:
    names = list(archive.files)
    if array is None and len(names) == 1:
        array = names[0]
    if array not in names:
        what = "choose one with --array" if array is None else f"has no array {array!r}"
        raise InputError(f"{path}: {what}; it holds {', '.join(names)}")
    try:
        return archive[array]
    except (OSError, ValueError, EOFError, struct.error) as error:
        raise InputError(f"{path}: array {array!r} cannot be read: {' '.join(str(error).split())}") from None


def _checked(path: Path, x: np.ndarray) -> np.ndarray:
    if x.ndim not in (2, 4) or x.dtype.kind not in "fui" or 0 in x.shape:
        raise InputError(
            f"{path}: holds {x.dtype} of shape {x.shape}; allowed: numbers (samples, values), or images "
            "(samples, channels, height, width) or (samples, height, width, channels)"
        )
    if x.ndim == 4 and x.shape[1] not in (1, 3):
        if x.shape[3] not in (1, 3):
            raise InputError(f"{path}: images of shape {x.shape[1:]}: one axis must hold 1 or 3 channels")
        x = x.transpose(0, 3, 1, 2)
    if len(x) < 2:
        raise InputError(f"{path}: holds {len(x)} sample; a support size needs at least 2")
    images = x.ndim == 4 and x.dtype == np.uint8
    x = np.ascontiguousarray(x if images else x.astype(np.float32))
    if not images and not np.isfinite(x).all():
        raise InputError(f"{path}: holds NaN or infinity")
    return x


def _folder(folder: Path) -> np.ndarray:
    from PIL import Image, ImageOps

    from pipeline.datasets.image_folder import image_names

    names = image_names(folder)
    if len(names) < 2:
        raise InputError(f"{folder}: holds {len(names)} images; a support size needs at least 2")
    images: list[Image.Image] = []
    for name in names:
        try:
            with Image.open(folder / name) as file:
                image = ImageOps.exif_transpose(file)
                images.append(image if image.mode == "L" else image.convert("RGB"))
        except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
            raise InputError(
                f"{folder / name}: not a readable image: {' '.join(str(error).split())}"
            ) from None
        if images[-1].size != images[0].size:
            raise InputError(
                f"{folder / name}: is {images[-1].size[0]}x{images[-1].size[1]}, "
                f"the first image {images[0].size[0]}x{images[0].size[1]}; all must have one size"
            )
    grey = all(image.mode == "L" for image in images)
    stacked = np.stack([np.asarray(image if grey else image.convert("RGB")) for image in images])
    return stacked[:, None] if grey else np.ascontiguousarray(stacked.transpose(0, 3, 1, 2))
