"""The command itself, how it fails, and how it prints tables."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterable

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import InputError

app = typer.Typer(
    name="birthday",
    help="Do GANs learn the distribution? Run studies of generators' support size and report on them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
# Only a terminal has a width to fit into.
out = Console(width=None if sys.stdout.isatty() else 10_000)


def main() -> None:
    """Entry point: a user's mistake is one line and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        app()
    except InputError as error:
        print(f"birthday: {error}", file=sys.stderr)
        sys.exit(2)
    except (SystemExit, KeyboardInterrupt) as end:  # an interrupt that comes while typer ends escapes it
        if isinstance(end, SystemExit) and end.code != 130:  # what typer makes of a KeyboardInterrupt
            raise
        print("birthday: stopped; the same command goes on where this one ended", file=sys.stderr)
        sys.exit(130)


def show(columns: tuple[str, ...], rows: Iterable[tuple[str | Text, ...]]) -> None:
    """Print a table."""
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        # Brackets in a path or a value are no markup.
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    out.print(table)
