"""MNIST and Fashion-MNIST, from the IDX files as published."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from pipeline.datasets.dataset import DataSet
from pipeline.datasets.idx import read_idx
from pipeline.errors import InputError
from pipeline.options import FashionMnist, Mnist

FOLDERS = {"mnist": "mnist", "fashion_mnist": "fashion-mnist"}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")

# Both sets use the same file names; only the content tells them apart. SHA-256 of the t10k labels file.
_LABELS = {
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2": "mnist",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34": "fashion_mnist",
}


def load_idx_files(options: Mnist | FashionMnist, data_root: Path | None) -> DataSet:
    """(60000, 1, 28, 28) and (10000, 1, 28, 28) uint8 with labels 0..9: the official split, t10k held out.

    Raises InputError for files that are missing, damaged, or those of the other set.
    """
    name = options.name
    folder = find(name, data_root)
    if folder is None:
        raise InputError(f"dataset {name!r}: {missing(name, data_root)}")
    train, train_labels = _pair(folder, "train")
    held_out, held_out_labels = _pair(folder, "t10k")
    header = b"\0\0\x08\x01" + len(held_out_labels).to_bytes(4, "big")
    found = _LABELS.get(hashlib.sha256(header + held_out_labels.tobytes()).hexdigest(), name)
    if found != name:
        raise InputError(f"{folder}: holds the files of {found!r}, not of {name!r}")
    return DataSet(name, train, held_out, train_labels.astype(np.int64), held_out_labels.astype(np.int64))


def places(name: str, data_root: Path | None) -> list[Path]:
    """Folders to look in, in this order."""
    debian = [DEBIAN] if name == "fashion_mnist" else []
    return ([data_root / FOLDERS[name], data_root] if data_root else []) + debian


def find(name: str, data_root: Path | None) -> Path | None:
    """The first place that holds any of the set's files: where one is there, all four must be."""
    for place in places(name, data_root):
        if any(
            _file(place, part, kind) for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
        ):
            return place
    return None


def missing(name: str, data_root: Path | None) -> str:
    """One line: every place looked in, and what to do."""
    looked = ", ".join(str(place) for place in places(name, data_root)) or "no folder, as none was given"
    package = ", or install the Debian package dataset-fashion-mnist" if name == "fashion_mnist" else ""
    return (
        f"no train-images-idx3-ubyte[.gz] and its like found; looked in {looked}; "
        f"name the folder of the image sets by --data-root or BIRTHDAY_DATA{package}"
    )


def _pair(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 1, 28, 28) and labels (n,), uint8."""
    images_path, labels_path = _required(folder, part, "images-idx3"), _required(folder, part, "labels-idx1")
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if images.shape[1:] != (28, 28) or not len(images):
        raise InputError(
            f"{images_path}: holds an array of shape {images.shape}; expected (n, 28, 28), n >= 1"
        )
    if len(images) != len(labels):
        raise InputError(
            f"{labels_path}: {len(labels)} labels for the {len(images)} images of {images_path.name}"
        )
    return images[:, None], labels


def _required(folder: Path, part: str, kind: str) -> Path:
    path = _file(folder, part, kind)
    if path is None:
        raise InputError(f"{folder}: {part}-{kind}-ubyte[.gz] is missing beside the other files")
    return path


def _file(folder: Path, part: str, kind: str) -> Path | None:
    plain = folder / f"{part}-{kind}-ubyte"
    return next((path for path in (plain.with_name(plain.name + ".gz"), plain) if path.is_file()), None)
