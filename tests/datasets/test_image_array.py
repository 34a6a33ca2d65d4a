"""Arrays of images: the shapes that are read, the names of an `.npz`, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets.places import fixed_split
from pipeline.errors import InputError
from pipeline.options import ImageArray
from tests.datasets.image_files import noise

COLOUR = noise(40, 8)
GREY = COLOUR[:, :1]
LABELS = np.arange(40, dtype=np.int32)


def options(path: Path | str) -> ImageArray:
    return ImageArray(name="image_array", path=str(path))


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 2, 3, 1), COLOUR),
        (np.asfortranarray(COLOUR), COLOUR),
        (GREY, GREY),
        (GREY[:, 0], GREY),
        (GREY.transpose(0, 2, 3, 1), GREY),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_channels_first_last_or_none(
    tmp_path: Path, array: np.ndarray, wanted: np.ndarray, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    np.save(path, array) if suffix == ".npy" else np.savez_compressed(path, images=array)
    data = datasets.load(options(path), None)
    train, held_out = fixed_split("", "image_array", 40)
    np.testing.assert_array_equal(data.train, wanted[train])
    np.testing.assert_array_equal(data.held_out, wanted[held_out])
    assert len(held_out) == 12
    assert data.train_labels is None


def test_labels_go_with_their_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=COLOUR, labels=LABELS)
    data = datasets.load(options("a.npz"), tmp_path)
    for images, labels in ((data.train, data.train_labels), (data.held_out, data.held_out_labels)):
        assert labels is not None
        assert labels.dtype == np.int64
        np.testing.assert_array_equal(images, COLOUR[labels])


def test_a_held_out_part_of_its_own_is_kept(tmp_path: Path) -> None:
    parts = {"images": COLOUR, "held_out": COLOUR[:5] + 1, "labels": LABELS, "held_out_labels": LABELS[:5]}
    np.savez(tmp_path / "a.npz", **parts)
    data = datasets.load(options("a.npz"), tmp_path)
    np.testing.assert_array_equal(data.train, COLOUR)
    np.testing.assert_array_equal(data.held_out, COLOUR[:5] + 1)
    np.testing.assert_array_equal(data.train_labels, LABELS)
    np.testing.assert_array_equal(data.held_out_labels, LABELS[:5])


REFUSED: dict[str, tuple[dict[str, np.ndarray], str]] = {
    "no images": (
        {"x": COLOUR},
        r"holds x; allowed: images, and beside it labels, held_out, held_out_labels",
    ),
    "something else": ({"images": COLOUR, "y": LABELS}, r"holds images, y; allowed"),
    "floats": ({"images": COLOUR / 255}, r"images: float64 of shape \(40, 3, 8, 8\); allowed: uint8"),
    "two channels": ({"images": COLOUR[:, :2]}, r"images: uint8 of shape \(40, 2, 8, 8\); allowed"),
    "one image": ({"images": COLOUR[0, 0]}, r"images: uint8 of shape \(8, 8\); allowed"),
    "empty": ({"images": COLOUR[:0]}, r"images: uint8 of shape \(0, 3, 8, 8\); allowed"),
    "fewer labels": (
        {"images": COLOUR, "labels": LABELS[:39]},
        r"labels: int32 of shape \(39,\); allowed: 40 int",
    ),
    "real labels": (
        {"images": COLOUR, "labels": LABELS / 2},
        r"labels: float64 of shape \(40,\); allowed: 40",
    ),
    "labels of nothing": (
        {"images": COLOUR, "held_out_labels": LABELS},
        r"held_out_labels: .* allowed: 0 int",
    ),
    "two shapes": ({"images": COLOUR, "held_out": GREY}, r"images and held_out differ in shape"),
    "few": ({"images": COLOUR[:19]}, r"holds 19 images; at least 20 are needed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_anything_else_is_one_line(tmp_path: Path, case: str) -> None:
    arrays, message = REFUSED[case]
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=message) as error:
        datasets.load(options(tmp_path / "a.npz"), None)
    assert str(error.value).startswith(f"{tmp_path / 'a.npz'}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_damage_is_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    np.save(path, COLOUR) if suffix == ".npy" else np.savez_compressed(path, images=COLOUR)
    whole = path.read_bytes()
    for content in (b"", b"<html>404 Not Found</html>", whole[:50], whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"not a readable \.npy or \.npz file: ") as error:
            datasets.load(options(path), None)
        assert str(error.value).startswith(f"{path}: ")
        assert "\n" not in str(error.value)


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputError, match="not a readable"):
        datasets.load(options(tmp_path / "a.npy"), None)


def test_a_missing_file_names_every_place(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        datasets.load(options("a.npy"), tmp_path)
    assert str(error.value) == f"dataset.path: 'a.npy': no such file; looked for {tmp_path / 'a.npy'}, a.npy"
