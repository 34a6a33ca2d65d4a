"""Random streams: named, independent, sequential."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from pipeline.seeds import stream


def test_a_longer_draw_begins_with_the_shorter_one() -> None:
    long = stream("trial", "latents").standard_normal((1000, 7), np.float32)
    for count in (1, 13, 999):
        np.testing.assert_array_equal(
            stream("trial", "latents").standard_normal((count, 7), np.float32), long[:count]
        )


def test_names_give_independent_streams() -> None:
    names = [(f"trial{k}", role) for k in range(20) for role in ("a", "b")]
    draws = np.array([stream(*name).standard_normal(2000) for name in names])
    correlations = np.corrcoef(draws)[np.triu_indices(len(names), 1)]
    # 780 correlations of sd 1/sqrt(2000): the largest is within 4.5 sd (Bonferroni at 0.5 %).
    assert np.abs(correlations).max() < 4.5 / np.sqrt(2000)
    assert stream("ab", "c").random() != stream("a", "bc").random()


def test_streams_are_the_same_in_every_process() -> None:
    code = "from pipeline.seeds import stream; print(stream('x', 'y').integers(2**62))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(other) == int(stream("x", "y").integers(2**62))
