"""MNIST and Fashion-MNIST: the real files, and files that are damaged, missing or mistaken for each other."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets import mnist
from pipeline.errors import InputError
from pipeline.options import FashionMnist, Mnist
from tests.datasets.idx_files import NAMES, idx_bytes, write_set

MNIST, FASHION = Mnist(name="mnist"), FashionMnist(name="fashion_mnist")
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BIRTHDAY_DATA", raising=False)
    monkeypatch.setattr(mnist, "DEBIAN", tmp_path / "usr/share/datasets/fashion-mnist")


# --- the real files -----------------------------------------------------------------------------------------


def test_mnist_is_mnist(data_root: Path) -> None:
    data = datasets.load(MNIST, data_root)
    assert data.train.shape == (60_000, 1, 28, 28)
    assert data.held_out.shape == (10_000, 1, 28, 28)
    assert data.train_labels is not None
    assert data.held_out_labels is not None
    assert data.train_labels.dtype == data.held_out_labels.dtype == np.int64
    # The digests of the four files as LeCun published them, uncompressed.
    assert hashlib.md5(idx_bytes(data.train[:, 0])).hexdigest() == "6bbc9ace898e44ae57da46a324031adb"
    assert hashlib.md5(idx_bytes(data.train_labels)).hexdigest() == "a25bea736e30d166cdddb491f175f624"
    assert hashlib.md5(idx_bytes(data.held_out[:, 0])).hexdigest() == "2646ac647ad5339dbf082846283269ea"
    assert hashlib.md5(idx_bytes(data.held_out_labels)).hexdigest() == "27ae3e4e09519cfbb04c329615203637"
    assert data.train.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert data.train.std() / 255 == pytest.approx(0.3081, abs=5e-5)


def test_fashion_mnist_is_fashion_mnist(data_root: Path) -> None:
    data = datasets.load(FASHION, data_root)
    assert data.train.shape == (60_000, 1, 28, 28)
    assert data.held_out.shape == (10_000, 1, 28, 28)
    assert data.train_labels is not None
    assert data.held_out_labels is not None
    assert np.bincount(data.train_labels).tolist() == [6000] * 10
    assert np.bincount(data.held_out_labels).tolist() == [1000] * 10
    assert data.train.mean() / 255 == pytest.approx(0.2860, abs=5e-5)
    assert data.train.std() / 255 == pytest.approx(0.3530, abs=5e-5)
    assert len({image.tobytes() for image in data.train}) == 60_000


@pytest.mark.parametrize(("options", "folder"), [(MNIST, "fashion-mnist"), (FASHION, "mnist")])
def test_the_files_of_the_other_set_are_refused(
    data_root: Path, options: Mnist | FashionMnist, folder: str
) -> None:
    # Both sets' files have the same names, so a wrong --data-root would otherwise go unnoticed.
    with pytest.raises(InputError, match="holds the files of"):
        datasets.load(options, data_root / folder)


# --- where they are looked for ------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".gz", ""])
@pytest.mark.parametrize("folder", ["mnist", "."])
def test_plain_and_gzipped_files_load_from_the_sets_folder_or_the_root(
    tmp_path: Path, folder: str, suffix: str
) -> None:
    arrays = write_set(tmp_path / folder, suffix=suffix)
    data = datasets.load(MNIST, tmp_path)
    np.testing.assert_array_equal(data.train[:, 0], arrays[NAMES["train", "images-idx3"]])
    np.testing.assert_array_equal(data.held_out[:, 0], arrays[NAMES["t10k", "images-idx3"]])
    np.testing.assert_array_equal(data.train_labels, arrays[NAMES["train", "labels-idx1"]])
    np.testing.assert_array_equal(data.held_out_labels, arrays[NAMES["t10k", "labels-idx1"]])


def test_the_sets_folder_comes_before_the_root(tmp_path: Path) -> None:
    write_set(tmp_path, train=9)
    write_set(tmp_path / "mnist", train=7)
    assert len(datasets.load(MNIST, tmp_path).train) == 7


def test_the_environment_names_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path / "fashion-mnist")
    monkeypatch.setenv("BIRTHDAY_DATA", str(tmp_path))
    assert len(datasets.load(FASHION, None).train) == 5
    write_set(tmp_path / "given/fashion-mnist", train=6)
    assert len(datasets.load(FASHION, tmp_path / "given").train) == 6


def test_debians_folder_is_looked_in_for_fashion_only(tmp_path: Path) -> None:
    write_set(mnist.DEBIAN)
    assert len(datasets.load(FASHION, None).train) == 5
    with pytest.raises(InputError):
        datasets.load(MNIST, None)


def test_missing_files_name_every_place_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        datasets.load(FASHION, tmp_path)
    message = str(error.value)
    for part in (str(tmp_path / "fashion-mnist"), f" {tmp_path},", str(mnist.DEBIAN)):
        assert part in message
    for advice in ("--data-root", "BIRTHDAY_DATA", "dataset-fashion-mnist"):
        assert advice in message
    assert "\n" not in message


def test_one_missing_file_of_four_is_named(tmp_path: Path) -> None:
    write_set(tmp_path / "mnist")
    (tmp_path / "mnist" / TRAIN_LABELS).unlink()
    with pytest.raises(InputError, match=r"mnist: train-labels-idx1-ubyte\[.gz\] is missing"):
        datasets.load(MNIST, tmp_path)


# --- damage -------------------------------------------------------------------------------------------------


def _recompressed(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda content: gzip.compress(change(gzip.decompress(content)))


DAMAGE: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "half a gzip stream": (TRAIN_IMAGES, lambda b: b[: len(b) // 2], "truncated"),
    "an empty file": (TRAIN_IMAGES, lambda b: b"", "truncated"),
    "a flipped byte in the gzip stream": (
        TRAIN_IMAGES,
        lambda b: b[:2000] + bytes([b[2000] ^ 255]) + b[2001:],
        "not a readable gzip file",
    ),
    "a wrong checksum": (TRAIN_IMAGES, lambda b: b[:-8] + b"\0\0\0\0" + b[-4:], "not a readable gzip file"),
    "no gzip at all": (TRAIN_IMAGES, lambda b: b"<html>404 Not Found</html>", "not a readable gzip file"),
    "another file": (TRAIN_IMAGES, _recompressed(lambda b: b"\x89PNG" + b[4:]), "not an IDX file"),
    "signed bytes": (TRAIN_IMAGES, _recompressed(lambda b: b"\0\0\x09\x03" + b[4:]), "not an IDX file"),
    "labels for images": (
        TRAIN_IMAGES,
        _recompressed(lambda b: idx_bytes(np.zeros(5))),
        "holds an array of 1 dimensions; expected 3",
    ),
    "a header cut short": (
        TRAIN_IMAGES,
        _recompressed(lambda b: b[:9]),
        "truncated: 9 bytes; its header has 16",
    ),
    "three bytes": (TRAIN_IMAGES, _recompressed(lambda b: b[:3]), "truncated"),
    "a byte too few": (TRAIN_IMAGES, _recompressed(lambda b: b[:-1]), "truncated: 3935 bytes"),
    "a byte too many": (TRAIN_IMAGES, _recompressed(lambda b: b + b"\0"), "too long: 3937 bytes"),
    "a count beyond all memory": (
        TRAIN_IMAGES,
        _recompressed(lambda b: b[:4] + b"\xff" * 12 + b[16:]),
        "truncated",
    ),
    "no images": (TRAIN_IMAGES, _recompressed(lambda b: idx_bytes(np.zeros((0, 28, 28)))), "expected"),
    "images of another size": (
        TRAIN_IMAGES,
        _recompressed(lambda b: idx_bytes(np.zeros((5, 32, 32)))),
        r"shape \(5, 32, 32\); expected \(n, 28, 28\)",
    ),
    "labels of the other part": (
        TRAIN_LABELS,
        _recompressed(lambda b: idx_bytes(np.zeros(3))),
        "3 labels for the 5 images of train-images",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_in_one_line_with_what_is_wrong(tmp_path: Path, damage: str) -> None:
    name, change, message = DAMAGE[damage]
    write_set(tmp_path / "mnist")
    path = tmp_path / "mnist" / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=message) as error:
        datasets.load(MNIST, tmp_path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_the_real_file_cut_in_half_is_refused(data_root: Path, tmp_path: Path) -> None:
    write_set(tmp_path)
    content = (data_root / "mnist" / TRAIN_IMAGES).read_bytes()
    (tmp_path / TRAIN_IMAGES).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="truncated: the gzip stream ends early"):
        datasets.load(MNIST, tmp_path)
