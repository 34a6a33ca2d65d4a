"""Trials in cohorts: who is trained with whom, by which back end, and what a failure costs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import run
from pipeline.cli import app
from pipeline.engine import execute, tuning, work
from pipeline.engine.cohorts import MOST_IN_TASK, Backlog, Choice, Cohort, packed, shape_key
from pipeline.engine.engines import Inline
from pipeline.engine.tuning import Probed, Timing, Tuned
from pipeline.engine.work import Context, Ended, run_cohort
from pipeline.errors import InputError
from pipeline.store.run import Run
from pipeline.study import ResourceOptions
from pipeline.training import BACK_ENDS, REFERENCE, BackEnd, Member, Trained
from pipeline.trial import TrialConfig
from tests.engine.tools import TINY, numbers, study

STACKED = Choice(BACK_ENDS["stacked"], 8)
WIDER = ["vary.discriminator.width=[2, 4]", "vary.seed={count: 6}"]


def width(trial: TrialConfig) -> float:
    """Stands for the seconds that a trial takes."""
    assert trial.discriminator is not None
    return float(trial.discriminator.width)


def cohorts(size: int, slots: int, *overrides: str) -> list[Cohort]:
    choice = Choice(BACK_ENDS["stacked"], size)
    trials = study(TINY, *WIDER, *overrides).trials()
    seconds = {shape_key(trial): width(trial) for trial in trials}
    return list(packed(trials, lambda _: choice, lambda: slots, seconds.__getitem__))


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize("slots", [1, 2, 7])
def test_every_trial_is_in_one_cohort_of_its_shape(size: int, slots: int) -> None:
    trials = study(TINY, *WIDER).trials()
    found = cohorts(size, slots)
    assert sorted(t.id for c in found for t in c.trials) == sorted(t.id for t in trials)
    for cohort in found:
        assert len({shape_key(trial) for trial in cohort.trials}) == 1
        assert 1 <= len(cohort.trials) <= size
    # Two tasks a slot as long as there are trials for them.
    assert len(found) >= min(len(trials), 2 * slots)
    lengths = [sum(map(width, cohort.trials)) for cohort in found]
    assert lengths == sorted(lengths, reverse=True)


def test_short_trials_share_a_task_once_their_length_is_known() -> None:
    trials = study(TINY, "vary.discriminator.width=[4]", "vary.seed={count: 1000}").trials()
    known = [1.0]
    found = packed(trials, lambda _: Choice(REFERENCE, 1), lambda: 2, lambda _: known[0])
    first = next(found)
    assert len(first.trials) == 2  # two seconds a task
    known[0] = 0.1
    assert len(next(found).trials) == 20
    known[0] = 1e-4
    rest = list(found)
    assert len(rest[0].trials) == 62 < MOST_IN_TASK  # 978 in 16 equal parts
    assert len(rest[-1].trials) <= 2  # the last tasks are short: no slot ends long after the others
    everyone = [*first.trials, *(t for c in rest for t in c.trials)]
    assert len({t.id for t in everyone}) == 980


def test_what_must_be_done_again_comes_first_even_after_the_end() -> None:
    trials = tuple(study(TINY, *WIDER).trials())
    cohort = Cohort(trials[:5], REFERENCE)
    backlog = Backlog(iter([cohort]))
    assert next(backlog) == cohort
    assert next(backlog, None) is None
    backlog.again(cohort.halves(1))
    assert [len(c.trials) for c in backlog] == [2, 3]
    assert [c.tried for c in cohort.halves(2)] == [2, 2]


def test_members_with_equal_rates_stand_together() -> None:
    (cohort,) = cohorts(
        100,
        1,
        "vary.discriminator.width=[4]",
        "vary.seed={count: 2}",
        "vary.training.generator_lr=[1e-3, 2e-3]",
    )[:1]
    rates = [trial.training.generator_lr for trial in cohort.trials]
    assert rates == sorted(rates)


def test_a_study_in_cohorts_gives_the_tables_of_the_reference(runs: Path) -> None:
    """Rounding apart: counts of collisions, statuses and every row are the same."""
    found = {
        name: run(
            study(TINY, f"resources.back_end={name}", "resources.cohort=4"),
            runs / name,
            engine="inline",
            mirror=False,
        ).root
        for name in ("reference", "stacked", "traced")
    }
    expected = numbers(found.pop("reference"))
    assert set(expected["trials"]["back_end"]) == {"reference"}
    for name, root in found.items():
        tables = numbers(root)
        assert set(tables["trials"]["back_end"]) == {name}
        assert set(tables["trials"]["cohort_size"]) == {2 if name == "stacked" else 1}
        for table in ("collisions", "quality", "curves"):
            ours, theirs = (t[table].select_dtypes("number") for t in (tables, expected))
            np.testing.assert_allclose(
                ours.to_numpy(float), theirs.to_numpy(float), rtol=2e-3, atol=1e-5, err_msg=f"{name} {table}"
            )


def test_what_a_cohort_cannot_do_its_members_do_alone(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = work.train_cohort
    asked: list[tuple[int, str]] = []

    def failing(members: Sequence[Member], *rest: Any) -> list[Trained]:
        back_end: BackEnd = rest[-2]
        asked.append((len(members), back_end.name))
        if len(members) > 1 or (back_end != REFERENCE and members[0].trial.seed == 1):
            raise RuntimeError("not as a cohort")
        return real(members, *rest)

    monkeypatch.setattr(work, "train_cohort", failing)
    rows = run(study(TINY, "resources.back_end=stacked"), runs, engine="inline", mirror=False).table("trials")
    assert set(rows["status"]) == {"completed"}
    assert dict(zip(rows["seed"], rows["back_end"], strict=True)) == {0: "stacked", 1: "reference"}
    assert (2, "stacked") in asked


def test_one_members_failure_is_its_own(runs: Path) -> None:
    rates = ["vary.training.generator_lr=[1e-3, 1e30]", "vary.discriminator.width=[4]"]
    rows = run(study(TINY, *rates, "resources.back_end=stacked"), runs, engine="inline", mirror=False).table(
        "trials"
    )
    assert set(rows["cohort_size"]) == {2}
    for row in rows.to_dict("records"):
        diverging = json.loads(row["config"])["training"]["generator_lr"] > 1
        assert row["status"] == ("diverged" if diverging else "completed")
        assert row["steps_done"] == (3 if diverging else 6)


def deadly(context: Context, cohort: Cohort) -> Ended:
    """One trial kills its worker, and with it its cohort."""
    if any(t.seed == 1 and t.discriminator is not None and t.discriminator.width == 4 for t in cohort.trials):
        os.kill(os.getpid(), signal.SIGKILL)
    return run_cohort(context, cohort)


@pytest.mark.usefixtures("local_ray")
def test_a_killed_cohort_is_tried_again_one_by_one(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "run_cohort", deadly)
    together = ["resources.back_end=stacked", "vary.seed={count: 8}"]
    rows = run(study(TINY, *together), runs, engine="ray", mirror=False).table("trials")
    assert len(rows) == 16
    assert rows["status"].value_counts().to_dict() == {"completed": 15, "lost": 1}
    (lost,) = rows[rows["status"] == "lost"].to_dict("records")
    # Twice in fours, once in twos, and three times alone.
    assert (lost["seed"], lost["discriminator_width"], lost["attempts"]) == (1, 4, 6)


def choices_of(trials_study: Any, root: Path, **how: Any) -> dict[Any, Any]:
    bench = execute.prepare(trials_study, trials_study.trials(), "inline", None, None, Run(f"{root}/tiny"))
    return tuning.choices(
        trials_study.trials(), bench.contexts, trials_study.resources, Inline(), Run(f"{root}/tiny"), **how
    )


def test_what_is_not_worth_measuring_is_left_to_the_reference(runs: Path) -> None:
    assert set(choices_of(study(TINY), runs).values()) == {Choice(REFERENCE, 1)}
    assert not (runs / "back_ends").exists()


def test_a_measured_choice_is_kept_and_used_again(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "WORTH_MEASURING", 0.0)
    calls: list[int] = []
    speeds = {"reference": 10.0, "traced": 10.5, "stacked": 40.0}

    def measured(
        context: Context, trial: TrialConfig, candidates: Sequence[tuple[BackEnd, int]], _: ResourceOptions
    ) -> Probed:
        calls.append(len(candidates))
        assert not any(b.compiled for b, _ in candidates)
        return Probed([Timing(b.name, size, speeds[b.name]) for b, size in candidates], 0.5)

    monkeypatch.setattr(tuning, "probe", measured)
    many = study(TINY, "vary.seed={count: 6}")
    for _ in range(2):
        found = choices_of(many, runs)
        assert {tuned.choice for tuned in found.values()} == {Choice(BACK_ENDS["stacked"], 4)}
    assert len(calls) == 2  # one a shape, the first time only
    assert len(list((runs / "back_ends").iterdir())) == 2
    for file in (runs / "back_ends").iterdir():
        file.write_text("{")
    choices_of(many, runs)
    assert len(calls) == 4  # a damaged file is measured again


@pytest.mark.parametrize(
    ("speeds", "best"),
    [
        ({"reference": 10.0, "traced": 10.9}, "reference"),  # within a busy machine's noise
        ({"reference": 10.0, "traced": 12.0}, "traced"),
        ({"reference": 10.0, "traced": None}, "reference"),
        ({"reference": None, "traced": None}, "reference"),
        ({"reference": None, "traced": 3.0}, "traced"),
    ],
)
def test_another_back_end_must_win_clearly(speeds: dict[str, float | None], best: str) -> None:
    assert tuning._best([Timing(name, 1, speed) for name, speed in speeds.items()]).back_end.name == best


def test_a_back_end_that_cannot_be_is_refused_at_load() -> None:
    with pytest.raises(InputError, match=r"back_end: stacked\+captured replays CUDA graphs.*gpus: 0"):
        study(TINY, "resources.back_end=stacked+captured")
    with pytest.raises(InputError, match=r"resources\.back_end: 'quick' is not one of auto, reference"):
        study(TINY, "resources.back_end=quick")
    on_gpus = study(TINY, "resources.back_end=stacked+captured", "resources.gpus=0.5")
    assert on_gpus.quick().resources.back_end == "auto"


def test_tune_prints_what_it_measured(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few: Callable[[str], list[BackEnd]] = lambda _: [REFERENCE, BACK_ENDS["stacked"]]  # noqa: E731
    monkeypatch.setattr(tuning, "available", few)
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY.replace("count: 2", "count: 4").replace("[2, 4]", "[4]"))
    app(["tune", str(file), "--engine", "inline", "--runs", str(runs)], standalone_mode=False)
    out = capsys.readouterr().out
    assert "digits, nonsaturating, G dcgan 4, D dcgan 4" in out
    rows = [line.split() for line in out.splitlines() if "reference" in line or "stacked" in line]
    assert [row[-1] == "*" for row in rows].count(True) == 1
    assert "1.00" in rows[0]  # the reference against itself
    (kept,) = (runs / "back_ends").iterdir()
    timings = [Timing(**t) for t in json.loads(kept.read_text())["timings"]]
    assert [(t.back_end, t.size) for t in timings] == [("reference", 1), ("stacked", 4)]
    assert all(t.steps_per_second and t.steps_per_second > 0 for t in timings)
    tuned = Tuned("", timings, tuning._best(timings))
    best = max(timings, key=lambda t: t.steps_per_second or 0.0)
    assert tuned.choice.back_end.name in ("reference", best.back_end)
