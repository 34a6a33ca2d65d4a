"""One run in, one folder out: HTML, Markdown, figures and CSV, written whole or not at all."""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from pipeline.errors import InputError
from pipeline.store.run import Run, load_run
from reports import csv_tables, words
from reports.figures import style
from reports.figures.drawings import draw
from reports.sections import (
    batches,
    capacity,
    ceiling,
    clusters,
    comparisons,
    conditional,
    confound,
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
from reports.statistics.robustness import in_words, robustness
from reports.statistics.verdicts import decide, rule_in_words
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
    _write(target, files)
    return target


def page(run: Run) -> bytes:
    """The HTML page of a run's report, which needs no other file."""
    return render(read(run))["index.html"]


def render(results: Results) -> dict[str, bytes]:
    """Every file of the report by its path inside the report's folder."""
    study = results.study
    hypotheses = [] if study.searches else study.hypotheses  # tuned trials decide nothing
    verdicts = [decide(hypothesis, study, results.completed) for hypothesis in hypotheses]
    found = [robustness(verdict, results) for verdict in verdicts]
    compared_here = comparisons.compare(results, verdicts)
    growths = capacity.growths(results, verdicts)
    tables = csv_tables.csv_files(results, found, growths, comparisons.tables(compared_here))
    files = {f"tables/{name}": content for name, content in tables.items()}
    labelled = judged.judged(results)
    with style.context():
        shown = draw(results, found, compared_here, labelled, growths, files)
    grids, galleries = pictures.grids(results), pictures.galleries(results)
    files |= {f"figures/{grid.name}.png": grid.png for grid in grids}
    files |= {f"figures/{pair.name}.png": pair.png for gallery in galleries for pair in gallery.pairs}
    repeated = clusters.largest(results)
    for one in (cluster for group in repeated for cluster in group.clusters):
        files |= {f"figures/{one.name}.png": one.png} if one.png else {}
    context: dict[str, Any] = {
        "study": study,
        "primary": primary(study),
        "results": results,
        "inventory": (searches if study.searches else words).inventory(results),
        "found": found,
        "compared_here": compared_here,
        "variants": variants,
        "ceiling": ceiling,
        "confound": confound,
        "papers": papers,
        "splits": {v.hypothesis.name: listing.by_variant(v, results) for v in verdicts},
        "words": words,
        "where_it_holds": in_words,
        "rule_in_words": rule_in_words,
        "listing": listing,
        "shown": shown,
        "grids": grids,
        "galleries": galleries,
        "repeated": repeated,
        "rulers": listing.rulers(found),
        "batches": batches,
        "capacity": capacity,
        "growths": growths,
        "modes": modes,
        "modes_reached": modes.listing(results),
        "conditional": conditional,
        "given_one": conditional.listing(results),
        "estimates": estimates,
        "quality": quality,
        "judged": judged,
        "by_people": {one.embedding: judged_support.support(results, one) for one in labelled},
        "agreement": {one.embedding: judged_support.agreement(one) for one in labelled},
        "labelled": labelled,
        "searches": searches,
        "searched": searches.searched(results),
        "tuning": tuning,
        "compared": tuning.compared(results),
        "provenance": listing.provenance(results, csv_tables.digest(tables)),
        "in_mlflow": listing.in_mlflow(results),
        "empty": [name for name, table in results.tables.items() if table.empty],
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


def _write(target: Path, files: dict[str, bytes]) -> None:
    """Beside the target first, then renamed into its place, so that no half-written report is ever seen."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None
    try:
        fresh, old = beside / "fresh", beside / "old"
        for name, content in files.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if target.exists():
            os.rename(target, old)
        try:
            os.rename(fresh, target)
        except OSError:
            if old.exists():
                os.rename(old, target)
            raise
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
