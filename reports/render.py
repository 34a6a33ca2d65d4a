"""One run in, one folder out: HTML, Markdown, figures and CSV, written whole or not at all."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from pipeline.errors import InputError
from pipeline.store.run import Run, load_run
from reports import csv_tables, folders, words
from reports.algebra import single_threaded
from reports.explorer import inline
from reports.explorer.payload import embedded, first_figure, payload
from reports.figures.drawings import draw
from reports.figures.encoder import encoder
from reports.figures.style import SCREEN
from reports.findings import find
from reports.findings import tables as derived
from reports.sections import (
    batches,
    capacity,
    ceiling,
    clusters,
    conditional,
    confound,
    cost,
    estimates,
    judged,
    judged_support,
    listing,
    modes,
    papers,
    pictures,
    quality,
    searches,
    tuning,
    variants,
)
from reports.statistics.robustness import in_words
from reports.statistics.verdicts import rule_in_words
from reports.tables.protocols import primary
from reports.tables.results import Results, read


def build(run_path: str, out: str | None = None) -> Path:
    """Write the report of the run at `run_path` (a directory or any fsspec URL) and return the report's
    folder.

    The folder is `<run>/report`, or `out`. An earlier report there is replaced in one step; anything else is
    left alone. The same tables give the same bytes. Raises InputError for what is not a run, and for a place
    that cannot be written.
    """
    run = load_run(run_path)
    target = _target(run, out)
    files = render(read(run))
    folders.write(target, files)
    return target


def page(run: Run) -> bytes:
    """The HTML page of a run's report, which needs no other file."""
    return render(read(run))["index.html"]


@single_threaded()
def render(results: Results) -> dict[str, bytes]:
    """Every file of the report by its path inside the report's folder."""
    study = results.study
    with encoder(SCREEN) as encode:
        found = find(results)
        drawn = draw(results, found, encode)
        tables = derived(results, found)
        explored = payload(results, found.verdicts)
        grids, galleries = pictures.grids(results), pictures.galleries(results)
        repeated = clusters.largest(results)
        files = drawn.files()
    files |= {f"tables/{name}": content for name, content in tables.items()}
    files |= {f"figures/{grid.name}.png": grid.png for grid in grids}
    files |= {f"figures/{pair.name}.png": pair.png for gallery in galleries for pair in gallery.pairs}
    for one in (cluster for group in repeated for cluster in group.clusters):
        files |= {f"figures/{one.name}.png": one.png} if one.png else {}
    context: dict[str, Any] = {
        "study": study,
        "primary": primary(study),
        "results": results,
        "inventory": (searches if study.searches else words).inventory(results),
        "found": found.verdicts,
        "compared_here": found.compared,
        "variants": variants,
        "ceiling": ceiling,
        "confound": confound,
        "papers": papers,
        "splits": {
            one.verdict.hypothesis.name: listing.by_variant(one.verdict, results) for one in found.verdicts
        },
        "words": words,
        "where_it_holds": in_words,
        "rule_in_words": rule_in_words,
        "listing": listing,
        "shown": drawn.shown(),
        "grids": grids,
        "galleries": galleries,
        "repeated": repeated,
        "rulers": listing.rulers(found.verdicts),
        "batches": batches,
        "capacity": capacity,
        "growths": found.growths,
        "modes": modes,
        "modes_reached": modes.listing(results),
        "conditional": conditional,
        "given_one": conditional.listing(results),
        "cost": cost,
        "estimates": estimates,
        "quality": quality,
        "judged": judged,
        "by_people": {one.embedding: judged_support.support(results, one) for one in found.labelled},
        "agreement": {one.embedding: judged_support.agreement(one) for one in found.labelled},
        "labelled": found.labelled,
        "searches": searches,
        "searched": searches.searched(results),
        "tuning": tuning,
        "compared": tuning.compared(results),
        "provenance": listing.provenance(results, csv_tables.digest(tables)),
        "in_mlflow": listing.in_mlflow(results),
        "empty": results.empty,
        "yaml": study.yaml(),
    }
    loader = jinja2.PackageLoader("reports", "templates")
    options = {
        "loader": loader,
        "undefined": jinja2.StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
    }
    html = jinja2.Environment(autoescape=True, keep_trailing_newline=True, **options)  # type: ignore[arg-type]
    script = inline.script(html)
    context |= {"explorer": explored and embedded(explored), "first_figure": first_figure(found.verdicts)}
    context |= {"script": script, "policy": inline.policy(script)}
    html.filters["image"] = lambda path: Markup(
        "data:image/png;base64," + base64.b64encode(files[path]).decode()
    )
    files["index.html"] = html.get_template("report.html.j2").render(context).encode()
    text = jinja2.Environment(keep_trailing_newline=True, **options)  # type: ignore[arg-type]
    text.filters["cell"] = words.markdown_cell
    files["report.md"] = text.get_template("report.md.j2").render(context).encode()
    return files


def _target(run: Run, out: str | None) -> Path:
    if out is not None and "://" in out:
        raise InputError(f"--out {out}: must be a local folder")
    if out is None and not run.files.local:
        raise InputError(f"{run.root}: is not a local folder: say with --out where the report goes")
    target = Path(out) if out is not None else Path(run.files.path) / "report"
    if target.exists() and not (target.is_dir() and (_is_report(target) or not any(target.iterdir()))):
        raise InputError(f"{target}: exists and is not a report: choose another place with --out")
    return target


def _is_report(folder: Path) -> bool:
    return (folder / "index.html").is_file() and (folder / "report.md").is_file()
