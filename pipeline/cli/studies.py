"""From a study file to a run: plan, run, tune, search."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from pipeline.cli.app import app, show
from pipeline.cli.options import (
    Address,
    DataRoot,
    EngineName,
    Limit,
    Mirror,
    Overrides,
    Quick,
    Runs,
    StudyFile,
    load,
)
from pipeline.errors import InputError
from pipeline.study import SEARCHING, Study


@app.command()
def plan(
    study_file: StudyFile,
    runs: Runs = "runs",
    price: Annotated[
        float | None,
        typer.Option(
            "--price-per-hour", min=0, help="Of a GPU, or of a core where trials need none; any currency."
        ),
    ] = None,
    overrides: Overrides = None,
    data_root: DataRoot = None,
    quick: Quick = False,
) -> None:
    """Show the trials, axes and predicted cost of a study; runs nothing."""
    from pipeline.engine.design import detectable
    from pipeline.engine.outlook import lines, of_search, outlook
    from pipeline.engine.plan import load_data
    from pipeline.store.run import Run

    study = load(study_file, overrides, quick)
    trials = study.trials()
    ends = [*study.groups(), *study.corners()] if study.search else []  # checked as by a search
    data = load_data([*trials, *map(study.resolve, ends)], data_root)
    print(f"{study.study}: {study.question}")
    show(("axis", "values"), study.outline())
    embeddings = ", ".join(study.measure.embedding_names())
    print(
        f"{len(trials)} trials; "
        f"measured: {study.measure.samples} samples each, {embeddings}, {study.measure.tau_rule()}"
    )
    found = outlook(trials, data, study.resources, Run(f"{runs.rstrip('/')}/{study.study}"))
    for line in lines(found, study.resources, price):
        print(line)
    for line in of_search(study, data, Run(f"{runs.rstrip('/')}/{study.study}{SEARCHING}"), price):
        print(line)
    for line in detectable(study, trials, data):
        print(line)


@app.command()
def run(
    study_file: StudyFile,
    runs: Runs = "runs",
    engine: EngineName = "ray",
    address: Address = None,
    overrides: Overrides = None,
    limit: Limit = None,
    data_root: DataRoot = None,
    quick: Quick = False,
    mlflow: Mirror = True,
) -> None:
    """Carry out what is missing of a study; the same command again resumes it."""
    from pipeline.engine.execute import run as execute
    from pipeline.progress import for_terminal

    study = load(study_file, overrides, quick)
    finished = execute(
        study,
        runs,
        engine=engine,
        address=address,
        limit=limit,
        data_root=data_root,
        mirror=mlflow,
        progress=for_terminal(),
    )
    print(f"tables: {finished.root}")
    if mlflow:
        from pipeline.tracking import place

        with contextlib.suppress(InputError):  # an object store without a server: said meanwhile
            print(f"mlflow: {place(finished).look}")
    print(f"next:   birthday report {finished.root}")


@app.command()
def tune(
    study_file: StudyFile,
    runs: Runs = "runs",
    engine: EngineName = "ray",
    address: Address = None,
    overrides: Overrides = None,
    data_root: DataRoot = None,
    quick: Quick = False,
) -> None:
    """Time the ways to train each shape of trial; runs in DIR then take the fastest."""
    from pipeline.engine.execute import tune as measure_back_ends
    from pipeline.engine.tuning import table

    study = load(study_file, overrides, quick)
    found = measure_back_ends(study, runs, engine=engine, address=address, data_root=data_root)
    print(next(iter(found.values())).device)
    show(
        ("shape", "trials", "back end", "at once", "steps/s", "speed-up", "chosen"),
        table(found, study.trials()),
    )


@app.command()
def search(
    study_file: StudyFile,
    runs: Runs = "runs",
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Number of suggestions of each search.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with a search that must be there; without it, too, if it is."),
    ] = False,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage", metavar="URL", help="Database of Optuna's part [default: a journal in the run]."
        ),
    ] = None,
    engine: EngineName = "ray",
    address: Address = None,
    overrides: Overrides = None,
    data_root: DataRoot = None,
    quick: Quick = False,
    mlflow: Mirror = True,
) -> None:
    """Search the study's `search:` space and write the best settings as a study of fresh seeds.

    With `search.each` every one of its values has a search of its own, and that study is then run.
    """
    from pipeline.engine.execute import run as execute
    from pipeline.progress import for_terminal
    from pipeline.search import search as find

    study = load(study_file, overrides, quick)
    found = find(
        study,
        runs,
        trials=trials,
        engine=engine,
        address=address,
        data_root=data_root,
        storage=storage,
        resume=resume,
        mirror=mlflow,
        progress=for_terminal(),
    )
    assert study.search is not None
    rows = []
    for s in found.suggestions:
        settings = ", ".join(f"{key}={value}" for key, value in (s.group | s.settings).items())
        values = [f"{value:.4f}" for value in s.values] + [""] * (len(study.search.objective) - len(s.values))
        rows.append((str(s.number), s.state if s.feasible else f"{s.state}, infeasible", *values, settings))
    show(("suggestion", "state", *(o.metric for o in study.search.objective), "settings"), rows)
    print(f"best:   {found.best_study}")
    if not study.search.each:
        print(f"next:   birthday run {found.best_study} --runs {runs}")
        return
    best = Study.load(found.best_study)
    target = execute(
        best,
        runs,
        engine=engine,
        address=address,
        data_root=data_root,
        mirror=mlflow,
        progress=for_terminal(),
    )
    print(f"tables: {target.root}")
    print(f"next:   birthday report {target.root}")
