"""CIFAR-10: the real images against published digests, its three forms, one class, damage."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets import DataSet
from pipeline.datasets.cifar10 import CLASSES
from pipeline.datasets.cifar10_batches import read_binary, read_pickled
from pipeline.errors import InputError
from pipeline.options import Cifar10
from tests.datasets.image_files import binary_batch, noise, python2_batch, write_sheet

CIFAR10 = Cifar10(name="cifar10")

# SHA-256 of the files of cifar-10-binary.tar.gz.
BINARY = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}


@pytest.fixture(scope="module")
def real(data_root: Path) -> DataSet:
    return datasets.load(CIFAR10, data_root)


def batches(data: DataSet) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    assert data.train_labels is not None
    assert data.held_out_labels is not None
    train = {
        f"data_batch_{k + 1}": (data.train[at : at + 10_000], data.train_labels[at : at + 10_000])
        for k, at in enumerate(range(0, len(data.train), 10_000))
    }
    return {**train, "test_batch": (data.held_out, data.held_out_labels)}


def small() -> tuple[np.ndarray, np.ndarray]:
    """A batch of 10,000: few images over and over, every label alike often."""
    return np.tile(noise(10, 32), (1000, 1, 1, 1)), np.arange(10_000) % 10


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both official forms, two training batches and the test batch each."""
    root = tmp_path_factory.mktemp("cifar10")
    images, labels = small()
    for folder, suffix, write in (
        ("cifar-10-batches-bin", ".bin", binary_batch),
        ("cifar-10-batches-py", "", python2_batch),
    ):
        (root / folder).mkdir()
        for k, name in enumerate(("data_batch_1", "data_batch_2", "test_batch")):
            (root / folder / f"{name}{suffix}").write_bytes(write(images, np.roll(labels, k)))
    return root


# --- the real images ----------------------------------------------------------------------------------------


def test_its_files_would_be_the_published_ones(real: DataSet) -> None:
    for name, (images, labels) in batches(real).items():
        if f"{name}.bin" in BINARY:
            assert hashlib.sha256(binary_batch(images, labels)).hexdigest() == BINARY[f"{name}.bin"]


def test_cifar10_is_cifar10(real: DataSet) -> None:
    assert real.train.shape[1:] == (3, 32, 32)
    assert real.held_out.shape == (10_000, 3, 32, 32)
    rows = real.held_out.transpose(0, 2, 3, 1)
    digest = hashlib.sha256(np.ascontiguousarray(rows)).hexdigest()
    assert digest == "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04"
    assert real.held_out_labels is not None
    assert np.bincount(real.held_out_labels).tolist() == [1000] * 10
    # The published channel means are those of all 50,000; of fewer, means of images scatter by 0.12.
    published = np.array([0.49139968, 0.48215841, 0.44653091])
    allowed = 5e-9 if len(real.train) == 50_000 else 4 * 0.12 / np.sqrt(len(real.train))
    np.testing.assert_allclose(real.train.mean((0, 2, 3)) / 255, published, rtol=0, atol=allowed)
    assert real.train_labels is not None
    counts = np.bincount(real.train_labels[:20_000]).tolist()
    assert counts == [1989, 1981, 2042, 2011, 2009, 1925, 2038, 2027, 2012, 1966]


def test_every_form_of_the_real_set_loads_alike(real: DataSet, tmp_path: Path) -> None:
    for folder, suffix, write in (
        ("cifar-10-batches-bin", ".bin", binary_batch),
        ("cifar-10-batches-py", "", python2_batch),
    ):
        place = tmp_path / folder / "cifar10" / folder
        place.mkdir(parents=True)
        for name, (images, labels) in batches(real).items():
            (place / f"{name}{suffix}").write_bytes(write(images, labels))
        data = datasets.load(CIFAR10, tmp_path / folder)
        assert data.fingerprint == real.fingerprint
        np.testing.assert_array_equal(data.train_labels, real.train_labels)
        np.testing.assert_array_equal(data.held_out_labels, real.held_out_labels)
        shutil.rmtree(place)


def test_one_class_is_all_of_its_images_and_no_others(real: DataSet, data_root: Path) -> None:
    total = 0
    for label, name in enumerate(CLASSES):
        data = datasets.load(CIFAR10.model_copy(update={"only": name}), data_root)
        assert real.train_labels is not None
        np.testing.assert_array_equal(data.train, real.train[real.train_labels == label])
        assert len(data.held_out) == 1000
        assert data.train_labels is data.held_out_labels is None
        total += len(data.train)
    assert total == len(real.train)


def test_the_names_of_the_classes_are_the_published_ones(data_root: Path) -> None:
    assert list(np.load(data_root / "cifar10/labels.npz")["names"]) == list(CLASSES)


# --- forms and places ---------------------------------------------------------------------------------------


def test_a_batch_reads_back_bit_for_bit(folders: Path) -> None:
    images, labels = small()
    for read, name in ((read_binary, "bin/data_batch_1.bin"), (read_pickled, "py/data_batch_1")):
        found, found_labels = read(folders / f"cifar-10-batches-{name}")
        np.testing.assert_array_equal(found, images)
        np.testing.assert_array_equal(found_labels, labels)
        assert found_labels.dtype == np.int64


def test_a_python_3_batch_reads_too(tmp_path: Path) -> None:
    images, labels = small()
    batch = {"data": images.reshape(10_000, 3072), "labels": labels.tolist(), "batch_label": b"one"}
    for protocol in (2, 4):
        (tmp_path / "a").write_bytes(pickle.dumps(batch, protocol))
        np.testing.assert_array_equal(read_pickled(tmp_path / "a")[0], images)


def test_binary_comes_before_python_before_sheets(folders: Path, tmp_path: Path) -> None:
    place = tmp_path / "cifar10"
    shutil.copytree(folders, place)
    images = noise(120, 32)
    write_sheet(place / "train_000-119.png", images)
    write_sheet(place / "test_0-9.png", images[:10])
    labels = np.arange(200) % 10
    np.savez(place / "labels.npz", train=labels, test=labels)
    seen = []
    for folder in ("cifar-10-batches-bin", "cifar-10-batches-py", None):
        seen.append({row.name: row.where for row in datasets.available(tmp_path)}["cifar10"])
        data = datasets.load(CIFAR10, tmp_path)
        if folder:
            shutil.rmtree(place / folder)
    assert seen == [
        f"{place / 'cifar-10-batches-bin'} (training rows 0 to 19999 of 50000)",
        f"{place / 'cifar-10-batches-py'} (training rows 0 to 19999 of 50000)",
        f"{place} (training rows 0 to 119 of 50000)",
    ]
    np.testing.assert_array_equal(data.train, images)
    np.testing.assert_array_equal(data.train_labels, labels[:120])
    np.testing.assert_array_equal(data.held_out_labels, labels[:10])


def test_missing_files_name_every_place_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        datasets.load(CIFAR10, tmp_path)
    for part in (str(tmp_path / "cifar10"), f" {tmp_path};", "--data-root", "birthday data fetch cifar10"):
        assert part in str(error.value)
    assert "\n" not in str(error.value)
    where = {row.name: row.where for row in datasets.available(None)}["cifar10"]
    assert where.startswith("not found: ")
    assert "no folder, as none was given" in where


# --- damage -------------------------------------------------------------------------------------------------


class Marker:
    """Unpickled by a reader that runs what it reads, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    path, marker = tmp_path / "data_batch_1", tmp_path / "marker"
    path.write_bytes(pickle.dumps({"data": Marker(marker)}))
    with pytest.raises(
        InputError, match=r"data_batch_1: not a readable .*asks for (posix|nt)\.mkdir; allowed"
    ):
        read_pickled(path)
    assert not marker.exists()
    pickle.loads(path.read_bytes())
    assert marker.exists()  # so the pickle would have


@pytest.mark.parametrize(
    ("gadget", "name"),
    [
        (b"cbuiltins\neval\n", "builtins.eval"),
        (b"cnumpy\nload\n", "numpy.load"),
        (b"cos\nsystem\n", "os.system"),
    ],
)
def test_no_other_name_is_known_to_the_unpickler(tmp_path: Path, gadget: bytes, name: str) -> None:
    (tmp_path / "a").write_bytes(b"\x80\x02" + gadget + b".")
    with pytest.raises(InputError, match=rf"asks for {name}"):
        read_pickled(tmp_path / "a")


DAMAGE: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "a batch cut short": ("bin/data_batch_2.bin", lambda b: b[:-1], "truncated: 30729999 bytes; .* 30730000"),
    "a batch cut between images": ("bin/test_batch.bin", lambda b: b[: 3073 * 9999], "truncated"),
    "a batch with more": ("bin/data_batch_1.bin", lambda b: b + b[:3073], "too long"),
    "an empty batch": ("bin/data_batch_1.bin", lambda b: b"", "truncated: 0 bytes"),
    "a label of ten": ("bin/data_batch_1.bin", lambda b: b"\x0a" + b[1:], "none of 0 to 9"),
    "no pickle": ("py/data_batch_1", lambda b: b"<html>404 Not Found</html>", "not a readable"),
    "half a pickle": ("py/data_batch_1", lambda b: b[: len(b) // 2], "not a readable"),
    "an empty pickle": ("py/test_batch", lambda b: b"", "not a readable"),
    "a list": ("py/test_batch", lambda b: pickle.dumps([1]), "no `data` of 10000 x 3072 bytes"),
    "no labels": (
        "py/test_batch",
        lambda b: pickle.dumps({"data": np.zeros((10_000, 3072), np.uint8)}, 2),
        "no `labels`, a list of 10000",
    ),
    "other images": (
        "py/test_batch",
        lambda b: pickle.dumps({"data": np.zeros((10, 3072), np.uint8)}, 2),
        "no `data` of 10000 x 3072 bytes",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_in_one_line(folders: Path, tmp_path: Path, damage: str) -> None:
    name, change, message = DAMAGE[damage]
    folder = f"cifar-10-batches-{name.split('/')[0]}"
    (tmp_path / folder).mkdir()
    for file in (folders / folder).iterdir():
        (tmp_path / folder / file.name).symlink_to(file)
    path = tmp_path / f"cifar-10-batches-{name}"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(change(content))
    with pytest.raises(InputError, match=message) as error:
        datasets.load(CIFAR10, tmp_path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_missing_batch_before_another_is_refused(folders: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name in ("data_batch_2.bin", "test_batch.bin"):
        (folder / name).symlink_to(folders / folder.name / name)
    with pytest.raises(InputError, match=r"data_batch_1.bin: is missing, and later batches are there"):
        datasets.load(CIFAR10, tmp_path)
    where = {row.name: row.where for row in datasets.available(tmp_path)}["cifar10"]
    assert where.startswith(f"not found: {folder / 'data_batch_1.bin'}: is missing")
    (folder / "data_batch_1.bin").symlink_to(folders / folder.name / "data_batch_1.bin")
    (folder / "test_batch.bin").unlink()
    with pytest.raises(InputError, match=r"test_batch.bin: cannot be read: No such file"):
        datasets.load(CIFAR10, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("labels", "labels.npz: cannot be read: its array 'train' must hold the labels"),
        ("few", "labels.npz: 'train' must hold the labels, 0 to 9, of at least 120 images"),
        ("ten", "labels.npz: 'test' must hold the labels, 0 to 9, of at least 10 images"),
        ("test", "test_.*webp is missing beside the other files"),
        ("begin", "begins with image 1; the first must be image 0"),
    ],
)
def test_sheets_without_what_belongs_to_them(tmp_path: Path, change: str, message: str) -> None:
    first = 1 if change == "begin" else 0
    write_sheet(tmp_path / f"train_{first}-{first + 119}.png", noise(120, 32))
    if change != "test":
        write_sheet(tmp_path / "test_0-9.png", noise(10, 32))
    if change != "labels":
        count = 119 if change == "few" else 120
        np.savez(
            tmp_path / "labels.npz", train=np.zeros(count, int), test=np.full(10, 10 * (change == "ten"))
        )
    with pytest.raises(InputError, match=message):
        datasets.load(CIFAR10, tmp_path)
