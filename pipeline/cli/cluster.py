"""Studies as jobs of a Ray cluster."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.app import app, out
from pipeline.cli.options import (
    AsJson,
    Dashboard,
    JobName,
    Limit,
    Mirror,
    Overrides,
    Quick,
    StudyFile,
)
from pipeline.errors import InputError


@app.command()
def submit(
    study_file: StudyFile,
    address: Dashboard,
    runs: Annotated[str, typer.Option("--runs", help="An absolute path that every node sees, or a URL.")],
    overrides: Overrides = None,
    limit: Limit = None,
    data_root: Annotated[
        Path | None,
        typer.Option("--data-root", help="Folder of image sets on the head, instead of its BIRTHDAY_DATA."),
    ] = None,
    quick: Quick = False,
    mlflow: Mirror = True,
    variables: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            metavar="NAME[=VALUE]",
            help="A variable for the job, e.g. MLFLOW_TRACKING_URI; without a value, the one set here; may "
            "be repeated. Nothing else of this environment travels. Who can list jobs can read it: secrets "
            "belong into the nodes' environment.",
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Stream the job's log until it ends.")
    ] = True,
    python: Annotated[str | None, typer.Option("--python", help="Interpreter on the cluster's head.")] = None,
) -> None:
    """Run a study on a Ray cluster as a job that outlives this terminal; prints the job's id."""
    from cluster.submit import submit as send

    if data_root is not None and not data_root.is_absolute():
        raise InputError(f"--data-root {data_root}: must be an absolute path on the cluster's head")
    options = ["--limit", str(limit)] if limit else []
    options += ["--data-root", str(data_root)] if data_root else []
    options += [] if mlflow else ["--no-mlflow"]
    with _watching("a job that was started goes on; `birthday stop` would end it"):
        job = send(
            study_file,
            address,
            runs,
            overrides,
            quick=quick,
            options=options,
            variables=variables,
            wait=wait,
            python=python,
        )
    print(job)


@app.command()
def jobs(address: Dashboard, as_json: AsJson = False) -> None:
    """List a cluster's jobs, the oldest first."""
    from cluster.jobs import connect, list_jobs
    from cluster.listing import record, table

    found = [record(job) for job in list_jobs(connect(address))]
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(table(found, time.time(), out.width if sys.stdout.isatty() else None)))


@app.command()
def logs(
    job: JobName,
    address: Dashboard,
    following: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", min=0, help="The last lines only.")] = None,
) -> None:
    """Print a job's log."""
    from cluster.jobs import connect, find_job
    from cluster.log import follow, show

    client = connect(address)
    name = str(find_job(client, job).submission_id)
    with _watching():
        (follow if following else show)(client, name, tail)


@app.command()
def stop(job: JobName, address: Dashboard) -> None:
    """Stop a job and wait until it has ended; submitting its study again goes on where it stopped."""
    from cluster.jobs import connect, find_job
    from cluster.jobs import stop as end

    client = connect(address)
    with _watching("the job was told to stop, and does"):
        end(client, find_job(client, job), lambda line: print(line, flush=True))


@contextlib.contextmanager
def _watching(otherwise: str = "the job goes on; `birthday stop` would end it") -> Iterator[None]:
    """A job's failure is its reason and exit code 1; so is an end of looking on, which changes nothing."""
    from cluster.jobs import JobFailed

    try:
        yield
    except JobFailed as error:
        print(f"birthday: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        print(f"birthday: {otherwise}", file=sys.stderr)
        raise typer.Exit(1) from None
