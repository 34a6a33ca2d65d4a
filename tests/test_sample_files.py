"""Samples of other people's models: what files are taken, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import InputError
from pipeline.sample_files import load_samples

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((5, 7), "float64", (5, 7)),
        ((5, 7), "uint8", (5, 7)),
        ((5, 3, 6, 8), "uint8", (5, 3, 6, 8)),
        ((5, 6, 8, 3), "uint8", (5, 3, 6, 8)),
        ((5, 6, 8, 1), "float32", (5, 1, 6, 8)),
        ((5, 1, 6, 8), "float16", (5, 1, 6, 8)),
    ],
)
def test_arrays(shape: tuple[int, ...], dtype: str, expected: tuple[int, ...], tmp_path: Path) -> None:
    x = RNG.integers(0, 2, shape).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    found = load_samples(tmp_path / "x.npy")
    assert found.shape == expected
    assert found.dtype == ("uint8" if dtype == "uint8" and len(shape) == 4 else "float32")
    back = found if found.shape == shape else found.transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(back, x)


def test_archives(tmp_path: Path) -> None:
    x, y = RNG.random((4, 3)), RNG.random((6, 2))
    np.savez(tmp_path / "one.npz", x)
    np.savez_compressed(tmp_path / "two.npz", fake=x, real=y)
    np.testing.assert_array_equal(load_samples(tmp_path / "one.npz"), x.astype(np.float32))
    np.testing.assert_array_equal(load_samples(tmp_path / "two.npz", "real"), y.astype(np.float32))
    for name, message in ((None, "choose one with --array; it holds fake, real"), ("z", "has no array 'z'")):
        with pytest.raises(InputError, match=message):
            load_samples(tmp_path / "two.npz", name)
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(InputError, match="without a name"):
        load_samples(tmp_path / "x.npy", "fake")


def test_folders(tmp_path: Path) -> None:
    images = RNG.integers(0, 256, (3, 5, 4, 3), dtype=np.uint8)
    for k, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{k}.png")
    np.testing.assert_array_equal(load_samples(tmp_path), images.transpose(0, 3, 1, 2))
    grey = tmp_path / "grey"
    grey.mkdir()
    for k, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(grey / f"{k}.png")
    np.testing.assert_array_equal(load_samples(grey)[:, 0], images[..., 0])
    Image.fromarray(images[0, :4]).save(grey / "odd.png")
    with pytest.raises(InputError, match=r"odd\.png: is 4x4, the first image 4x5"):
        load_samples(grey)
    (grey / "odd.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"odd\.png: not a readable image"):
        load_samples(grey)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros(5), "allowed: numbers"),
        (np.zeros((5, 2), complex), "complex128"),
        (np.zeros((5, 2, 6, 8)), "1 or 3 channels"),
        (np.zeros((1, 3)), "holds 1 sample"),
        (np.full((4, 3), np.nan), "NaN or infinity"),
        (np.array([{}, {}]), "neither .npy"),
    ],
)
def test_what_is_no_sample(content: np.ndarray, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", content, allow_pickle=True)
    with pytest.raises(InputError, match=message) as caught:
        load_samples(tmp_path / "x.npy")
    assert "\n" not in str(caught.value)


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((50, 9)))
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole[:-100])
    (tmp_path / "text.npy").write_text("0 1 2")
    for name, message in (("x.npy", "neither"), ("text.npy", "neither"), ("none.npy", "no such file")):
        with pytest.raises(InputError, match=message):
            load_samples(tmp_path / name)
