"""`birthday mirror` as a user meets it: a finished run, its report, and back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.store.run import Run
from reports import render
from reports.sections.listing import in_mlflow
from reports.tables.results import read
from tests.conftest import Command
from tests.tracking.runs import client, found, free_port, mirrored


@pytest.fixture
def tiny(reference: Path, runs: Path) -> Run:
    """Four real trials that nobody has mirrored."""
    shutil.copytree(reference, runs / "tiny")
    return Run(runs / "tiny")


def test_a_finished_run_and_its_report(tiny: Run, birthday: Command) -> None:
    said = birthday("mirror", tiny.root)
    uri = f"sqlite:///{Path(tiny.root).parent}/mlflow.db"
    assert (said.code, said.err) == (0, "")
    assert said.out == f"mlflow: mlflow ui --backend-store-uri {uri}\n"
    parent, children = found(tiny)
    assert parent.info.status == "FINISHED"
    assert set(children) == {trial.id for trial in tiny.study.trials()}
    for trial in tiny.study.trials():
        child = children[trial.id]
        row = tiny.table("collisions").query("trial_id == @trial.id and source == 'generated'").iloc[0]
        assert child.data.metrics["collisions"] == row["collisions"]
        assert child.data.tags["discriminator.width"] == str(trial.discriminator.width)
        curve = tiny.table("curves").query("trial_id == @trial.id and metric == 'generator_loss'")
        points = client(tiny).get_metric_history(child.info.run_id, "generator_loss")
        assert [(p.step, p.value) for p in points] == list(zip(curve["step"], curve["value"], strict=True))
    page = Path(client(tiny).download_artifacts(parent.info.run_id, "report/index.html")).read_text()
    assert f"In MLflow: run {parent.info.run_id} of experiment tiny." in page
    assert str(Path(tiny.root).parent) not in page
    assert birthday("verify", tiny.root).code == 0


def test_a_run_that_was_measured_again(tiny: Run, birthday: Command) -> None:
    words = ["--engine", "inline", "--set", "measure.samples=100"]
    assert birthday("measure", tiny.root, *words).code == 0
    _, children = mirrored(tiny)
    rows = tiny.table("collisions").query(f"tau_rule == '{tiny.study.measure.tau_rule()}'")
    after = rows.query("source == 'generated' and samples == 100").set_index("trial_id")
    assert set(after["pairs"]) == {100 * 99 / 2}
    for trial_id, child in children.items():
        assert child.data.metrics["collisions"] == after["collisions"][trial_id]


def test_a_report_leads_to_the_server(tiny: Run) -> None:
    where = {"experiment": "<tiny>", "experiment_id": "7", "run_id": "abc"}
    tiny.save_mlflow({**where, "uri": "https://mlflow.lab/"})
    page = render.page(tiny).decode()
    shown = '<a href="https://mlflow.lab/#/experiments/7/runs/abc">run abc of experiment &lt;tiny&gt;</a>'
    assert shown in page
    tiny.save_mlflow({**where, "uri": "javascript:alert(1)//"})
    assert in_mlflow(read(tiny)) == ("run abc of experiment <tiny>", None)
    for damaged in (b"{", b"[]", json.dumps({"uri": "https://mlflow.lab"}).encode()):
        tiny.files.replace("mlflow.json", damaged)
        assert in_mlflow(read(tiny)) is None


def test_what_cannot_be_reached_is_one_line(tiny: Run, birthday: Command) -> None:
    uri = f"http://me:secret@127.0.0.1:{free_port()}"
    said = birthday("mirror", tiny.root, "--to", uri)
    assert said.code == 2
    first, last = said.err.splitlines()
    assert first.startswith(f"MLflow fails and is tried again: {uri.replace(':secret', '')}: ")
    assert last.startswith(f"birthday: MLflow: {uri.replace(':secret', '')}: ")
    assert "secret" not in said.err
    assert birthday("mirror", Path(tiny.root).parent).err.endswith("is not a run: it has no study.yaml\n")
    assert birthday("mirror", tiny.root, "--to", "nonsense://x").code == 2
