"""Submission: what is refused, what is shipped, and jobs on a real head."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cluster.jobs
import cluster.package
from cluster.head import find_head
from cluster.jobs import JobFailed, connect, follow, start
from cluster.package import working_dir
from cluster.submit import entrypoint, job_name, submit
from pipeline.errors import InputError
from pipeline.study import Study
from tests.cluster.conftest import RunningHead

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

ROOT = Path(__file__).parents[2]
REPORTS = "reports\n" if (ROOT / "reports" / "__init__.py").exists() else ""
STUDY = """\
study: tiny
question: Does a job run?
base:
  dataset: {name: digits}
  generator: {name: dcgan, width: 4, latent_dim: 8}
  discriminator: {name: dcgan, width: 4}
  objective: {name: hinge}
  train_samples: 100
  training: {steps: 50, ticks: 1}
measure: {samples: 100}
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "a study.yaml"
    path.write_text(STUDY)
    return path


# --- before anything is sent --------------------------------------------------------------------------------


def test_the_entrypoint_survives_a_shell(tmp_path: Path) -> None:
    override = 'base.dataset={name: image_folder, path: "/it\'s; echo $HOME"}'
    command = entrypoint(sys.executable, "/shared/my runs", [override, "base.seed=3"])
    show = command.replace("-m pipeline.cli", "-c 'import sys; print(sys.argv[1:])'")
    printed = subprocess.run(show, shell=True, capture_output=True, text=True, check=True).stdout
    words = ["run", "study.yaml", "--runs", "/shared/my runs", "--address", "auto", "--set", override]
    assert printed.strip() == str([*words, "--set", "base.seed=3"])


def test_relative_runs_are_refused_before_the_address_is_tried(study_file: Path) -> None:
    with pytest.raises(InputError, match=r"--runs runs/x: must be an absolute path or a URL: .* thrown away"):
        submit(study_file, "http://127.0.0.1:1", "runs/x", [])


def test_a_wrong_study_is_refused_before_the_address_is_tried(study_file: Path) -> None:
    with pytest.raises(InputError, match=r"base\.train_samples: 0"):
        submit(study_file, "http://127.0.0.1:1", "/runs", ["base.train_samples=0"])


def test_the_name_follows_what_would_run() -> None:
    def name(runs: str, *overrides: str) -> str:
        return job_name(Study.load(ROOT / "studies" / "quickstart.yaml", list(overrides)), runs)

    assert name("/a") == name("/a")
    assert name("/a").startswith("quickstart-")
    assert len({name("/a"), name("/b"), name("/a", "base.train_samples=3")}) == 3


def test_the_upload_is_code_and_the_study_alone(study_file: Path) -> None:
    with working_dir(study_file) as folder:
        files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert (folder / "study.yaml").read_text() == STUDY
        code = "import pipeline.study, sys; sys.exit('/main' in pipeline.study.__file__)"
        ran = subprocess.run([sys.executable, "-c", code], cwd=folder, env={"PYTHONDONTWRITEBYTECODE": "1"})
        assert ran.returncode == 0
    assert {
        "pipeline/study.py",
        "pipeline/store/run.py",
        "cluster/submit.py",
        "cluster/constraints.txt",
    } <= files
    assert not folder.exists()
    assert {file.split("/")[0] for file in files} <= {"pipeline", "cluster", "reports", "study.yaml"}
    kinds = {Path(file).suffix for file in files if "templates" not in file}
    assert kinds == {".py", ".txt", ".yaml"}


def test_an_upload_that_ray_would_refuse(study_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.package, "LARGEST_BYTES", 1000)
    with pytest.raises(InputError, match="Ray accepts"), working_dir(study_file):
        pass


# --- on a real head -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def jobs(ray_head: RunningHead, tmp_path_factory: pytest.TempPathFactory) -> JobSubmissionClient:
    """Three jobs under way together, since each takes seconds to start."""
    study = tmp_path_factory.mktemp("study") / "study.yaml"
    study.write_text(STUDY)
    failing = shlex.join([sys.executable, "-c", "import sys; print('x\\n' * 500); sys.exit('no GPU here')"])
    with pytest.MonkeyPatch.context() as patch, working_dir(study) as folder:
        patch.setenv("RAY_AUTH_TOKEN", ray_head.token_file.read_text())
        patch.setenv("RAY_ADDRESS", "203.0.113.7:6379")  # must not win over the address given
        client = connect(find_head(ray_head.address))
        start(client, "plain", "cat study.yaml; ls; sleep 2; echo the end", folder)
        start(client, "broken", "for i in 1 2 3; do echo line $i; sleep 3.5; done", folder)
        start(client, "failing", failing, folder)
    return client


def test_the_log_survives_a_broken_stream(
    jobs: JobSubmissionClient, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.jobs, "SILENCE_SECONDS", 2.0)  # gives every stream up between two lines
    follow(jobs, "broken")
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("line")]
    assert lines == [f"line {i}" for i in (1, 2, 3)]


def test_a_job_runs_in_the_working_directory(
    jobs: JobSubmissionClient, capfd: pytest.CaptureFixture[str]
) -> None:
    follow(jobs, "plain")
    out, err = capfd.readouterr()
    own = [line for line in out.splitlines() if "Runtime env" not in line and "Running entry" not in line]
    assert "\n".join(own) == f"{STUDY}cluster\npipeline\n{REPORTS}study.yaml\nthe end"
    assert err == ""
    settings = jobs.get_job_info("plain").runtime_env
    assert settings is not None
    assert int(settings["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"]) >= 30


def test_a_failed_job_says_why_on_one_screen(jobs: JobSubmissionClient) -> None:
    with pytest.raises(JobFailed) as caught:
        follow(jobs, "failing")
    message = str(caught.value)
    assert message.startswith("job failing FAILED: Job entrypoint command failed with exit code 1")
    assert message.endswith("no GPU here")
    assert len(message.splitlines()) < 20


@pytest.mark.usefixtures("token")
def test_a_running_job_is_joined_and_a_finished_one_is_not(ray_head: RunningHead, tmp_path: Path) -> None:
    client = connect(find_head(ray_head.address))
    assert start(client, "again", "sleep 60", tmp_path) == ("again", True)
    assert start(client, "again", "sleep 60", tmp_path) == ("again", False)
    assert client.stop_job("again")
    with pytest.raises(JobFailed, match="job again STOPPED"):
        follow(client, "again")
    assert start(client, "again", "sleep 5", tmp_path) == ("again-2", True)
    assert start(client, "again", "sleep 5", tmp_path) == ("again-2", False)


@pytest.mark.usefixtures("token")
def test_submitting_twice_starts_one_job(
    ray_head: RunningHead,
    study_file: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cluster.submit.entrypoint", lambda *_: "sleep 1; cat study.yaml")
    job = submit(study_file, ray_head.address, "/shared/runs", ["base.seed=3"], wait=False)
    assert submit(study_file, ray_head.address, "/shared/runs", ["base.seed=3"]) == job
    out, _ = capfd.readouterr()
    assert out.startswith(f"started job {job} at {ray_head.address}")
    assert f"\njoined job {job} at" in out
    assert out.endswith(STUDY)


@pytest.mark.usefixtures("token")
def test_a_head_that_goes_away_is_given_up(
    ray_head: RunningHead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(find_head(ray_head.address))
    monkeypatch.setattr(cluster.jobs, "LOST_SECONDS", 1.0)
    monkeypatch.setattr(client, "_address", "http://127.0.0.1:1")
    began = time.monotonic()
    with pytest.raises(JobFailed, match=r"lost contact .* job gone may go on"):
        follow(client, "gone")
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("token")
def test_birthday_submit_end_to_end(ray_head: RunningHead, study_file: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline.cli", "submit", str(study_file), "--address", ray_head.address]
    command += ["--runs", str(tmp_path / "runs"), "--set", "base.training.steps=5"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH_MODE")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    from pipeline.store.run import load_run

    (status,) = load_run(tmp_path / "runs" / "tiny").table("trials")["status"]
    assert status == "completed"
