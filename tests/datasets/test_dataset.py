"""DataSet: nested subsets, fingerprints, read-only arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets import DataSet
from pipeline.errors import InputError


def points(n: int = 60, name: str = "some") -> DataSet:
    rng = np.random.default_rng(1)
    return DataSet(name, rng.random((n, 2), np.float32), rng.random((10, 2), np.float32))


@given(counts=st.lists(st.integers(1, 60), min_size=2, max_size=2), seed=st.integers(0, 2**63))
def test_subsets_of_a_seed_are_nested_and_draw_nothing_twice(counts: list[int], seed: int) -> None:
    small, large = sorted(counts)
    data = points()
    first, second = data.subset(small, seed), data.subset(large, seed)
    assert second.dtype == np.int64
    assert second.shape == (large,)
    np.testing.assert_array_equal(first, second[:small])
    assert len(set(second.tolist())) == large
    assert set(second.tolist()) <= set(range(60))


@given(st.integers(0, 2**31), st.integers(0, 2**31))
def test_seeds_give_other_subsets(a: int, b: int) -> None:
    assert (points().subset(60, a) == points().subset(60, b)).all() == (a == b)


def test_the_whole_training_set_is_a_subset() -> None:
    assert sorted(points().subset(60, 0)) == list(range(60))


def test_every_sample_is_as_likely_to_be_drawn() -> None:
    data = points(10)
    counts = np.bincount(np.concatenate([data.subset(3, seed) for seed in range(4000)]), minlength=10)
    assert abs(counts - 1200).max() < 5 * np.sqrt(1200 * 0.7)


@pytest.mark.parametrize("count", [0, -1, 61])
def test_a_subset_that_cannot_be_names_key_value_and_what_is_allowed(count: int) -> None:
    with pytest.raises(InputError) as error:
        points().subset(count, 0)
    message = f"train_samples: {count}: some has 60 training samples; allowed: 1 to 60"
    assert str(error.value) == message


def images(shape: tuple[int, ...] = (4, 1, 8, 8)) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int64).astype(np.uint8).reshape(shape)


@pytest.mark.parametrize("which", ["train", "held_out"])
def test_one_changed_pixel_changes_the_fingerprint(which: str) -> None:
    arrays = {"train": images(), "held_out": images((2, 1, 8, 8))}
    before = DataSet("x", **{k: v.copy() for k, v in arrays.items()})
    arrays[which][1, 0, 3, 3] ^= 1
    after = DataSet("x", **arrays)
    assert len(before.fingerprint) == 16
    assert int(before.fingerprint, 16) >= 0
    assert before.fingerprint != after.fingerprint


def test_the_fingerprint_knows_names_shapes_kinds_and_which_part_a_sample_is_in() -> None:
    flat = images((8, 1, 8, 8)).reshape(-1)

    def of(name: str, n: int, shape: tuple[int, ...]) -> str:
        samples = flat.reshape(-1, *shape).copy()
        return DataSet(name, samples[:n].copy(), samples[n:].copy()).fingerprint

    found = {of("x", 4, (1, 8, 8)), of("y", 4, (1, 8, 8)), of("x", 5, (1, 8, 8)), of("x", 4, (4, 4, 4))}
    floats = flat.view(np.float32).reshape(-1, 64)
    found.add(DataSet("x", floats[:1].copy(), floats[1:].copy()).fingerprint)
    assert len(found) == 5
    assert of("x", 4, (1, 8, 8)) == of("x", 4, (1, 8, 8))


def test_memory_layout_does_not_change_the_fingerprint() -> None:
    one = DataSet("x", images(), images())
    other = DataSet("x", np.asfortranarray(images()), images())
    assert one.fingerprint == other.fingerprint


def test_arrays_are_read_only() -> None:
    labels = np.zeros(4, np.int64)
    data = DataSet("x", images(), images(), labels, labels.copy())
    for array in (data.train, data.held_out, data.train_labels, data.held_out_labels):
        assert array is not None
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    copied = data.train[data.subset(2, 0)]
    copied[0] = 0  # a subset's samples are the caller's own


@pytest.mark.parametrize(
    ("train", "held_out"),
    [
        (images().astype(np.float32), images()),
        (images(), images((4, 1, 8, 4))),
        (np.zeros((4, 2)), np.zeros((4, 2))),
        (np.zeros(4, np.float32), np.zeros(4, np.float32)),
    ],
)
def test_other_kinds_of_arrays_are_refused(train: np.ndarray, held_out: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"points|shape"):
        DataSet("x", train, held_out)


def test_images_and_points_know_what_they_are() -> None:
    assert not points().is_images
    assert points().sample_shape == (2,)
    data = DataSet("x", images(), images())
    assert data.is_images
    assert data.sample_shape == (1, 8, 8)
