"""Two or more runs in, one folder out: a page, its Markdown twin and a figure, written whole or not."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from pipeline.errors import InputError
from reports import folders, words
from reports.algebra import single_threaded
from reports.comparison import differences, slopes, support
from reports.comparison.shared import Shared, shared
from reports.comparison.sides import Side, sides
from reports.figures import style
from reports.figures.comparison import forest

PAGE, TEXT, FIGURE = "index.html", "comparison.md", "figures/slopes"


class Comparison(NamedTuple):
    """What was written, and what a terminal shows of it: a row a hypothesis and run; shared trials."""

    page: Path
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    shared: Shared


@single_threaded()
def compare(run_paths: Sequence[str], out: str = "comparison") -> Comparison:
    """Write the comparison of two or more runs (directories or any fsspec URLs) into a folder.

    An earlier comparison there is replaced in one step; anything else is left alone. The same tables give the
    same bytes. Raises InputError for fewer than two runs, one named twice, and a folder that is not ours.
    """
    target = Path(out)
    if "://" in out:
        raise InputError(f"--out {out}: must be a local folder")
    ours = (target / PAGE).is_file() and (target / TEXT).is_file()
    if target.exists() and not (target.is_dir() and (ours or not any(target.iterdir()))):
        raise InputError(f"{target}: exists and is not a comparison: choose another place with --out")
    found = sides(run_paths)
    hypotheses, same = slopes.compared(found), shared(found)
    folders.write(target, _render(found, hypotheses, same))
    # Without what a hypothesis expects: a terminal is narrow.
    columns = [0, *range(2, 6)]
    rows = [(one.name, *(row[k] for k in columns)) for one in hypotheses for row in one.verdicts.rows]
    return Comparison(
        target / PAGE, ("hypothesis", "run", "verdict", "slope", "95 % interval", "n"), rows, same
    )


def _render(found: list[Side], hypotheses: list[slopes.Compared], same: Shared) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    with style.context(style.SCREEN):
        figure = forest([(one.name, one.slopes, one.pooled) for one in hypotheses])
        if figure is not None:
            files = {
                f"{FIGURE}.{kind}": content for kind, content in style.encode(figure, style.SCREEN).items()
            }
    cells, notes = support.cells(found)
    context: dict[str, Any] = {
        "labels": [side.label for side in found],
        "sides": found,
        "words": words,
        "hypotheses": hypotheses,
        "in_words": slopes.in_words,
        "alone": slopes.only_in_one(found),
        "keys": differences.keys(found),
        "circumstances": differences.circumstances(found),
        "cost": differences.cost(found),
        "cells": cells,
        "notes": notes,
        "known": support.known(found),
        "same": same,
        "figure": f"{FIGURE}.png" if figure is not None else None,
    }
    options: dict[str, Any] = {
        "loader": jinja2.PackageLoader("reports", "templates"),
        "undefined": jinja2.StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "keep_trailing_newline": True,
    }
    html = jinja2.Environment(autoescape=True, **options)
    html.filters["image"] = lambda path: Markup(
        "data:image/png;base64," + base64.b64encode(files[path]).decode()
    )
    text = jinja2.Environment(**options)
    text.filters["cell"] = words.markdown_cell
    page = html.get_template("comparison/page.html.j2").render(context)
    markdown = text.get_template("comparison/page.md.j2").render(context)
    return files | {PAGE: page.encode(), TEXT: markdown.encode()}
