"""One run in, one folder out: HTML, Markdown, figures and CSV, written whole or not at all."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from itertools import chain
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
from reports.figures import drawings
from reports.figures.encoder import encoder
from reports.figures.style import SCREEN
from reports.findings import Findings, find
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
    with encoder(SCREEN) as encoding:
        captions = drawings.draw_measured(results, encoding)
        found = find(results)
        captions |= drawings.draw_concluded(results, found, encoding)
        tables = derived(results, found)
        context = _context(results, found) | {
            "grids": pictures.grids(results),
            "galleries": pictures.galleries(results),
            "repeated": clusters.largest(results),
            "provenance": listing.provenance(results, csv_tables.digest(tables)),
        }
        html, text = _environments()
        encoded = encoding.files()
    images = drawings.paths(encoded) | _images(context)
    context["shown"] = drawings.shown(captions, encoded)
    html.filters["image"] = lambda path: Markup(
        "data:image/png;base64," + base64.b64encode(images[path]).decode()
    )
    page, markdown = html.get_template("report.html.j2"), text.get_template("report.md.j2")
    return (
        images
        | {f"tables/{name}": content for name, content in tables.items()}
        | {
            "index.html": page.render(context).encode(),
            "report.md": markdown.render(context).encode(),
        }
    )


def _context(results: Results, found: Findings) -> dict[str, Any]:
    """What the templates show of the tables and of what follows from them."""
    study = results.study
    explored = payload(results, found.verdicts)
    return {
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
        "rulers": listing.rulers(found.verdicts),
        "batches": batches,
        "readings": batches.readings(results),
        "capacity": capacity,
        "growths": found.growths,
        "modes": modes,
        "modes_reached": modes.listing(results),
        "conditional": conditional,
        "given_one": conditional.listing(results),
        "cost": cost,
        "estimates": estimates,
        "estimated": estimates.estimates(results),
        "quality": quality,
        "qualities": {name: quality.quality(results, name) for name in quality.embeddings(results)},
        "every_trial": listing.trials(results),
        "judged": judged,
        "by_people": {one.embedding: judged_support.support(results, one) for one in found.labelled},
        "agreement": {one.embedding: judged_support.agreement(one) for one in found.labelled},
        "labelled": found.labelled,
        "searches": searches,
        "searched": searches.searched(results),
        "tuning": tuning,
        "compared": tuning.compared(results),
        "in_mlflow": listing.in_mlflow(results),
        "empty": results.empty,
        "yaml": study.yaml(),
        "explorer": explored and embedded(explored),
        "first_figure": first_figure(found.verdicts),
    }


def _images(context: Mapping[str, Any]) -> dict[str, bytes]:
    """Pictures of samples by path; of a cluster without images none."""
    shown = chain(
        context["grids"],
        chain.from_iterable(gallery.pairs for gallery in context["galleries"]),
        chain.from_iterable(group.clusters for group in context["repeated"]),
    )
    return {f"figures/{one.name}.png": one.png for one in shown if one.png}


def _environments() -> tuple[jinja2.Environment, jinja2.Environment]:
    """For HTML, with the page's script, and for Markdown."""
    options: dict[str, Any] = {
        "loader": jinja2.PackageLoader("reports", "templates"),
        "undefined": jinja2.StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "keep_trailing_newline": True,
    }
    html, text = jinja2.Environment(autoescape=True, **options), jinja2.Environment(**options)
    script = inline.script(html)
    html.globals |= {"script": script, "policy": inline.policy(script)}
    text.filters["cell"] = words.markdown_cell
    return html, text


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
