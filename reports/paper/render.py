"""One run in, one folder for a LaTeX paper out, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from pipeline.errors import InputError
from pipeline.store.run import Run, load_run
from reports import findings, folders, words
from reports.algebra import single_threaded
from reports.figures import drawings
from reports.figures.encoder import encoder
from reports.figures.paper import PAPER
from reports.findings import find
from reports.paper.latex import Latex, escape
from reports.paper.macros import macros
from reports.paper.tables import MOST_ROWS, derived, tables
from reports.sections import pictures
from reports.tables.results import read

MARK = "% Written by `birthday report --paper`"


def build(run_path: str, out: str) -> Path:
    """Write `numbers.tex`, `tables/`, `figures/` and the example `paper.tex` of a run into a folder and
    return the folder.

    What was written there before is replaced in one step, and what LaTeX made of `paper.tex` goes with it;
    anything else is left alone. The same tables give the same bytes. Raises InputError for what is not a run,
    and for a folder that is not ours.
    """
    run, target = load_run(run_path), Path(out)
    if "://" in out:
        raise InputError(f"--paper {out}: must be a local folder")
    if target.exists() and not _ours(target):
        raise InputError(
            f"--paper {target}: holds something else: name a folder of its own, and keep the paper beside it"
        )
    folders.write(target, render(run))
    return target


@single_threaded()
def render(run: Run) -> dict[str, bytes]:
    """Every file by its path inside the folder."""
    results = read(run)
    study = results.study
    with encoder(PAPER) as encoding:
        captions = drawings.draw_measured(results, encoding)
        found = find(results)
        captions |= drawings.draw_concluded(results, found, encoding)
        frames = derived(run, results, findings.tables(results, found))
        listed = tables(results, found.verdicts, frames)
        encoded = encoding.files()
    files = drawings.paths(encoded)
    files |= {f"figures/{grid.name}.png": grid.png for grid in pictures.grids(results)}
    pairs = [pair for gallery in pictures.galleries(results) for pair in gallery.pairs]
    files |= {f"figures/{pair.name}.png": pair.png for pair in pairs}
    latex, markdown = _environments()
    for table in listed:
        context: dict[str, Any] = {"table": table, "mark": Latex(MARK), "study": study.study}
        files[f"tables/{table.name}.tex"] = latex.get_template("table.tex.j2").render(context).encode()
        files[f"tables/{table.name}.md"] = markdown.get_template("table.md.j2").render(context).encode()
    context = {
        "mark": Latex(MARK),
        "study": study,
        "found": found.verdicts,
        "words": words,
        "macros": macros(study.study, frames, MOST_ROWS),
        "too_long": [name for name, frame in frames.items() if len(frame) > MOST_ROWS],
        "tables": listed,
        "shown": drawings.shown(captions, encoded),
        "results": results,
    }
    for name in ("numbers.tex", "paper.tex"):
        files[name] = latex.get_template(f"{name}.j2").render(context).encode()
    return files


def _environments() -> tuple[jinja2.Environment, jinja2.Environment]:
    options: dict[str, Any] = {
        "loader": jinja2.PackageLoader("reports", "templates/paper"),
        "undefined": jinja2.StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "keep_trailing_newline": True,
    }
    latex = jinja2.Environment(
        **options,
        finalize=escape,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
    )
    latex.filters["raw"] = Latex
    markdown = jinja2.Environment(**options)
    markdown.filters["cell"] = words.markdown_cell
    return latex, markdown


def _ours(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    numbers = folder / "numbers.tex"
    mine = numbers.is_file() and numbers.read_text(errors="replace").startswith(MARK)
    names = {"numbers.tex", "tables", "figures"} if mine else set()
    return all(path.name in names or (mine and path.stem == "paper") for path in folder.iterdir())
