"""A search asks, trains and tells; what it was asked and found survives its driver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from pipeline import InputError, Study, load_run, run
from pipeline.progress import Plain
from pipeline.search import Search, hunt, search, searching
from pipeline.search.searching import JOURNAL
from pipeline.store.status import lines
from tests.engine.tools import TINY, Command, study
from tests.tracking import runs as mlflow

SPACE = """
search:
  space:
    training.generator_lr: {type: float, low: 1e-4, high: 1e-2, log: true}
    generator.width: {type: int, low: 2, high: 5}
    objective.name: {type: categorical, values: [nonsaturating, hinge]}
  trials: 4
  seeds: 2
  objective: {metric: kid}
"""
MEDIAN = "search.pruner={name: median, startup_trials: 1}"


def tuned(*overrides: str) -> Study:
    return study(TINY + SPACE, *overrides)


def journal(folder: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


def settings(found: Search) -> list[dict[str, Any]]:
    return [s.settings for s in found.suggestions]


def finished_at(runs: Path) -> Any:
    return load_run(runs / "tiny-search").table("trials").set_index("trial_id")["finished_at"]


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("engine", ["inline", "ray"])
def test_a_search_leaves_ordinary_trials_and_a_best_study(engine: str, runs: Path) -> None:
    found = search(tuned(), runs, engine=engine, mirror=False)
    assert [s.state for s in found.suggestions] == ["complete"] * 4
    assert len(journal(runs / "tiny-search").trials) == 4
    rows = load_run(runs / "tiny-search").table("trials")
    wanted = {tuned().resolve({**s, "seed": k}).id for s in settings(found) for k in (0, 1)}
    assert set(rows["trial_id"]) == wanted
    quality = load_run(runs / "tiny-search").table("quality").set_index("trial_id")["kid"]
    for s in found.suggestions:
        ids = [tuned().resolve({**s.settings, "seed": k}).id for k in (0, 1)]
        assert s.values == (pytest.approx(quality[ids].mean(), rel=1e-12),)
    best = Study.load(found.best_study)
    top = min(found.suggestions, key=lambda s: s.values)
    assert best.base.training.generator_lr == top.settings["training.generator_lr"]
    assert best.seeds() == [2, 3, 4]
    assert best.search is None
    assert not {t.id for t in best.trials()} & wanted
    assert len(run(best, runs, engine=engine, limit=1, mirror=False).done()) == 1


def test_every_suggestion_is_in_the_tables(runs: Path) -> None:
    bound = "search.constraints=[{metric: recall, at_least: %s}]"
    stepwise = "search.pruner={name: median, startup_trials: 5}"
    found = search(tuned(bound % 0, stepwise), runs, engine="inline", mirror=False, trials=2)
    rows = load_run(runs / "tiny-search").table("suggestions").sort_values("number")
    assert [json.loads(text) for text in rows["settings"]] == settings(found)
    assert [tuple(json.loads(text).values()) for text in rows["values"]] == [
        s.values for s in found.suggestions
    ]
    assert list(rows["state"]) == [s.state for s in found.suggestions]
    assert rows["feasible"].all()
    quality = load_run(runs / "tiny-search").table("quality").set_index("trial_id")
    for row, s in zip(rows.to_dict("records"), found.suggestions, strict=True):
        first = tuned().resolve({**s.settings, "seed": 0}).id
        assert json.loads(row["means_by_seeds"]) == [quality.loc[first, "kid"]]
        ids = [tuned().resolve({**s.settings, "seed": k}).id for k in (0, 1)]
        assert json.loads(row["constraints"]) == {"recall": pytest.approx(-quality.loc[ids, "recall"].mean())}
    with pytest.raises(InputError, match="no suggestion succeeded within the constraints"):
        search(tuned(bound % 2), runs / "x", engine="inline", mirror=False, trials=1)
    assert not load_run(runs / "x" / "tiny-search").table("suggestions")["feasible"].any()


def test_the_same_search_proposes_the_same_again(runs: Path) -> None:
    first = search(tuned("search.seeds=1"), runs / "a", engine="inline", mirror=False)
    again = search(tuned("search.seeds=1"), runs / "b", engine="inline", mirror=False)
    assert first.suggestions == again.suggestions
    other = search(
        tuned("search.seeds=1", "search.sampler={name: tpe, seed: 1}"),
        runs / "c",
        engine="inline",
        mirror=False,
    )
    assert settings(other) != settings(first)


@pytest.mark.usefixtures("local_ray")
def test_in_order_the_same_is_proposed_whatever_finishes_first(runs: Path) -> None:
    fixed = tuned(
        "search.sampler={name: tpe, startup_trials: 2}",
        "search.ordered=true",
        "search.parallel=3",
        "search.trials=7",
        MEDIAN,
    )
    inline = search(fixed, runs / "a", engine="inline", mirror=False)
    assert search(fixed, runs / "b", engine="ray", mirror=False).suggestions == inline.suggestions


def test_a_search_goes_on_where_it_ended(runs: Path) -> None:
    first = search(tuned(), runs, engine="inline", mirror=False, trials=2)
    before = finished_at(runs)
    assert len(before) == 4
    found = search(tuned(), runs, engine="inline", mirror=False, resume=True)
    after = finished_at(runs)
    assert len(after) == 8
    assert (after[before.index] == before).all()
    assert found.suggestions[:2] == first.suggestions
    assert len({str(s) for s in settings(found)}) == 4
    assert search(tuned(), runs, engine="inline", mirror=False).suggestions == found.suggestions
    with pytest.raises(InputError, match="is not a run"):
        search(tuned(), runs / "elsewhere", engine="inline", mirror=False, resume=True)


def test_progress_counts_this_search_and_not_one_before_a_change(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def first_and_last(*overrides: str, trials: int) -> tuple[str, str]:
        search(tuned(*overrides), runs, engine="inline", mirror=False, trials=trials, progress=Plain())
        lines = capsys.readouterr().out.splitlines()
        return lines[0].split(": ")[1], lines[-1].split(", ")[0].split(": ")[1]

    assert first_and_last(trials=1) == ("2 trials, 0 done already", "2/2 done")
    assert first_and_last(trials=2) == ("4 trials, 2 done already", "4/4 done")
    changed = "search.sampler={name: tpe, seed: 1}"
    assert first_and_last(changed, trials=1) == ("2 trials, 0 done already", "2/2 done")
    assert len(finished_at(runs)) == 6


@pytest.mark.parametrize("at", [pytest.param("asked", marks=pytest.mark.soak), "half asked", "trained"])
def test_a_killed_search_ends_as_if_it_had_not_been(
    runs: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Killed with the second suggestion asked for, with only some of its settings drawn, and with its trials
    in the store and untold.
    """
    quiet = search(tuned(), runs / "quiet", engine="inline", mirror=False)
    calls = []

    def dies(real: Any, on: int) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(arguments)
            if len(calls) == on:
                raise KeyboardInterrupt
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        if at == "trained":
            patch.setattr(hunt, "means", dies(hunt.means, 2))
        elif at == "asked":
            patch.setattr(hunt.Hunt, "_begin", dies(hunt.Hunt._begin, 2))
        else:
            patch.setattr(optuna.Trial, "suggest_int", dies(optuna.Trial.suggest_int, 2))
        with pytest.raises(KeyboardInterrupt):
            search(tuned(), runs, engine="inline", mirror=False)
    trying = journal(runs / "tiny-search").get_trials(states=(optuna.trial.TrialState.RUNNING,))
    assert [t.number for t in trying] == [1]
    assert len(trying[0].params) == (1 if at == "half asked" else 3)
    before = finished_at(runs)
    assert len(before) == (4 if at == "trained" else 2)
    found = search(tuned(), runs, engine="inline", mirror=False)
    assert found.suggestions == quiet.suggestions
    after = finished_at(runs)
    assert (after[before.index] == before).all()
    assert len(after) == 8


def test_a_suggestion_that_fails_is_told_as_failed(runs: Path) -> None:
    rates = "search.space.training.generator_lr={type: categorical, values: [1e-3, 1e30]}"
    found = search(tuned(rates, "search.seeds=1"), runs, engine="inline", mirror=False)
    ends = {s.settings["training.generator_lr"]: s.state for s in found.suggestions}
    assert ends == {1e-3: "complete", 1e30: "fail"}
    with pytest.raises(InputError, match="no suggestion succeeded"):
        search(
            tuned("base.training.discriminator_lr=1e30", "search.trials=1"),
            runs / "x",
            engine="inline",
            mirror=False,
        )


def test_hopeless_suggestions_are_pruned_after_a_seed(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([0.5, 0.5, 0.9, 0.1, 0.15])
    monkeypatch.setattr(hunt, "means", lambda *_: {"kid": next(values)})
    found = search(tuned(MEDIAN, "search.trials=3"), runs, engine="inline", mirror=False)
    assert [(s.state, *s.values) for s in found.suggestions] == [
        ("complete", 0.5),
        ("pruned", 0.9),
        ("complete", 0.15),
    ]
    assert len(load_run(runs / "tiny-search").table("trials")) == 5


def test_a_search_for_each_capacity_and_its_best_on_fresh_seeds(
    birthday: Command, mirrored_runs: Path, tmp_path: Path
) -> None:
    file, runs = tmp_path / "study.yaml", mirrored_runs
    each = (
        "  each: [discriminator.width]\n  fresh_seeds: 2\n  constraints: [{metric: finished, at_least: 1}]\n"
    )
    file.write_text(TINY + SPACE + each)
    said = birthday(
        "search", file, "--runs", runs, "--engine", "inline", "--trials", "2", "--set", "search.seeds=1"
    )
    assert (said.code, said.err) == (0, "")
    tuning, fresh = load_run(runs / "tiny-search"), load_run(runs / "tiny-best")
    rows = tuning.table("suggestions")
    assert rows.groupby("group").size().to_dict() == {
        '{"discriminator.width": 2}': 2,
        '{"discriminator.width": 4}': 2,
    }
    assert set(tuning.table("trials")["seed"]) == {0}
    assert set(fresh.table("trials")["seed"]) == {1, 2}
    assert fresh.table("trials").groupby("discriminator_width").size().to_dict() == {2: 2, 4: 2}
    assert fresh.study.tuned is not None
    assert fresh.study.tuned.search == "tiny-search"
    chosen = {json.dumps(one.group): one for one in fresh.study.tuned.chosen}
    for group, own in rows.groupby("group"):
        values = [json.loads(text)["kid"] for text in own["values"]]
        assert (chosen[str(group)].value, chosen[str(group)].suggestions) == (min(values), 2)
        assert chosen[str(group)].trial in set(tuning.table("trials")["trial_id"])
        best = min(own.to_dict("records"), key=lambda row: json.loads(row["values"])["kid"])
        width = json.loads(str(group))["discriminator.width"]
        trials = [t for t in fresh.study.trials() if t.discriminator and t.discriminator.width == width]
        assert {t.training.generator_lr for t in trials} == {
            json.loads(best["settings"])["training.generator_lr"]
        }
    for one, extra in ((tuning, ["best.yaml"]), (fresh, [])):
        parent, children = mlflow.found(one)
        assert parent.info.status == "FINISHED"
        assert children.keys() == one.done()
        assert {"discriminator.width", "seed"} <= next(iter(children.values())).data.tags.keys()
        files = {file.path for file in mlflow.client(one).list_artifacts(parent.info.run_id)}
        assert files == {"study.yaml", *extra}
    assert "training.generator_lr" in next(iter(mlflow.found(tuning)[1].values())).data.tags


def test_several_objectives_and_conditional_settings(runs: Path) -> None:
    several = tuned(
        "search.objective=[{metric: density}, {metric: late_loss_variance}]",
        "search.sampler={name: nsga2, population: 2}",
        "search.space.objective.name={type: categorical, values: [nonsaturating, wgan_gp]}",
        "search.space.objective.penalty={type: float, low: 1, high: 20, when: {objective.name: [wgan_gp]}}",
        "search.trials=6",
        "search.seeds=1",
    )
    found = search(several, runs, engine="inline", mirror=False)
    for s in found.suggestions:
        assert ("objective.penalty" in s.settings) == (s.settings["objective.name"] == "wgan_gp")
        assert len(s.values) == 2
    tuner = journal(runs / "tiny-search")
    assert [d.name for d in tuner.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert tuner.best_trials


def test_every_corner_of_the_space_is_checked_first(runs: Path) -> None:
    for choice, said in (
        ("train_samples={type: int, low: 100, high: 5000}", "train_samples: 5000"),
        ("dataset.name={type: categorical, values: [digits, mnist]}", "dataset 'mnist'"),
    ):
        with pytest.raises(InputError, match=said):
            search(tuned(f"search.space.{choice}"), runs, engine="inline", mirror=False)
    with pytest.raises(InputError, match="must have at most 73 characters to be searched for"):
        search(tuned(f"study={'a' * 74}"), runs, engine="inline", mirror=False)
    assert not runs.exists()


def test_the_command(birthday: Command, runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(TINY + SPACE)
    words = ["--trials", "2", "--engine", "inline", "--set", "search.seeds=1", "--no-mlflow"]
    said = birthday("search", file, "--runs", runs, *words)
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == "tiny-search: 2 trials, 0 done already"
    lines = lines[next(k for k, line in enumerate(lines) if line.startswith("suggestion")) :]
    assert lines[0].split() == ["suggestion", "state", "kid", "settings"]
    assert [line.split()[:2] for line in lines[1:3]] == [["0", "complete"], ["1", "complete"]]
    assert lines[3] == f"best:   {runs}/tiny-search/best.yaml"
    assert lines[4] == f"next:   birthday run {runs}/tiny-search/best.yaml --runs {runs}"
    refused = birthday("run", runs / "tiny-search" / "study.yaml", "--runs", runs, "--engine", "inline")
    assert (refused.code, refused.err) == (
        2,
        "birthday: study 'tiny-search': is a search's: go on with `birthday search`, or rename it\n",
    )
    refused = birthday("search", file, "--runs", "s3://bucket/runs", "--engine", "inline")
    assert refused.code == 2
    assert "--storage" in refused.err
    refused = birthday(
        "search",
        file,
        "--runs",
        runs,
        "--engine",
        "inline",
        "--storage",
        "postgresql://me:secret@127.0.0.1:1/x",
    )
    assert refused.code == 2
    assert "secret" not in refused.err
    assert len(refused.err.splitlines()) == 1


def test_what_matters_is_in_the_tables_and_whoever_looks_meanwhile_sees_it(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved after every batch; ten suggestions are enough for importances."""
    monkeypatch.setattr(searching, "SAVED_EVERY", 0.0)
    counts: list[list[str]] = []
    save = searching._save

    def saves(study: Study, groups: Any, tuners: Any, target: Any) -> None:
        save(study, groups, tuners, target)
        counts.append(lines(target.root)[:2])

    monkeypatch.setattr(searching, "_save", saves)
    search(tuned("search.seeds=1"), runs, engine="inline", mirror=False, trials=10)
    assert len(counts) > 2
    assert counts[-1] == ["tiny-search: 10 suggestions", "  complete: 10"]
    assert counts[0] != counts[-1]
    rows = load_run(runs / "tiny-search").table("importances")
    assert set(rows["key"]) == {"training.generator_lr", "generator.width", "objective.name"}
    assert rows["importance"].sum() == pytest.approx(1.0)
    assert (rows["importance"] >= 0).all()


def test_the_plan_says_what_a_search_may_take(birthday: Command, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(TINY + SPACE + "  each: [discriminator.width]\n")
    said = birthday("plan", file)
    assert (said.code, said.err) == (0, "")
    assert "search: at most 16 trials (2 x 4 suggestions x 2 seeds); with the base's settings" in said.out
    assert "    16 trials by arithmetic" in said.out
