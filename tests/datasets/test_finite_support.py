"""Sets of known support size: the law, the draws, the images, the jitter."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from pipeline import datasets
from pipeline.datasets.finite_support import law, support, true_n2
from pipeline.errors import InputError
from pipeline.options import AtomLaw, Digits, FiniteSupport, UniformLaw, ZipfLaw
from pipeline.support import search_pairs, support_size

UNIFORM, ZIPF, ATOM = UniformLaw(name="uniform"), ZipfLaw(name="zipf"), AtomLaw(name="atom")
DIGITS = datasets.load(Digits(name="digits"), None)


def options(images: int = 200, size: int = 4000, **others: object) -> FiniteSupport:
    return FiniteSupport(name="finite_support", of="digits", images=images, size=size, **others)  # type: ignore[arg-type]


def drawn(train: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Which of the images each training sample is."""
    numbers = {image.tobytes(): k for k, image in enumerate(images)}
    return np.array([numbers[sample.tobytes()] for sample in train])


@pytest.mark.parametrize(
    ("images", "chosen", "expected"),
    [
        (160_000, UNIFORM, 160_000),
        (100_000, ZIPF, 88.9),
        (100_000, ZipfLaw(name="zipf", exponent=0.7), 3_419),
        (1_000_001, ATOM, 100),
        (1_000_001, AtomLaw(name="atom", mass=0.01), 9_903),
        (2, AtomLaw(name="atom", mass=0.5), 2),
    ],
)
def test_the_true_support_size(images: int, chosen: UniformLaw | ZipfLaw | AtomLaw, expected: float) -> None:
    assert true_n2(options(images, law=chosen)) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_zipf_by_generalised_harmonic_numbers(exponent: float) -> None:
    chosen = options(500, law=ZipfLaw(name="zipf", exponent=exponent))
    h, h2 = (math.fsum(k**-a for k in range(1, 501)) for a in (exponent, 2 * exponent))
    assert true_n2(chosen) == pytest.approx(h**2 / h2, rel=1e-12)


@pytest.mark.parametrize("chosen", [UNIFORM, ZIPF, ATOM])
def test_draws_follow_the_law_over_distinct_real_images(chosen: UniformLaw | ZipfLaw | AtomLaw) -> None:
    named = options(law=chosen)
    data = datasets.load(named, None)
    indices = support(named, DIGITS.train)
    assert len(set(indices.tolist())) == 200
    items = drawn(data.train, DIGITS.train[indices])
    expected = 4000 * law(named)
    assert stats.chisquare(np.bincount(items, minlength=200), expected).pvalue > 1e-3
    assert DIGITS.train_labels is not None
    np.testing.assert_array_equal(data.train_labels, DIGITS.train_labels[indices][items])
    np.testing.assert_array_equal(data.held_out, DIGITS.held_out)
    np.testing.assert_array_equal(data.held_out_labels, DIGITS.held_out_labels)


@pytest.mark.parametrize("chosen", [UNIFORM, ZIPF, ATOM])
def test_the_ruler_measures_the_truth(chosen: UniformLaw | ZipfLaw | AtomLaw) -> None:
    data = datasets.load(options(law=chosen), None)
    (exact,) = search_pairs(data.train.reshape(4000, -1).astype(np.float32), [0.0]).near
    found = support_size(exact.degrees, exact.labels)
    assert found.n2_high is not None
    assert found.n2_low <= true_n2(options(law=chosen)) <= found.n2_high


def test_fewer_images_are_among_more_and_a_larger_set_begins_with_the_smaller() -> None:
    few, many = (support(options(n), DIGITS.train) for n in (50, 800))
    np.testing.assert_array_equal(many[:50], few)
    small, large = (datasets.load(options(size=n), None).train for n in (100, 2000))
    np.testing.assert_array_equal(large[:100], small)
    other = datasets.load(options(size=100, law=ZIPF), None).train
    assert (other != small).reshape(100, -1).any(1).mean() > 0.9


def test_copies_in_the_real_set_do_not_count_twice() -> None:
    images = np.repeat(DIGITS.train[:30], 4, axis=0)
    chosen = images[support(options(30), images)]
    assert len({image.tobytes() for image in chosen}) == 30
    with pytest.raises(InputError) as error:
        support(options(31), images)
    assert str(error.value) == "dataset.images: 31: digits has 30 distinct training images; allowed: 1 to 30"


def test_jitter_is_gaussian_noise_on_every_pixel_of_every_draw() -> None:
    plain = datasets.load(options(), None).train.astype(float)
    noisy = datasets.load(options(jitter=0.04), None).train
    noise = noisy - plain
    inside = (plain > 60) & (plain < 195)  # 5.9 standard deviations from clipping
    values = noise[inside]
    assert values.mean() == pytest.approx(0, abs=5 * 10.2 / math.sqrt(values.size))
    # Rounding adds a variance of 1 / 12.
    expected = math.sqrt(10.2**2 + 1 / 12)
    assert values.std() == pytest.approx(expected, rel=5 / math.sqrt(2 * values.size))
    assert len({sample.tobytes() for sample in noisy}) == 4000
    assert noise[plain == 0].min() == 0
    assert noise[plain == 255].max() == 0


def test_more_images_than_there_are() -> None:
    with pytest.raises(InputError) as error:
        datasets.load(options(1298), None)
    message = "dataset.images: 1298: digits has 1297 distinct training images; allowed: 1 to 1297"
    assert str(error.value) == message


def test_an_atom_alone_is_refused() -> None:
    with pytest.raises(
        ValidationError, match="images: 1: an atom needs others beside it; allowed: 2 or more"
    ):
        options(1, law=ATOM)


@pytest.mark.parametrize(
    ("of", "shape"), [("mnist", (1, 28, 28)), ("fashion_mnist", (1, 28, 28)), ("cifar10", (3, 32, 32))]
)
def test_every_set_that_may_be_named(of: str, shape: tuple[int, ...], data_root: Path) -> None:
    chosen = FiniteSupport(name="finite_support", of=of, images=20, size=500)  # type: ignore[arg-type]
    data = datasets.load(chosen, data_root)
    assert data.sample_shape == shape
    assert len({sample.tobytes() for sample in data.train}) == 20
    assert len(data.held_out) == 10_000


def test_a_base_set_that_is_missing_is_named(tmp_path: Path) -> None:
    chosen = FiniteSupport(name="finite_support", of="mnist")
    with pytest.raises(InputError, match="dataset 'mnist': no train-images"):
        datasets.load(chosen, tmp_path)
