"""Workers that die, are told to go, or have no memory: what they had is trained elsewhere."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import load_run, run
from pipeline.engine import execute, pace, work
from pipeline.training import Member
from tests.engine.tools import TINY, numbers, study, wait_for
from tests.faults import workers
from tests.faults.tools import (
    LONGER,
    STEPS,
    assert_others_survived,
    assert_survived,
    assert_whole,
    driver,
    under_way,
    write_study,
)
from tests.faults.workers import Course, courses


def run_and_signal(runs: Path, number: signal.Signals, *overrides: str) -> Course:
    """The study on Ray, in the course of which the first worker that is 20 steps into a trial gets a signal."""
    hit: list[Course] = []

    def send() -> None:
        def seen() -> bool:
            hit.extend(under_way(runs, 20).values())
            return bool(hit)

        wait_for(seen)
        os.kill(hit[0].pid, number)

    thread = threading.Thread(target=send)
    thread.start()
    run(study(TINY, *LONGER, *overrides), runs, engine="ray", mirror=False)
    thread.join()
    return hit[0]


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_trial_goes_on_from_its_checkpoint(
    number: signal.Signals, runs: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "run_cohort", workers.slow)
    hit = run_and_signal(runs, number)
    assert_survived(runs / "tiny", undisturbed, "attempts")
    attempts = sorted(numbers(runs / "tiny")["trials"]["attempts"])
    assert attempts == ([1, 1, 1, 2] if number == signal.SIGKILL else [1, 1, 1, 1])
    resumed = [own for own in courses(runs).values() if len(own) > 1]
    ((first, second),) = resumed
    assert (first.pid, first.begun) == (hit.pid, 0)
    again = first.steps - second.begun
    # A killed worker has told of a step that it may not have kept; one that was asked has kept all.
    assert again in ((0, 1) if number == signal.SIGKILL else (0,))
    assert second.begun + second.steps == STEPS


PAIRS = [
    "resources.back_end=stacked",
    "resources.cohort=2",
    "vary.discriminator.width=[4]",
    "vary.seed.count=8",
]


@pytest.mark.usefixtures("local_ray")
def test_a_cohort_goes_on_from_its_checkpoint(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Together, so that its bits are those of trials trained together."""
    whole = run(study(TINY, *LONGER, *PAIRS), runs / "whole", engine="inline", mirror=False).root
    monkeypatch.setattr(execute, "run_cohort", workers.slow)
    run_and_signal(runs, signal.SIGKILL, *PAIRS)
    assert_survived(runs / "tiny", whole, "attempts")
    assert sorted(numbers(runs / "tiny")["trials"]["attempts"]) == [1] * 6 + [2] * 2
    ((first, second),) = [own for own in courses(runs).values() if len(own) > 1]
    begun = second.begun // 2  # steps of both
    assert first.steps - begun in (0, 1)
    assert begun + second.steps == STEPS


POISON = ["vary.seed={count: 12}", "vary.discriminator.width=[4]", "base.training.steps=12"]


@pytest.mark.soak
@pytest.mark.usefixtures("local_ray")
def test_poison_among_short_trials_that_share_tasks(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = study(TINY, *POISON)
    whole = run(many, runs / "whole", engine="inline", mirror=False).root
    monkeypatch.setattr(pace, "UNKNOWN_MEASURING", 0.3)  # short trials, known to be
    sizes: list[int] = []
    real = execute.attempts
    monkeypatch.setattr(execute, "attempts", lambda c: sizes.append(len(c.trials)) or real(c))
    monkeypatch.setattr(execute, "run_cohort", workers.poisoned)
    found = run(many, runs, engine="ray", mirror=False)
    assert max(sizes) > 1
    rows = found.table("trials")
    lost = rows[rows["status"] == "lost"]
    assert sorted(lost["seed"]) == [5, 6]
    # Three times alone, twice in its first cohort and once in each half that it was in.
    assert lost["attempts"].between(3, 4 + np.ceil(np.log2(max(sizes)))).all()
    assert set(rows.loc[rows["status"] != "lost", "status"]) == {"completed"}
    assert_others_survived(found.root, whole, set(lost["trial_id"]))


@pytest.mark.soak
def test_a_worker_that_takes_too_much_memory(runs: Path, tmp_path: Path, undisturbed: Path) -> None:
    """Ray kills workers before the kernel would; Ray's word for it is the row's."""
    from ray._common.utils import get_system_memory
    from ray._private.utils import get_used_memory

    used, total = get_used_memory(), get_system_memory()
    limits = {
        "RAY_memory_usage_threshold": f"{(used + 4 * 2**30) / total:.4f}",
        "RAY_memory_monitor_refresh_ms": "100",
    }
    process = driver("run", write_study(tmp_path), "--runs", runs, "--no-mlflow", worker="hungry", **limits)
    out, said = process.communicate(timeout=280)
    assert process.returncode == 0, (out, said)
    rows = load_run(runs / "tiny").table("trials")
    (row,) = rows[rows["status"] != "completed"].to_dict("records")
    assert (row["seed"], row["discriminator_width"]) == (1, 4)
    assert (row["status"], row["attempts"]) == ("out_of_memory", 3)
    assert "memory" in row["error"]
    assert_others_survived(runs / "tiny", undisturbed, [row["trial_id"]])


def test_a_cohort_without_memory_is_halved_down_to_the_trial_that_lacks_it(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = work.train_cohort
    asked: list[list[int]] = []

    def train(members: Sequence[Member], *rest: Any) -> Any:
        asked.append(sorted(member.trial.seed for member in members))
        if 1 in asked[-1]:
            np.ones(1 << 50)  # what numpy says of it is a MemoryError
        return real(members, *rest)

    monkeypatch.setattr(work, "train_cohort", train)
    together = ["resources.back_end=stacked", "vary.seed={count: 8}", "vary.discriminator.width=[4]"]
    found = run(study(TINY, *together), runs, engine="inline", mirror=False)
    rows = found.table("trials").set_index("seed")
    assert rows["status"].to_dict() == {s: "out_of_memory" if s == 1 else "completed" for s in range(8)}
    assert rows.loc[1, "error"].startswith("MemoryError: Unable to allocate 8.00 PiB")
    assert [1] in asked
    assert max(map(len, asked)) == 4
    assert_whole(found.root)
