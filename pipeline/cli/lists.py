"""What a study may name, and what is here for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from pipeline.cli.app import app, show
from pipeline.cli.options import (
    DataRoot,
    Runs,
)
from pipeline.study import Study

data_commands = typer.Typer(help="Bring data sets to this machine.", no_args_is_help=True)
app.add_typer(data_commands, name="data")


@app.command()
def datasets(data_root: DataRoot = None) -> None:
    """List the data sets, and where each was found."""
    from pipeline import datasets as room

    show(("name", "what", "where"), room.available(data_root))


@data_commands.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="mnist, fashion_mnist or cifar10.")],
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Folder of image sets [default: $BIRTHDAY_DATA]."),
    ] = None,
) -> None:
    """Download a data set from its official source, checked and resumed; or say what to put where."""
    from pipeline.datasets.fetch import fetch as bring
    from pipeline.datasets.fetch import progress_bar

    with progress_bar() as watch:
        folder = bring(name, to, watch)
    print(folder)
    if to is not None:
        print(f"next:   --data-root {to}, or BIRTHDAY_DATA={to.absolute()}")


@app.command()
def systems() -> None:
    """List the systems a study may name: paper, what they play on, options."""
    from pipeline.options import SystemOptions, choices

    rows = []
    for name, model in choices(SystemOptions).items():
        options = [key for key in model.model_fields if key != "name"]
        what = " ".join((model.__doc__ or "").split())
        rows.append(
            (name, getattr(model, "paper", ""), getattr(model, "plays_on", ""), what, ", ".join(options))
        )
    show(("name", "paper", "ready for", "what", "options"), rows)


@app.command()
def objectives() -> None:
    """List the objectives a study may name, with their options, and the regularisers that go with them."""
    from pipeline import options

    rows = {}
    for name, model in options.choices(options.ObjectiveOptions).items():
        fields = [f"{key}={field.default}" for key, field in model.model_fields.items() if key != "name"]
        rows[name] = " ".join([model.__doc__ or "", *(["Options:", *fields] if fields else [])])
    for name, field in options.Regularizers.model_fields.items():
        rows[f"regularizers.{name}"] = field.description or ""
    _list(rows)


@app.command()
def doctor(runs: Runs = "runs", data_root: DataRoot = None) -> None:
    """Check what is installed and usable here, and say what to do about what is missing."""
    from pipeline.doctor import checks

    marks = {True: Text("ok", "green"), False: Text("no", "red"), None: Text("-", "yellow")}
    found = checks(Path(runs), data_root)
    show(("", "check", "found", "what to do"), ((marks[c.ok], c.name, c.found, c.advice) for c in found))
    raise typer.Exit(1 if any(check.ok is False for check in found) else 0)


@app.command()
def schema() -> None:
    """Print the JSON schema of study files, for editors."""
    print(json.dumps(Study.model_json_schema(), indent=2))


def _list(rows: Mapping[str, str | None]) -> None:
    show(("name", "what"), ((name, " ".join((text or "").split())) for name, text in rows.items()))
