"""What one does with a run: look at it, check it, measure it again, judge it, report on it, mirror it."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from pipeline.cli.app import app
from pipeline.cli.options import (
    Address,
    DataRoot,
    EngineName,
    Overrides,
    RunPath,
)
from pipeline.errors import InputError
from pipeline.study import Study


@app.command()
def status(run_path: RunPath) -> None:
    """Count a run's trials: planned, finished by status, missing; the last failures; who is writing."""
    from pipeline.store.status import lines

    for line in lines(run_path):
        print(line)


@app.command()
def verify(
    run_path: RunPath,
    repair: Annotated[
        bool, typer.Option("--repair", help="Move what is damaged to RUN/damaged/, to be trained again.")
    ] = False,
) -> None:
    """Check size and checksum of every file of a run; exit code 1 if one is damaged or missing."""
    from pipeline.store import verify as room
    from pipeline.store.run import load_run

    found_run = load_run(run_path)
    with found_run.holding() if repair else contextlib.nullcontext():
        found = room.examine(found_run.files)
        for line in room.lines(found):
            print(line)
        if repair:
            room.repair(found_run.files, found)
    if repair and found.damaged:
        print(f"moved to {found_run.root}/{room.DAMAGED}/; {len(found.lost)} trials will be trained again by")
        print(f"  {room.command(found_run.files)}")
    elif found.damaged:
        print(f"next:   birthday verify {found_run.root} --repair")
        raise typer.Exit(1)


@app.command()
def measure(
    run_path: RunPath,
    overrides: Overrides = None,
    engine: EngineName = "ray",
    address: Address = None,
    data_root: DataRoot = None,
) -> None:
    """Measure a run's trained generators again, e.g. --set measure.tau.quantile=1e-2; trains nothing."""
    from pipeline.documents import assign, parse_yaml
    from pipeline.engine.execute import measure as execute
    from pipeline.store.run import load_run

    document = parse_yaml(load_run(run_path).study.yaml())
    for text in overrides or []:
        assign(document, text)
    study = Study.parse(document, f"{run_path.rstrip('/')}/study.yaml")
    count = execute(run_path, study, engine=engine, address=address, data_root=data_root)
    print(f"measured {count} generators: {study.measure.tau_rule()}, {study.measure.samples} samples")
    print(f"next:   birthday report {run_path}")


@app.command()
def review(
    run_path: RunPath,
    port: Annotated[int, typer.Option("--port", help="0: any free one.")] = 0,
    rater: Annotated[str | None, typer.Option("--rater", help="Name the page starts with.")] = None,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open a browser.")] = False,
) -> None:
    """Judge pairs of images by eye, blinded, on a page served to this machine only."""
    from pipeline.review import review as serve

    serve(run_path, port=port, rater=rater, open_browser=open_browser)


@app.command()
def report(
    run_path: RunPath,
    target: Annotated[
        str | None, typer.Option("--out", help="Folder for the report [default: RUN/report].")
    ] = None,
    paper: Annotated[
        str | None,
        typer.Option(
            "--paper",
            metavar="DIR",
            help="Write instead what a LaTeX paper includes: tables, figures, numbers.",
        ),
    ] = None,
) -> None:
    """Write the report of a run from its tables alone: HTML, Markdown, figures, CSV; or a paper's parts."""
    if paper is None:
        from reports.render import build

        print(build(run_path, target) / "index.html")
    elif target is None:
        from reports import paper as parts

        print(parts.build(run_path, paper) / "paper.tex")
    else:
        raise InputError("--paper and --out: give one of them, a paper's parts or the report")


@app.command(name="mirror")
def mirror_command(
    run_path: RunPath,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="URI",
            help="A server or database [default: MLFLOW_TRACKING_URI, else mlflow.db beside the run].",
        ),
    ] = None,
) -> None:
    """Bring MLflow up to date with a run, from its tables alone: trials, curves, samples, and its report."""
    from pipeline.store.run import load_run
    from pipeline.tracking import mirror, place
    from reports.render import page

    found_run = load_run(run_path)
    where = place(found_run, to)
    mirror(found_run, where, lambda: {"report/index.html": page(found_run)})
    print(f"mlflow: {where.look}")
