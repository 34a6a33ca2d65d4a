"""What one does with the results of runs: compare them, take them elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.app import app
from pipeline.cli.options import RunPath


@app.command()
def export(
    run_path: RunPath,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="csv, parquet or sqlite.")],
    out: Annotated[
        str | None,
        typer.Option(
            "--out", help="Folder or, for sqlite, file [default: ./<study>-FORMAT, ./<study>.sqlite]."
        ),
    ] = None,
    tables: Annotated[
        list[str] | None,
        typer.Option("--table", metavar="NAME", help="Only this table; may be repeated."),
    ] = None,
) -> None:
    """Write a run's tables, and one of results, for other programs: CSV, Parquet or SQLite."""
    from reports.export import export as write

    print(write(run_path, to, out, tables or []))
