"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.study import Study

StudyFile = Annotated[
    Path, typer.Argument(metavar="STUDY", help="A study file, e.g. studies/quickstart.yaml.")
]
RunPath = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's directory or URL, e.g. runs/quickstart.")
]
Runs = Annotated[str, typer.Option("--runs", metavar="DIR", help="Where runs are kept: DIR/<study name>/.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the study; may be repeated."),
]
EngineName = Annotated[
    str, typer.Option("--engine", help="ray (this machine's cores, or --address) or inline.")
]
Address = Annotated[
    str | None,
    typer.Option("--address", envvar="RAY_ADDRESS", help="HOST:PORT of a running Ray head, or auto."),
]
DataRoot = Annotated[
    Path | None, typer.Option("--data-root", help="Folder of image sets [default: $BIRTHDAY_DATA].")
]
Quick = Annotated[
    bool, typer.Option("--quick", help="The same study shrunk to a smoke run, <study name>-quick.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Run at most this many trials now.")]
Dashboard = Annotated[
    str,
    typer.Option(
        "--address",
        envvar="RAY_API_SERVER_ADDRESS",
        help="The cluster's dashboard, http://HEAD:8265.",
    ),
]
JobName = Annotated[
    str,
    typer.Argument(metavar="JOB", help="A job's id, its beginning, or the study of one unfinished job."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]
Mirror = Annotated[
    bool,
    typer.Option(
        "--mlflow/--no-mlflow", help="Mirror the tables to MLflow: MLFLOW_TRACKING_URI, else DIR/mlflow.db."
    ),
]


def load(file: Path, overrides: list[str] | None, quick: bool = False) -> Study:
    """A study file as the command line changes it. Raises InputError."""
    study = Study.load(file, overrides)
    return study.quick() if quick else study
