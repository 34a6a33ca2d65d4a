"""Stopping: what slurm.sh does with its signals, and a Ray node that is emptied before it goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.conftest import RunningHead
from tests.cluster.definitions import CLUSTER, ROOT

# Slurm's commands as far as the script uses them: srun runs what comes behind `ray symmetric-run … --`.
SRUN = """#!/usr/bin/env bash
while [[ $1 != -- ]]; do echo "$1" >>"$FAKES/srun"; shift; done
shift
exec "$@"
"""
SCONTROL = """#!/usr/bin/env bash
case $1 in
show) printf 'node7\\nnode8\\n' ;;
requeue) echo "$2" >"$FAKES/requeued" ;;
esac
"""
DRIVER = """#!/usr/bin/env bash
trap 'echo saved >"$FAKES/saved"; exit 130' TERM
echo "$@" >"$FAKES/driver"
[[ -z $QUICK ]] || exit 0
while :; do sleep 0.1; done
"""


def slurm(folder: Path, quick: str = "") -> subprocess.Popen[bytes]:
    """The script as Slurm would start it, once its driver runs."""
    for name, text in {"srun": SRUN, "scontrol": SCONTROL, "python": DRIVER}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "bin").symlink_to(folder)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "FAKES": str(folder),
        "QUICK": quick,
        "BIRTHDAY_VENV": str(folder),
        "BIRTHDAY_TMP": str(folder),
        "SLURM_SUBMIT_DIR": str(ROOT),
        "SLURM_JOB_ID": "54321",
        "SLURM_JOB_NODELIST": "node[7-8]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_ON_NODE": "16",
    }
    command = ["bash", str(CLUSTER / "slurm.sh"), "my study.yaml", "/shared/runs", "--set", "base.seed=3"]
    process = subprocess.Popen(command, env=environment)
    _until(lambda: (folder / "driver").exists())
    return process


def test_slurm_starts_ray_on_all_nodes_and_the_driver_on_the_first(tmp_path: Path) -> None:
    assert slurm(tmp_path, quick="yes").wait(20) == 0
    words = (tmp_path / "srun").read_text().split()
    assert words[words.index("symmetric-run") :] == [
        "symmetric-run",
        "--address",
        "node7:34321",
        "--min-nodes",
        "2",
    ]
    assert "--ntasks=2" in words
    driver = "-m pipeline.cli run my study.yaml --runs /shared/runs --address node7:34321 --set base.seed=3"
    assert (tmp_path / "driver").read_text().strip() == driver
    assert not (tmp_path / "requeued").exists()
    assert not (tmp_path / "birthday-54321").exists()


@pytest.mark.parametrize(("sent", "requeued"), [(signal.SIGUSR1, True), (signal.SIGTERM, False)])
def test_slurms_notice_lets_the_driver_finish(tmp_path: Path, sent: signal.Signals, requeued: bool) -> None:
    """Out of time, the job is queued again; stopped by hand it is not. The driver is told either way."""
    process = slurm(tmp_path)
    process.send_signal(sent)
    assert process.wait(20) == 130
    assert (tmp_path / "saved").read_text() == "saved\n"
    assert (tmp_path / "requeued").exists() == requeued


TRIAL = """
import os, signal, sys, time, ray
ray.init(sys.argv[1], log_to_driver=False)

@ray.remote(num_cpus=1, max_retries=0, resources={"leaving": 1})
def trial(folder):
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(1))
    open(folder + "/running", "w").close()
    while not told:
        time.sleep(0.05)
    time.sleep(3)  # what writing a checkpoint takes
    return "saved"

print(ray.get(trial.remote(sys.argv[2])))
"""


def test_a_node_that_is_stopped_lets_its_trials_finish(ray_head: RunningHead, tmp_path: Path) -> None:
    """The raylet of a node that gets SIGTERM itself ends at once, and its trials with it."""
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(ray_head.token_file),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "60",
    }
    address = f"127.0.0.1:{ray_head.gcs_port}"
    command = [f"{os.path.dirname(sys.executable)}/ray", "start", f"--address={address}", "--block"]
    command += ["--num-cpus=1", '--resources={"leaving": 1}', f"--object-store-memory={80 * 2**20}"]
    with open(tmp_path / "log", "w") as log:
        node = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        driver = subprocess.Popen(
            [sys.executable, "-c", TRIAL, address, str(tmp_path)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            _until(lambda: (tmp_path / "running").exists(), 60)
            subprocess.run(["bash", CLUSTER / "stop-node.sh", str(node.pid)], check=True, timeout=60)
            assert driver.communicate(timeout=20)[0].strip() == "saved"
            assert node.wait(20) is not None
        finally:
            for process in (driver, node):
                process.kill()
                process.wait()


def test_a_machine_without_ray_is_empty(tmp_path: Path) -> None:
    alone = subprocess.Popen(["sleep", "30"])
    try:
        subprocess.run(["bash", CLUSTER / "stop-node.sh", str(alone.pid)], check=True, timeout=20)
        assert alone.poll() is None
    finally:
        alone.kill()
        alone.wait()


def _until(true: object, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)
