"""Submission: what is refused, what is shipped, and jobs on a real head."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cluster.log
from cluster.jobs import JobFailed, connect, start
from cluster.log import follow
from cluster.package import working_dir
from cluster.submit import entrypoint, job_environment, job_name, submit
from pipeline.errors import InputError
from pipeline.study import Study
from tests.cluster.conftest import RunningHead
from tests.engine.tools import Command

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


HERE = {"metadata": {}, "variables": {}}


# --- before anything is sent --------------------------------------------------------------------------------


def test_the_entrypoint_survives_a_shell() -> None:
    override = 'base.dataset={name: image_folder, path: "/it\'s; echo $HOME"}'
    command = entrypoint(sys.executable, "/shared/my runs", ["--set", override, "--quick"])
    show = command.replace("-m pipeline.cli", "-c 'import sys; print(sys.argv[1:])'")
    printed = subprocess.run(show, shell=True, capture_output=True, text=True, check=True).stdout
    words = ["run", "study.yaml", "--runs", "/shared/my runs", "--address", "auto", "--set", override]
    assert printed.strip() == str([*words, "--quick"])


def test_relative_runs_are_refused_before_the_address_is_tried(study_file: Path) -> None:
    with pytest.raises(InputError, match=r"--runs runs/x: must be an absolute path or a URL: .* thrown away"):
        submit(study_file, "http://127.0.0.1:1", "runs/x")


@pytest.mark.parametrize("runs", ["s4://lab/runs", "c3po://lab", "simplecache::s4://lab"])
def test_urls_that_no_file_system_has(study_file: Path, runs: str) -> None:
    with pytest.raises(InputError, match=r"--runs \S+: \S+ is no file system that fsspec knows"):
        submit(study_file, "http://127.0.0.1:1", runs)


@pytest.mark.parametrize("runs", ["/shared/runs", "s3://lab/runs", "gs://lab/runs", "abfs://lab/runs"])
def test_urls_whose_package_only_the_cluster_needs(study_file: Path, runs: str) -> None:
    with pytest.raises(InputError, match="cannot be reached"):  # the next thing that is tried
        submit(study_file, "http://127.0.0.1:1", runs)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("NOT_SET_HERE", "is not set here; name it with a value"),
        ("a-b=3", "must be NAME=VALUE"),
        ("AWS_SECRET_ACCESS_KEY=x", "looks like a secret"),
        ("HF_TOKEN=x", "looks like a secret"),
    ],
)
def test_variables_that_do_not_travel(study_file: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        submit(study_file, "http://127.0.0.1:1", "/runs", variables=[text])


def test_variables_that_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET_HERE", "a=b")
    found = job_environment(["SET_HERE", "BIRTHDAY_DATA=/data", "EMPTY="])
    assert found == {"SET_HERE": "a=b", "BIRTHDAY_DATA": "/data", "EMPTY": ""}


def test_a_wrong_study_is_refused_before_the_address_is_tried(study_file: Path) -> None:
    with pytest.raises(InputError, match=r"base\.train_samples: 0"):
        submit(study_file, "http://127.0.0.1:1", "/runs", ["base.train_samples=0"])


def test_the_name_follows_what_would_run() -> None:
    def name(runs: str, *overrides: str) -> str:
        return job_name(Study.load(ROOT / "studies" / "quickstart.yaml", list(overrides)), runs)

    assert name("/a") == name("/a")
    assert name("/a").startswith("quickstart-")
    assert name("/a/") == name("/a")
    assert len({name("/a"), name("/b"), name("/a", "base.train_samples=3")}) == 3


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
        client = connect(ray_head.address)
        start(client, "plain", "cat study.yaml; ls; sleep 2; echo the end", folder, **HERE)
        start(client, "broken", "for i in 1 2 3; do echo line $i; sleep 3.5; done", folder, **HERE)
        start(client, "failing", failing, folder, **HERE)
    return client


def test_the_log_survives_a_broken_stream(
    jobs: JobSubmissionClient, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.log, "SILENCE_SECONDS", 2.0)  # gives every stream up between two lines
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
    assert str(caught.value) == "job failing FAILED (exit code 1): no GPU here"


@pytest.mark.usefixtures("token")
def test_a_running_job_is_joined_and_a_finished_one_is_not(ray_head: RunningHead, tmp_path: Path) -> None:
    client = connect(ray_head.address)
    assert start(client, "again", "sleep 60", tmp_path, **HERE) == ("again", True)
    assert start(client, "again", "sleep 60", tmp_path, **HERE) == ("again", False)
    assert client.stop_job("again")
    with pytest.raises(JobFailed, match="job again STOPPED"):
        follow(client, "again")
    assert start(client, "again", "sleep 5", tmp_path, **HERE) == ("again-2", True)
    assert start(client, "again", "sleep 5", tmp_path, **HERE) == ("again-2", False)


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
    client = connect(ray_head.address)
    monkeypatch.setattr(cluster.log, "LOST_SECONDS", 1.0)
    monkeypatch.setattr(client, "_address", "http://127.0.0.1:1")
    began = time.monotonic()
    with pytest.raises(JobFailed, match=r"lost contact .* job gone may go on"):
        follow(client, "gone")
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("token")
def test_two_versions_of_a_study_do_not_share_a_run(
    ray_head: RunningHead, study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.submit.entrypoint", lambda *_: "sleep 60")
    job = submit(study_file, ray_head.address, "s3://lab/versions", wait=False)
    with pytest.raises(
        InputError, match=f"job {job} runs another version of this study in s3://lab/ver.*/tiny;"
    ):
        submit(study_file, ray_head.address, "s3://lab/versions/", ["base.seed=3"], wait=False)
    assert submit(study_file, ray_head.address, "s3://lab/versions/", wait=False) == job
    connect(ray_head.address).stop_job(job)


@pytest.mark.usefixtures("token")
def test_birthday_submit_end_to_end(
    ray_head: RunningHead, study_file: Path, s3: str, birthday: Command
) -> None:
    words = ["submit", study_file, "--address", ray_head.address, "--runs", s3, "--limit", "2", "--env"]
    words += ["MLFLOW_TRACKING_URI=", "--set", "base.training.steps=5", "--set", "vary={seed: {count: 3}}"]
    said = birthday(*words)
    assert said.code == 0, said
    assert f"next:   birthday report {s3}/tiny" in said.out
    assert "an object store cannot hold mlflow.db; set MLFLOW_TRACKING_URI" in said.out
    status = birthday("status", f"{s3}/tiny")
    assert "tiny: 2 of 3 trials done, 1 missing" in status.out, status
