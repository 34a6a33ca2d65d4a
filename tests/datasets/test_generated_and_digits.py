"""The sets that need no files: digits and the Gaussian mixtures; and the registry."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from pipeline import datasets, options
from pipeline.datasets.digits import split
from pipeline.options import Digits, GaussianGrid, GaussianRing

DIGITS = Digits(name="digits")
RING, GRID = GaussianRing(name="gaussian_ring"), GaussianGrid(name="gaussian_grid")


def test_digits_are_scikit_learns_digits_each_once() -> None:
    data = datasets.load(DIGITS, None)
    original = load_digits()
    assert data.train.shape == (1297, 1, 8, 8)
    assert data.held_out.shape == (500, 1, 8, 8)
    assert data.train_labels is not None
    assert data.held_out_labels is not None
    train, held_out = split(1797)
    assert sorted([*train, *held_out]) == list(range(1797))
    for indices, images, labels in (
        (train, data.train, data.train_labels),
        (held_out, data.held_out, data.held_out_labels),
    ):
        np.testing.assert_array_equal(labels, original.target[indices])
        # 17 levels, spread over 0..255: going back loses nothing.
        np.testing.assert_array_equal(np.rint(images[:, 0] / 255 * 16), original.images[indices])
    assert {int(data.train.min()), int(data.train.max())} == {0, 255}
    both = np.bincount(data.train_labels) + np.bincount(data.held_out_labels)
    assert both.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_no_held_out_digit_is_among_the_training_digits() -> None:
    data = datasets.load(DIGITS, None)
    seen = {image.tobytes() for image in data.train}
    assert not any(image.tobytes() in seen for image in data.held_out)


def test_the_split_of_the_digits_never_moves() -> None:
    # Every published number on digits rests on this split.
    assert datasets.load(DIGITS, None).fingerprint == "07d8d4a3c1adc2fd"


def test_ring_modes_stand_on_the_circle() -> None:
    data = datasets.load(RING.model_copy(update={"modes": 4, "radius": 2.0, "size": 100}), None)
    assert data.modes is not None
    np.testing.assert_allclose(data.modes, [[2, 0], [0, 2], [-2, 0], [0, -2]], atol=1e-6)


def test_grid_modes_are_the_published_grid() -> None:
    data = datasets.load(GRID.model_copy(update={"size": 100}), None)
    assert data.modes is not None
    assert sorted(map(tuple, data.modes.tolist())) == [
        (x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)
    ]


@pytest.mark.parametrize("chosen", [RING, GRID])
def test_mixtures_are_equal_gaussians_about_their_modes(chosen: GaussianRing | GaussianGrid) -> None:
    data = datasets.load(chosen, None)
    assert data.modes is not None
    for points, labels, n in (
        (data.train, data.train_labels, 100_000),
        (data.held_out, data.held_out_labels, 10_000),
    ):
        assert points.shape == (n, 2)
        assert points.dtype == np.float32
        assert labels is not None
        share = 1 / len(data.modes)
        counts = np.bincount(labels, minlength=len(data.modes))
        assert abs(counts - n * share).max() < 5 * np.sqrt(n * share * (1 - share))
        noise = (points.astype(np.float64) - data.modes[labels]) / chosen.std
        assert abs(noise.mean(0)).max() < 5 / np.sqrt(n)
        assert abs(noise.std(0) - 1).max() < 5 / np.sqrt(2 * n)
        # In the plane 1 - exp(-9/2) of a Gaussian lies within 3 standard deviations.
        within = (np.hypot(*noise.T) <= 3).mean()
        assert within == pytest.approx(1 - np.exp(-4.5), abs=5 * np.sqrt(0.0111 * 0.9889 / n))
    train = {point.tobytes() for point in data.train}
    assert not any(point.tobytes() in train for point in data.held_out)


def test_a_larger_mixture_begins_with_the_smaller_and_other_parameters_draw_anew() -> None:
    small, large = (datasets.load(RING.model_copy(update={"size": n}), None) for n in (50, 500))
    np.testing.assert_array_equal(large.train[:50], small.train)
    np.testing.assert_array_equal(large.held_out[:50], small.held_out)
    other = datasets.load(RING.model_copy(update={"size": 500, "std": 0.02}), None)
    assert large.modes is not None
    assert other.modes is not None
    a = (large.train - large.modes[large.train_labels]) / 0.01
    b = (other.train - other.modes[other.train_labels]) / 0.02
    assert abs(np.corrcoef(a[:, 0], b[:, 0])[0, 1]) < 0.25


SCRIPT = """
import sys
from pipeline import datasets, options as o
ring, grid = o.GaussianRing(name="gaussian_ring"), o.GaussianGrid(name="gaussian_grid")
for chosen in (o.Digits(name="digits"), ring, grid):
    data = datasets.load(chosen, None)
    print(data.name, data.fingerprint, data.subset(20, 3).tolist())
print("torch" in sys.modules)
"""


def test_every_process_sees_the_same_data_and_none_imports_torch() -> None:
    outputs = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        found = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
        )
        outputs.add(found.stdout)
    assert len(outputs) == 1
    lines = outputs.pop().splitlines()
    assert lines[-1] == "False"
    here = datasets.load(RING, None)
    assert lines[1] == f"gaussian_ring {here.fingerprint} {here.subset(20, 3).tolist()}"


def test_every_name_a_study_may_write_has_a_loader() -> None:
    assert list(datasets.DATASETS) == list(options.choices(options.DatasetOptions))


def test_available_says_where_or_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIRTHDAY_DATA", raising=False)
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist/train-images-idx3-ubyte.gz").touch()
    found = {name: (description, where) for name, description, where in datasets.available(tmp_path)}
    assert set(found) == set(datasets.DATASETS)
    assert all(description for description, _ in found.values())
    assert found["mnist"][1] == str(tmp_path / "mnist")
    assert found["digits"][1] == "inside scikit-learn"
    missing = {name: where for name, _, where in datasets.available(None)}["mnist"]
    assert missing.startswith("not found: ")
    assert "BIRTHDAY_DATA" in missing
