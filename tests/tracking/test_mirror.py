"""What MLflow holds of a run afterwards, in a real SQLite store."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.store.run import Run
from pipeline.study import Study
from pipeline.tracking import mirror, place
from pipeline.tracking.entry import entry, final_metrics
from pipeline.tracking.pictures import grid_png
from tests.tracking.runs import START, STUDY, client, mirrored, rows, save


def test_importing_the_room_does_not_import_mlflow() -> None:
    code = "import sys, pipeline.tracking; sys.exit(bool({'mlflow', 'torch', 'ray'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_run_and_its_trials(runs: Path, run: Run) -> None:
    save(run, 0, 1)
    save(run, 2, status="diverged")
    parent, children = mirrored(run)
    assert parent.info.status == "KILLED"  # nobody writes, and a trial of the plan is missing
    assert (parent.data.tags["study"], parent.data.tags["run_root"]) == ("mirrored", str(runs / "mirrored"))
    assert parent.info.start_time == int(START.timestamp() * 1000)
    assert parent.info.end_time - parent.info.start_time == 4000
    assert (parent.data.tags["trials_completed"], parent.data.tags["trials_diverged"]) == ("2", "1")
    assert set(children) == {f"{n:016x}" for n in range(3)}

    child = children[f"{1:016x}"]
    assert child.info.status == "FINISHED"
    assert child.info.run_name == "seed=1"
    assert child.info.start_time == int((START + timedelta(seconds=1)).timestamp() * 1000)
    assert child.info.end_time - child.info.start_time == 2000
    assert child.data.params == {k: str(v) for k, v in STUDY.trials()[1].flat().items()}
    assert child.data.params["discriminator.width"] == "4"
    own = {k: v for k, v in child.data.tags.items() if not k.startswith("mlflow.")}
    assert own == {
        "seed": "1",
        "trial_id": f"{1:016x}",
        "status": "completed",
        "commit": "abc",
        "data_fingerprint": "f00d",
        "tau_rule": STUDY.measure.tau_rule(),
    }
    (used,) = child.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("digits", "f00d")

    failed = children[f"{2:016x}"]
    assert failed.info.status == "FAILED"
    assert failed.data.tags["error"] == "loss is NaN at step 7"

    where = json.loads((runs / "mirrored" / "mlflow.json").read_text())
    assert where["run_id"] == parent.info.run_id
    study = client(run).download_artifacts(parent.info.run_id, "study.yaml")
    assert Path(study).read_text() == STUDY.yaml()


def test_a_whole_run_is_finished(run: Run) -> None:
    with run.writing():
        for trial in STUDY.trials():
            row = rows(0)["trials"][0] | {"trial_id": trial.id}
            run.save([trial.id], {"trials": [row]})
    parent, _ = mirrored(run)
    assert parent.info.status == "FINISHED"


def test_axes_are_tags_and_whole_groups_go_by_their_label() -> None:
    document = STUDY.model_dump(mode="json", exclude_none=True)
    document["vary"] = {
        "objective": [{"name": "hinge"}, {"name": "wgan_gp", "penalty": 5}],
        "train_samples": [50],
    }
    study = Study.parse(document)
    config = study.trials()[-1]
    row = rows(0)["trials"][0] | {"config": json.dumps(config.model_dump(mode="json"))}
    found = entry(study, row, {})
    assert found.name == "objective=wgan_gp(penalty=5.0), train_samples=50, seed=0"
    assert found.tags["objective"] == found.params["objective"] == "wgan_gp(penalty=5.0)"
    assert (found.tags["train_samples"], found.params["train_samples"]) == ("50", "50")
    assert found.params["objective.penalty"] == "5.0"


def test_metrics_are_the_curves_and_the_finite_final_numbers(run: Run) -> None:
    save(run, 1)
    _, children = mirrored(run)
    (child,) = children.values()
    history = client(run).get_metric_history(child.info.run_id, "loss_1")
    assert [(m.step, m.value) for m in history] == [(10 * p, 2 + p / 7) for p in range(3)]
    final = {k: v for k, v in child.data.metrics.items() if not k.startswith("loss_")}
    # Left out: n2 is unknown, recall NaN, images_per_second infinite; the control and the other rule.
    wanted = {"wall_seconds": 1.5, "n2_low": 50.0, "collisions": 0.0}
    assert final == wanted | {"precision": 0.25, "density": 0.75, "coverage": 0.5}


def test_final_metrics_of_a_trial_that_measured_nothing() -> None:
    (trial,) = rows(0, "failed")["trials"]
    known = {k: v for k, v in final_metrics(STUDY, trial, {}).items() if v is not None}
    assert known == {"wall_seconds": 1.5, "images_per_second": float("inf")}


def test_more_points_than_one_batch_holds(run: Run) -> None:
    with run.writing():
        run.save([f"{0:016x}"], rows(0, points=300, metrics=4))
    _, children = mirrored(run)
    (child,) = children.values()
    assert len(client(run).get_metric_history(child.info.run_id, "loss_3")) == 300


def test_the_sample_grid_has_the_right_pixels(runs: Path, run: Run) -> None:
    save(run, 3)
    _, children = mirrored(run)
    (child,) = children.values()
    assert [path.name for path in (runs / "mlartifacts").rglob("*.png")] == ["samples.png"]
    grid = np.asarray(Image.open(client(run).download_artifacts(child.info.run_id, "samples.png")))
    assert grid.shape == (16, 24)  # 5 images of 8x8: 2 rows of 3
    images = [np.frombuffer(row["image"], np.uint8).reshape(8, 8) for row in rows(3)["samples"]]
    np.testing.assert_array_equal(grid[:8, 16:], images[2])
    np.testing.assert_array_equal(grid[8:, 8:16], images[4])
    assert not grid[8:, 16:].any()


def test_colour_images_are_tiled_by_index() -> None:
    image = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    shape = {"channels": 3, "height": 4, "width": 5}
    png = grid_png([{"index": i, **shape, "image": image[i].tobytes()} for i in (1, 0)])
    grid = np.asarray(Image.open(io.BytesIO(png)))
    np.testing.assert_array_equal(grid, np.concatenate([image[0], image[1]], axis=2).transpose(1, 2, 0))


def test_a_lost_trial_has_a_row_and_nothing_else(run: Run) -> None:
    (trial,) = rows(0, "lost")["trials"]
    known = ("trial_id", "config", "status", "error", "finished_at")
    with run.writing():
        run.save([f"{0:016x}"], {"trials": [{name: trial[name] for name in known}]})
    _, children = mirrored(run)
    (child,) = children.values()
    assert (child.info.status, child.info.start_time) == ("FAILED", child.info.end_time)
    assert client(run).list_artifacts(child.info.run_id) == []


def test_nothing_is_mirrored_twice(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    save(run, 0)
    parent, children = mirrored(run)
    save(run, 1)
    again, more = mirrored(run)
    assert again.info.run_id == parent.info.run_id
    assert more[f"{0:016x}"].info.run_id == children[f"{0:016x}"].info.run_id
    assert set(more) == {f"{n:016x}" for n in (0, 1)}
    monkeypatch.chdir(Path(run.root).parent)
    assert mirrored(Run("mirrored"))[1].keys() == more.keys()  # a relative root is the same run
    assert len(client(run).get_metric_history(more[f"{0:016x}"].info.run_id, "loss_0")) == 3


def test_a_half_mirrored_trial_is_completed(run: Run) -> None:
    from mlflow.entities import Metric, Param

    save(run, 0)
    parent, children = mirrored(run)
    save(run, 1)
    trial_id = f"{1:016x}"
    tags = {"mlflow.parentRunId": parent.info.run_id, "trial_id": trial_id}
    begun = client(run).create_run(parent.info.experiment_id, tags=tags).info.run_id
    moment = children[f"{0:016x}"].info.end_time + 1000  # when trial 1 ended
    client(run).log_batch(begun, [Metric("loss_0", 1.0, moment, 0)], [Param("seed", "1")])
    # and then the mirror was killed; and another made the same trial, before its answer was lost
    client(run).create_run(parent.info.experiment_id, tags=tags)
    _, children = mirrored(run)
    assert set(children) == {f"{n:016x}" for n in (0, 1)}
    history = client(run).get_metric_history(children[trial_id].info.run_id, "loss_0")
    assert [(m.step, m.value) for m in history] == [(10 * p, 1 + p / 7) for p in range(3)]
    assert children[trial_id].info.status == "FINISHED"


def test_a_shard_of_several_trials(run: Run) -> None:
    both = [rows(0), rows(1)]
    with run.writing():
        run.save([f"{k:016x}" for k in (0, 1)], {table: both[0][table] + both[1][table] for table in both[0]})
    _, children = mirrored(run)
    assert children[f"{1:016x}"].data.metrics["loss_0"] == 1 + 2 / 7
    assert len(client(run).get_metric_history(children[f"{0:016x}"].info.run_id, "loss_0")) == 3


def test_each_run_root_has_its_own_parent(runs: Path, run: Run) -> None:
    other = Run(runs / "elsewhere" / "mirrored")
    other.save_study(STUDY)
    save(run, 0)
    save(other, 0)
    uri = place(run).uri
    first, second = mirrored(run, uri)[0], mirrored(other, uri)[0]
    assert first.info.experiment_id == second.info.experiment_id
    assert first.info.run_id != second.info.run_id


def test_a_deleted_experiment_comes_back(run: Run) -> None:
    save(run, 0)
    parent, _ = mirrored(run)
    client(run).delete_experiment(parent.info.experiment_id)
    assert mirrored(run)[0].info.run_id == parent.info.run_id


def test_planner_statistics_are_there_afterwards(runs: Path, run: Run) -> None:
    save(run, 0)
    mirrored(run)
    with sqlite3.connect(runs / "mlflow.db") as database:
        assert database.execute("SELECT count(*) FROM sqlite_stat1").fetchone()[0] > 0


def test_files_never_go_where_the_command_happens_to_run(
    runs: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (runs / "elsewhere").mkdir()
    monkeypatch.chdir(runs / "elsewhere")
    save(run, 0)
    parent, children = mirrored(run, f"sqlite:///{runs}/mlflow.db")
    for one in (parent, *children.values()):
        assert one.info.artifact_uri.startswith(f"{runs}/mlartifacts/mirrored/")
    assert list((runs / "elsewhere").iterdir()) == []
    assert place(run, "postgresql+psycopg://127.0.0.1/x").artifacts == f"{runs}/mlartifacts"
    assert place(run, "https://mlflow.lab").artifacts is None


def test_bad_places_are_one_line(runs: Path, run: Run) -> None:
    (runs / "mlflow.db").write_bytes(b"no database" * 100)
    with pytest.raises(InputError, match=r"^MLflow: sqlite:///.*mlflow.db: file is not a database$"):
        mirror(run, place(run), dict)
    with pytest.raises(InputError, match="an object store cannot hold mlflow"):
        place(Run("memory://bucket/runs/one"))
    with_password = place(run, "postgresql+psycopg://me:secret@127.0.0.1:1/none")
    with pytest.raises(InputError, match=r"127\.0\.0\.1") as said:
        mirror(run, with_password, dict)
    assert "secret" not in str(said.value)
