"""What a driver makes of checkpoints and of finished runs that an earlier one left."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from pipeline import run
from pipeline.engine import resume
from pipeline.engine.cohorts import Cohort
from pipeline.engine.resume import nothing_left, under_way
from pipeline.store.run import Run
from pipeline.training import BACK_ENDS, Checkpoint, encode
from pipeline.trial import TrialConfig
from tests.engine.tools import TINY, study

TRIALS = study(TINY).trials()


def kept(of: Sequence[TrialConfig], back_end: str = "stacked", rows: int = 10) -> bytes:
    state = {"trials": [trial.id for trial in of], "back_end": back_end, "steps_done": 3, "steps": 6}
    return encode(Checkpoint({"weights": torch.zeros(rows)}, state))


@pytest.fixture
def target(runs: Path) -> Run:
    (runs / "tiny").mkdir(parents=True)
    return Run(runs / "tiny")


def test_what_was_half_trained_becomes_its_cohort_again(target: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    target.save_checkpoint("a", kept(TRIALS[:2]))
    target.save_checkpoint("b", b"damaged")
    for header in (2**20, 10):  # the second is too short: the whole is read
        monkeypatch.setattr(resume, "HEADER", header)
        cohorts, rest = under_way(target, TRIALS)
        assert cohorts == [Cohort(tuple(TRIALS[:2]), BACK_ENDS["stacked"])]
        assert rest == TRIALS[2:]
    assert target.checkpoints() == ["a"]


def test_no_more_than_headers_is_read(target: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    target.save_checkpoint("a", kept(TRIALS[:2], rows=2**20))
    read: list[int] = []
    whole = Run.checkpoint

    def counted(self: Run, key: str, most: int | None = None) -> bytes | None:
        content = whole(self, key, most)
        read.append(len(content or b""))
        return content

    monkeypatch.setattr(Run, "checkpoint", counted)
    assert len(under_way(target, TRIALS)[0]) == 1
    assert read == [2**20]


def test_checkpoints_of_trials_beyond_the_limit_stay(runs: Path) -> None:
    found = run(study(TINY), runs, engine="inline", limit=1, mirror=False)
    (ended,) = found.done()
    missing = [trial for trial in TRIALS if trial.id != ended]
    (first,) = [trial for trial in TRIALS if trial.id == ended]
    found.save_checkpoint("beyond", kept(missing[1:]))
    found.save_checkpoint("ended", kept([first, missing[0]]))
    cohorts, rest = under_way(found, missing[:1])
    assert (cohorts, rest) == ([], missing[:1])
    assert found.checkpoints() == ["beyond"]


def test_a_finished_study_needs_no_data(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = study(TINY)
    found = run(of, runs, engine="inline", limit=3, mirror=False)
    assert not nothing_left(of, TRIALS, found)
    run(of, runs, engine="inline", mirror=False)
    assert nothing_left(of, TRIALS, found)
    # Another protocol, another rung of tau, another control: none of them is there yet.
    for change in ("measure.samples=140", "measure.tau_ladder=[1e-3]", "controls.finite_support=[30]"):
        assert not nothing_left(study(TINY, change), TRIALS, found)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)  # where the digits come from
    assert run(of, runs, engine="ray", mirror=False).done() == {trial.id for trial in TRIALS}
