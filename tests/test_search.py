"""A search asks, trains and tells; what it was asked and found survives its driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from pipeline import InputError, Study, load_run, run
from pipeline import search as room
from pipeline.search import JOURNAL, Search, search
from tests.engine.tools import TINY, Command, study

SPACE = """
search:
  space:
    training.generator_lr: {type: float, low: 1e-4, high: 1e-2, log: true}
    generator.width: {type: int, low: 2, high: 5}
    objective.name: {type: categorical, values: [nonsaturating, hinge]}
  trials: 4
  seeds: 2
  objective: {metric: density}
"""


def tuned(*overrides: str) -> Study:
    return study(TINY + SPACE, *overrides)


def journal(folder: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    return optuna.load_study(study_name="tiny-search", storage=storage)


def settings(found: Search) -> list[dict[str, Any]]:
    return [s.settings for s in found.suggestions]


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("engine", ["inline", "ray"])
def test_a_search_leaves_ordinary_trials_and_a_best_study(engine: str, runs: Path) -> None:
    found = search(tuned(), runs, engine=engine)
    assert [s.state for s in found.suggestions] == ["complete"] * 4
    assert len(journal(runs / "tiny-search").trials) == 4
    rows = load_run(runs / "tiny-search").table("trials")
    wanted = {tuned().resolve({**s, "seed": k}).id for s in settings(found) for k in (0, 1)}
    assert set(rows["trial_id"]) == wanted
    quality = load_run(runs / "tiny-search").table("quality").set_index("trial_id")["density"]
    for s in found.suggestions:
        ids = [tuned().resolve({**s.settings, "seed": k}).id for k in (0, 1)]
        assert s.value == pytest.approx(quality[ids].mean(), rel=1e-12)
    best = Study.load(found.best_study)
    top = max(found.suggestions, key=lambda s: s.value or 0.0)
    assert best.base.training.generator_lr == top.settings["training.generator_lr"]
    assert best.seeds() == [2, 3, 4]
    assert best.search is None
    assert not {t.id for t in best.trials()} & wanted
    assert len(run(best, runs, engine=engine, limit=1, mirror=False).done()) == 1


def test_the_same_search_proposes_the_same_again(runs: Path) -> None:
    first = search(tuned("search.seeds=1"), runs / "a", engine="inline")
    again = search(tuned("search.seeds=1"), runs / "b", engine="inline")
    assert first.suggestions == again.suggestions
    other = search(tuned("search.seeds=1", "search.sampler.seed=1"), runs / "c", engine="inline")
    assert settings(other) != settings(first)


def test_a_search_goes_on_where_it_ended(runs: Path) -> None:
    first = search(tuned(), runs, engine="inline", trials=2)
    before = load_run(runs / "tiny-search").table("trials").set_index("trial_id")["finished_at"]
    assert len(before) == 4
    found = search(tuned(), runs, engine="inline")
    after = load_run(runs / "tiny-search").table("trials").set_index("trial_id")["finished_at"]
    assert len(after) == 8
    assert (after[before.index] == before).all()
    assert found.suggestions[:2] == first.suggestions
    assert len({str(s) for s in settings(found)}) == 4
    assert search(tuned(), runs, engine="inline").suggestions == found.suggestions


def test_a_killed_search_asks_again_what_it_was_trying(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = room._objective, []

    def die(*arguments: Any) -> float | None:
        seen.append(arguments)
        if len(seen) == 3:  # the first seed of the second suggestion is in the store, and untold
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(room, "_objective", die)
    with pytest.raises(KeyboardInterrupt):
        search(tuned(), runs, engine="inline")
    monkeypatch.setattr(room, "_objective", real)
    trying = journal(runs / "tiny-search").get_trials(states=(optuna.trial.TrialState.RUNNING,))
    assert [t.number for t in trying] == [1]
    before = load_run(runs / "tiny-search").table("trials").set_index("trial_id")["finished_at"]
    found = search(tuned(), runs, engine="inline")
    assert [s.state for s in found.suggestions].count("complete") == 4
    assert found.suggestions[1].state == "fail"
    assert found.suggestions[2].settings == found.suggestions[1].settings
    after = load_run(runs / "tiny-search").table("trials").set_index("trial_id")["finished_at"]
    assert (after[before.index] == before).all()
    assert len(after) == 8


def test_a_suggestion_that_fails_is_told_as_failed(runs: Path) -> None:
    rates = "search.space.training.generator_lr={type: categorical, values: [1e-3, 1e30]}"
    found = search(tuned(rates, "search.seeds=1"), runs, engine="inline")
    ends = {s.settings["training.generator_lr"]: s.state for s in found.suggestions}
    assert ends == {1e-3: "complete", 1e30: "fail"}
    with pytest.raises(InputError, match="no suggestion succeeded"):
        search(tuned("base.training.discriminator_lr=1e30", "search.trials=1"), runs / "x", engine="inline")


def test_hopeless_suggestions_are_pruned_after_a_seed(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([0.5, 0.5, 0.1, 0.9, 0.8])
    monkeypatch.setattr(room, "_objective", lambda *_: next(values))
    pruner = "search.pruner={name: median, startup_trials: 1}"
    found = search(tuned(pruner, "search.trials=3"), runs, engine="inline")
    assert [(s.state, s.value) for s in found.suggestions] == [
        ("complete", 0.5),
        ("pruned", 0.1),
        ("complete", pytest.approx(0.85)),
    ]
    assert len(load_run(runs / "tiny-search").table("trials")) == 5


def test_every_corner_of_the_space_is_checked_first(runs: Path) -> None:
    for choice, said in (
        ("train_samples={type: int, low: 100, high: 5000}", "train_samples: 5000"),
        ("dataset.name={type: categorical, values: [digits, mnist]}", "dataset 'mnist'"),
    ):
        with pytest.raises(InputError, match=said):
            search(tuned(f"search.space.{choice}"), runs, engine="inline")
    assert not runs.exists()


def test_the_command(birthday: Command, runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(TINY + SPACE)
    said = birthday(
        "search", file, "--runs", runs, "--trials", "2", "--engine", "inline", "--set", "search.seeds=1"
    )
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].split() == ["suggestion", "state", "density", "settings"]
    assert [line.split()[:2] for line in lines[1:3]] == [["0", "complete"], ["1", "complete"]]
    assert lines[3] == f"best:   {runs}/tiny-search/best.yaml"
    refused = birthday("search", file, "--runs", "s3://bucket/runs", "--engine", "inline")
    assert refused.code == 2
    assert "name a directory" in refused.err
