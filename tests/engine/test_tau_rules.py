"""tau rules through the engine: from people's judgments, from augmentations, fixed for each embedding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline import InputError, run
from pipeline.engine.execute import measure
from pipeline.store.run import Run
from pipeline.store.schemas import SCHEMAS
from tests.engine.tools import TINY, study

ONE = ["vary.discriminator.width=[4]", "vary.seed=[0]", "measure.review_pairs=6", "measure.tau_ladder=[]"]


def judge(found: Run, tau: float) -> None:
    """A rater who calls every pair nearer than tau a duplicate."""
    rows = found.table("candidates")
    near = np.where(rows["distance"] <= tau, "duplicate", "different")
    rows = rows.assign(rater="ann", label=near, position=range(len(rows)), seconds=1.0)
    rows["labelled_at"] = pd.Timestamp("2026-01-01", tz="UTC")
    records = rows[[name for name in SCHEMAS["labels"].names if name in rows]].to_dict("records")
    with found.writing():
        found.save_labels("ann", records)


def test_tau_is_where_people_stop_seeing_duplicates(runs: Path) -> None:
    found = run(study(TINY, *ONE), runs, engine="inline", mirror=False)
    human = study(TINY, *ONE, "measure.tau={rule: human}")
    with pytest.raises(InputError, match=r"measure\.tau: rule human: the run holds no judgments .*pixels"):
        measure(found.root, human, engine="inline")
    judge(found, 1.3)
    assert measure(found.root, human, engine="inline") == 1
    rows = found.table("collisions")
    rows = rows[rows["tau_rule"] == "human(0.5)"]
    assert set(rows["source"]) == {"generated", "real", "finite_support"}
    (tau,) = set(rows["tau"])
    distances = np.sort(found.table("labels")["distance"])
    below, above = distances[distances <= 1.3][-1], distances[distances > 1.3][0]
    assert below - 0.05 <= tau <= above + 0.05


def test_augmentation_and_fixed_taus(runs: Path) -> None:
    for rule, check in (
        ("{rule: augmentation, quantile: 0.5, shift: 0, noise: 0.05}", 0.05 * np.sqrt(63.5)),
        ("{rule: fixed, value: {pixels: 1.25}}", 1.25),
    ):
        found = run(study(TINY, *ONE, f"measure.tau={rule}"), runs / rule[7], engine="inline", mirror=False)
        (tau,) = set(found.table("collisions")["tau"])
        # Half of the black pixels' noise is clipped away.
        assert 0.7 * check <= tau <= check


def test_fewer_samples_than_a_copying_test_needs(runs: Path) -> None:
    found = run(study(TINY, *ONE, "measure.samples=10"), runs, engine="inline", mirror=False)
    assert set(found.table("trials")["status"]) == {"completed"}
    assert found.table("quality")["data_copying"].isna().all()


def test_a_folder_of_hardly_any_images(runs: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(20):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / f"{k}.png")
    folder = f"base.dataset={{name: image_folder, path: {tmp_path}, size: 8, channels: 1}}"
    few = [folder, "base.train_samples=10", "controls={}", "measure.tau={rule: fixed, value: 1.0}"]
    found = run(study(TINY, *ONE, *few), runs, engine="inline", mirror=False)
    assert set(found.table("trials")["status"]) == {"completed"}
