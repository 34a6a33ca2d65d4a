"""Every table as CSV: those of the store, and the numbers behind the verdicts."""

from __future__ import annotations

import hashlib
from typing import Any

import pandas as pd

from pipeline.study import Study
from reports.sections import capacity, tuning
from reports.statistics.growth import Growth
from reports.statistics.robustness import Robustness, table
from reports.statistics.verdicts import Verdict
from reports.tables.results import Results
from reports.words import claim


def csv_files(
    results: Results, verdicts: list[Robustness], growths: list[Growth], more: dict[str, pd.DataFrame]
) -> dict[str, bytes]:
    """File name -> CSV: every table of the store without its image columns, `results.csv`, `hypotheses.csv`,
    `robustness.csv` and `capacity.csv`; of a best study `tuning.csv`; and `more` by name.
    """
    tables = {name: rows.drop(columns=_images(rows)) for name, rows in results.tables.items()}
    tables["results"] = results.trials
    tables["hypotheses"] = hypotheses([found.verdict for found in verdicts], results.study)
    tables["robustness"] = table(verdicts)
    tables["capacity"] = capacity.table(growths)
    tables |= more
    if results.study.tuned is not None:
        tables["tuning"] = tuning.table(tuning.compared(results))
    return {
        f"{name}.csv": rows.to_csv(index=False, lineterminator="\n").encode()
        for name, rows in sorted(tables.items())
    }


def hypotheses(verdicts: list[Verdict], study: Study) -> pd.DataFrame:
    """One row a hypothesis: the numbers behind its verdict."""
    rows: list[dict[str, Any]] = []
    for v in verdicts:
        row: dict[str, Any] = {"study": study.study, "hypothesis": v.hypothesis.name, "claim": claim(v)}
        row |= {"verdict": v.decision, "reason": v.reason}
        for prefix, slope in (("", v.slope), ("gated_", v.gated)):
            for name in (
                "value",
                "low",
                "high",
                "low90",
                "high90",
                "sigma",
                "df",
                "trials",
                "seeds",
                "censored",
                "silent",
                "by_seed",
                "near_linear",
                "detectable",
            ):
                row[f"{prefix}{'slope' if name == 'value' else name}"] = (
                    getattr(slope, name) if slope else None
                )
        rows.append(row)
    return pd.DataFrame(rows, columns=None if rows else ["study", "hypothesis", "claim", "verdict", "reason"])


def digest(files: dict[str, bytes]) -> str:
    """SHA-256 of the CSV files one after another, in the order of their names."""
    return hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()


def _images(rows: pd.DataFrame) -> list[str]:
    return [str(column) for column in rows if column == "image" or str(column).endswith("_image")]
