"""The training samples as a generator: the ruler must find as many as there are."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.support import search_pairs, support_size
from pipeline.training import sample
from tests.systems.games import trial
from tests.systems.unfitted import begun, ring_of


@pytest.mark.parametrize("seed", range(3))
def test_support_size_is_the_number_of_training_samples(seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (500, 1, 8, 8)).astype(np.uint8)
    config = trial("training_set", train_samples=500, seed=seed)
    drawn = sample(*begun(config, images), 4000, config.id).reshape(4000, -1)
    (near,) = search_pairs(drawn, [1e-6]).near
    found = support_size(near.degrees, near.labels, confidence=0.999)
    assert found.n2_high is not None
    assert found.n2_low <= 500 <= found.n2_high
    # 15,996 collisions are expected, so 500 is found to within 3 %.
    assert found.n2 == pytest.approx(500, rel=0.03)


def test_every_sample_is_a_training_sample() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 8, 8)).astype(np.uint8)
    config = trial("training_set")
    drawn = np.rint(sample(*begun(config, images), 1000, config.id) * 255).astype(np.uint8)
    assert {image.tobytes() for image in drawn} == {image.tobytes() for image in images}


def test_the_ring_is_the_ring() -> None:
    found = ring_of(trial("training_set", train_samples=10_000))
    assert found.modes == 8
    # 98.889 % of a Gaussian in the plane lie within 3 sd; four standard errors of 2,500 samples are 0.8 %.
    assert found.high_quality == pytest.approx(0.98889, abs=0.0084)
