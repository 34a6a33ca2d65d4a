"""Drivers that are killed, many times, and two at once."""

from __future__ import annotations

import json
import random
import socket
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pipeline import run
from pipeline.store.lease import _started
from pipeline.store.run import Run
from tests.engine.tools import TINY, Command, descendants, end, study, wait_for
from tests.faults.tools import LONGER, STEPS, assert_survived, driver, write_study
from tests.faults.workers import courses


def steps(runs: Path) -> int:
    """Steps of training done by anybody."""
    return sum(course.steps for own in courses(runs).values() for course in own)


def killed_again_and_again(engine: str, runs: Path, folder: Path, kills: int, seed: int) -> int:
    """A study whose driver is killed so often, half the time while it starts and half while trials run, and
    its steps in the end.
    """
    file = write_study(folder, f"vary.seed.count={max(2, kills // 3)}")
    chance = random.Random(seed)
    below: dict[int, str] = {}  # with when it began: over so many lives process ids come again
    command = ("run", file, "--runs", runs, "--engine", engine, "--no-mlflow")
    try:
        for k in range(kills):
            before, process = steps(runs), driver(*command)
            if k % 2:
                wait_for(lambda: steps(runs) > before or process.poll() is not None, 120)  # noqa: B023
                time.sleep(chance.uniform(0, 1))
            else:
                time.sleep(chance.uniform(0, 5))
            assert process.poll() is None, process.communicate()
            below |= {pid: _started(pid) for pid in descendants(process.pid)}
            process.kill()
            process.communicate()
        process = driver(*command)
        out, said = process.communicate(timeout=600)
        assert process.returncode == 0, (out, said)
    finally:
        # Two of Ray's own agents look for their head a while longer.
        end({pid: "" for pid, began in below.items() if began and began == _started(pid)})
    return steps(runs)


def undisturbed_of(seeds: int, folder: Path) -> str:
    return run(study(TINY, *LONGER, f"vary.seed.count={seeds}"), folder, engine="inline", mirror=False).root


@pytest.mark.parametrize(
    ("engine", "kills"),
    [
        ("inline", 3),
        pytest.param("inline", 50, marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
        pytest.param("ray", 50, marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
)
def test_a_driver_killed_again_and_again(engine: str, kills: int, runs: Path, tmp_path: Path) -> None:
    done = killed_again_and_again(engine, runs, tmp_path, kills, seed=kills)
    seeds = max(2, kills // 3)
    assert_survived(runs / "tiny", undisturbed_of(seeds, tmp_path))
    # What was lost: at each kill, of each trial in flight, the step under way.
    assert done <= 2 * seeds * STEPS + 2 * kills


def place(request: pytest.FixtureRequest, kind: str, runs: Path) -> str:
    """Where runs may lie: on the disk, or on an S3 server."""
    return str(runs) if kind == "disk" else str(request.getfixturevalue("s3"))


@pytest.mark.parametrize("kind", ["disk", pytest.param("s3", marks=pytest.mark.soak)])
def test_two_drivers_of_one_run(
    kind: str,
    request: pytest.FixtureRequest,
    runs: Path,
    tmp_path: Path,
    undisturbed: Path,
    birthday: Command,
) -> None:
    where = place(request, kind, runs)
    command = ("run", write_study(tmp_path), "--runs", where, "--engine", "inline", "--no-mlflow")
    first = driver(*command)
    wait_for(lambda: bool(Run(f"{where}/tiny").done()))
    refused = birthday(*command)
    assert refused.code == 2
    (line,) = refused.err.splitlines()
    assert f"process {first.pid} on {socket.gethostname()}" in line
    first.kill()
    first.communicate()
    # As if it had died on another machine, 57 seconds ago.
    held = Run(f"{where}/tiny").lease()
    assert held is not None
    assert held.pid == first.pid
    dead = replace(held, machine="another", host="elsewhere", renewed=time.time() - held.ttl + 5)
    Run(f"{where}/tiny").files.replace(f"lease/{held.generation:08d}.json", json.dumps(asdict(dead)).encode())
    refused = birthday(*command)
    assert refused.code == 2
    (line,) = refused.err.splitlines()
    assert f"process {first.pid} on elsewhere" in line
    wait_for(lambda: not dead.held(), 10)
    assert birthday(*command).code == 0
    assert_survived(f"{where}/tiny", undisturbed)
