"""Known modes are counted for real samples and for every trial; labels and inputs are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import run
from pipeline.engine.mode_counter import ModeCounter
from pipeline.errors import InputError
from pipeline.study import Study

CORNERS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)


def study(**changes: Any) -> Study:
    base: dict[str, Any] = {
        "dataset": {"name": "gaussian_ring", "size": 400},
        "generator": {"name": "mlp", "width": 8},
        "discriminator": {"name": "mlp", "width": 8},
        "objective": {"name": "hinge"},
        "train_samples": 200,
        "training": {"steps": 2, "batch_size": 8, "ticks": 1},
    }
    measure = {"samples": 100, "tau": {"rule": "real_quantile", "quantile": 0.01}, "tau_ladder": []}
    rows = changes.pop("rows", [{"train_samples": 200}])
    document = {"study": "modes", "question": "?", "base": base | changes, "vary": {"rows": rows}}
    return Study.parse(document | {"measure": measure})


def test_a_counter_by_hand() -> None:
    # Three samples at one corner, one at another, one nowhere: shares 3/4 and 1/4 of the modes.
    samples = np.array([[0, 0], [0.05, 0], [0, 0.05], [1, 1], [0.4, 0.45]], np.float32)
    row = ModeCounter("f", CORNERS, radius=0.1).row("t", "generated", samples)
    assert (row["modes"], row["modes_known"], row["samples"]) == (2, 4, 5)
    assert row["high_quality"] == pytest.approx(0.8)
    assert row["reverse_kl"] == pytest.approx(np.log(4) + 0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    nothing = ModeCounter("f", CORNERS, radius=0.1).row("t", "generated", samples[4:])
    assert (nothing["modes"], nothing["reverse_kl"]) == (0, None)


def test_real_samples_and_the_training_set_reach_every_mode(runs: Path) -> None:
    rows = [{"system": "gan"}, {"system": "training_set"}]
    finished = run(study(rows=rows), runs, engine="inline", mirror=False)
    trials = finished.table("trials").set_index("trial_id")["system"]
    counted = finished.table("modes")
    assert set(counted["modes_known"]) == {8}
    real = counted[counted["source"] == "real"].iloc[0]
    assert (real["modes"], real["samples"]) == (8, 400)
    generated = counted[counted["source"] == "generated"].set_index("trial_id")
    assert set(generated.index.map(trials)) == {"gan", "training_set"}
    copies = generated.loc[trials.index[trials == "training_set"][0]]
    assert (copies["modes"], copies["samples"]) == (8, 100)
    assert copies["high_quality"] > 0.9


STACKED = {"name": "stacked", "encoder": {"name": "mlp", "width": 8}, "classes": 8, "encoder_steps": 1}


def test_a_system_that_reads_labels_needs_them(runs: Path) -> None:
    with pytest.raises(InputError, match="'stacked': needs labels, and 'circle' has none"):
        run(
            study(system=STACKED, dataset={"name": "circle", "size": 400}),
            runs,
            engine="inline",
            mirror=False,
        )
    with pytest.raises(
        InputError, match=r"system.classes: 5: 'gaussian_ring' has labels up to 7; .* at least 8"
    ):
        run(study(system=STACKED | {"classes": 5}), runs, engine="inline", mirror=False)
    assert not runs.exists()
