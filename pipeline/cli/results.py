"""What one does with the results of runs: compare them, take them elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.app import app, show
from pipeline.cli.options import RunPath


@app.command()
def compare(
    run_paths: Annotated[
        list[str], typer.Argument(metavar="RUN RUN ...", help="Directories or URLs of two or more runs.")
    ],
    out: Annotated[str, typer.Option("--out", help="Folder for the comparison.")] = "comparison",
) -> None:
    """Set runs side by side: what differs, verdicts and slopes, support by configuration, cost."""
    from reports.comparison import compare as write

    found = write(run_paths, out)
    if found.rows:
        show(found.heads, found.rows)
    if count := len(found.shared.irreproducible.rows):
        print(f"not reproducible: {count} of {found.shared.trials} trials in two runs have different numbers")
    print(found.page)


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
