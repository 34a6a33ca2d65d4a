"""`birthday measure-samples` on samples whose support is known, and large searches tile by tile."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist

from pipeline.engine.engines import Inline
from pipeline.engine.tiles import search_tiles
from pipeline.study import ResourceOptions
from pipeline.support import search_pairs
from tests.engine.tools import Command

KEYS = {"samples", "pairs", "collisions", "tau", "n2", "n2_low", "n2_high", "method", "clusters"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Generated: 50 items far apart with unit noise. Real: a Gaussian."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "generated.npy", rng.integers(0, 50, (2000, 1)) * 100 + rng.normal(size=(2000, 3)))
    np.save(tmp_path / "real.npy", rng.normal(size=(600, 3)))
    return tmp_path


def test_json_of_a_known_law(birthday: Command, files: Path) -> None:
    said = birthday("measure-samples", files / "generated.npy", "--tau", "1.5", "--json")
    assert (said.code, said.err) == (0, "")
    found = json.loads(said.out)
    assert found.keys() >= KEYS | {"largest_cluster_mass", "embedding_id", "estimates"}
    assert (found["samples"], found["pairs"], found["tau"]) == (2000, 1999000, 1.5)
    # Two samples of one item differ by N(0, 2 I_3).
    assert found["n2_low"] < 50 / stats.chi2.cdf(1.5**2 / 2, 3) < found["n2_high"]
    assert found["largest_cluster_mass"] == pytest.approx(0.02, abs=0.01)


def test_a_rule_and_quality_from_a_reference(birthday: Command, files: Path) -> None:
    words = ["measure-samples", files / "real.npy", "--reference", files / "real.npy", "--json"]
    found = json.loads(birthday(*words, "--tau-rule", "real_quantile:0.01").out)
    distances = np.sort(pdist(np.load(files / "real.npy").astype(np.float32).astype(float)))
    assert found["tau"] == pytest.approx(distances[1797 - 1], rel=1e-6)  # the ceil(0.01 * 179,700)-th
    assert found["collisions"] == 1797
    assert found["n2"] == found["n2_real"] == pytest.approx(100, rel=1e-3)
    assert (found["ratio_to_real"], found["precision"], found["coverage"]) == (1, 1, 1)


def test_unbounded_is_null(birthday: Command, files: Path) -> None:
    said = birthday("measure-samples", files / "real.npy", "--tau", "1e-9", "--json")
    found = json.loads(said.out)
    assert (found["n2"], found["n2_high"], found["collisions"], found["method"]) == (
        None,
        None,
        0,
        "lower_bound",
    )
    assert found["n2_low"] == pytest.approx(600 * 599 / 2 / 2.9957, rel=1e-4)
    assert "at least" in birthday("measure-samples", files / "real.npy", "--tau", "1e-9").out


def test_images_under_a_learned_embedding(birthday: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    items = rng.integers(0, 256, (30, 8, 8, 1), dtype=np.uint8)
    np.savez(tmp_path / "fake.npz", fake=items[rng.integers(0, 30, 500)], more=items)
    np.save(tmp_path / "real.npy", rng.integers(0, 256, (400, 8, 8, 1), dtype=np.uint8))
    words = [
        "measure-samples",
        tmp_path / "fake.npz",
        "--array",
        "fake",
        "--reference",
        tmp_path / "real.npy",
    ]
    options = ["--embedding", "{name: pixels_whitened, components: 10}", "--tau-rule", "augmentation:0.1"]
    said = birthday(*words, *options, "--json")
    assert (said.code, said.err) == (0, "")
    found = json.loads(said.out)
    assert found["embedding"] == "pixels_whitened(components=10)"
    assert found["tau_rule"].startswith("augmentation(0.1")
    assert found["n2_low"] <= 30
    assert birthday(*words, *options).out.splitlines()[0].split()[:2] == ["samples", "500"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "tau: give --tau, or --reference"),
        (["--tau", "1", "--tau-rule", "augmentation"], "--tau and --tau-rule: give one"),
        (["--tau", "1", "--embedding", "pixel"], "--embedding pixel: name: 'pixel' is not one of pixels"),
        (["--tau", "1", "--embedding", "{name"], "must be a name or a group"),
        (["--tau", "1", "--embedding", "classifier"], "needs labels"),
        (["--tau", "1", "--embedding", "pixels_whitened"], "give --reference"),
        (["--tau", "1", "--embedding", "perceptual_hash"], "perceptual_hash"),
        (["--tau", "1", "--reference", "missing.npy"], "missing.npy: no such file"),
        (["--reference", "real.npy", "--tau-rule", "human"], "allowed: real_quantile, augmentation"),
        (["--reference", "real.npy", "--tau-rule", "real_quantile:2"], "should be less than 1"),
        (["--reference", "real.npy", "--tau-rule", "real_quantile:1e-6"], "at least 10 are needed"),
        (["--reference", "real.npy", "--tau-rule", "augmentation"], "needs 8-bit images"),
        (["--tau", "1", "--engine", "slurm"], "--engine slurm: is not one of"),
    ],
)
def test_mistakes_are_one_line(
    birthday: Command, files: Path, words: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    said = birthday("measure-samples", "generated.npy", *words)
    assert said.code == 2
    assert message in said.err
    assert said.err.count("\n") == 1


def test_tiles_of_an_engine_are_the_whole(local_ray: None) -> None:
    from pipeline.engine.ray_engine import RayEngine

    x = np.random.default_rng(3).integers(0, 12, size=(1500, 4)).astype(np.float32)
    whole = search_pairs(x, [1.0, 2.0], closest=50)
    for worker in (Inline(), RayEngine(ResourceOptions())):
        parts = search_tiles(worker, x, [1.0, 2.0], closest=50, side=400)
        for a, b in zip(whole.closest + whole.histogram, parts.closest + parts.histogram, strict=True):
            np.testing.assert_array_equal(a, b)
        for near, other in zip(whole.near, parts.near, strict=True):
            for a, b in zip(near, other, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("samples", [2, 3, 4])
def test_hardly_any_samples(birthday: Command, files: Path, samples: int) -> None:
    np.save(files / "few.npy", np.eye(4)[:samples])
    words = ["measure-samples", files / "few.npy", "--reference", files / "few.npy", "--tau", "0.1"]
    said = birthday(*words, "--json")
    assert (said.code, said.err) == (0, "")
    found = json.loads(said.out)
    assert found["n2"] is None
    assert found["n2_low"] >= 1
    assert (found["precision"] is None) == (samples < 4)
    assert birthday(*words).code == 0
