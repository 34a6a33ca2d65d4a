"""The report's comparisons as a reader sees them: sections, tables, names shown as text, what is missing."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pandas as pd
import pytest

from reports.render import render
from reports.sections.ceiling import in_words
from reports.sections.comparisons import compare, tables
from reports.tables.results import read
from tests.reports import synthetic

HOSTILE = r"<script>$\frac{|x"
VARIANTS = {"outcome": "log_support", "predictor": "objective", "expect": "different"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Critics have e^0.3 times the support of the others."""
    study = synthetic.study(
        vary={
            "discriminator.width": [2, 8],
            "objective.name": ["nonsaturating", "wgan_gp"],
            "seed": {"count": 4},
        },
        hypotheses=[synthetic.CAPACITY, VARIANTS | {"name": HOSTILE}],
        measure={"samples": 4000, "tau_ladder": []},
    )
    run = synthetic.write(tmp_path_factory.mktemp("runs"), study, sd=0.05, images=False, ladder=False)
    return render(read(run))


def test_pages_show_names_as_text_and_every_comparison(files: dict[str, bytes]) -> None:
    html, markdown = files["index.html"].decode(), files["report.md"].decode()
    assert HOSTILE not in html
    assert "<script>" not in re.sub(r"(?s)```.*?```|`[^`]*`", "", markdown)
    assert r"&lt;script&gt;$\frac{|x" in html
    assert "Support size differs between objectives: supported." in html
    for title in (
        "Variants compared",
        "Support beside the training set",
        "Size or quality",
        "Beside the papers",
    ):
        assert f"<h2>{title}</h2>" in html
        assert f"## {title}\n" in markdown
    assert "figures/profiles.png" in files


def test_tables_hold_the_numbers(files: dict[str, bytes]) -> None:
    found = {
        name: pd.read_csv(io.BytesIO(files[f"tables/{name}.csv"]))
        for name in ("contrasts", "improvement", "ceiling", "confound", "papers", "robustness")
    }
    pairs = found["contrasts"]
    assert list(pairs["among"]) == ["all", "gated", "matched"]
    assert pairs["value"].tolist() == pytest.approx([-0.3] * 3, abs=0.06)
    (improved,) = found["improvement"].to_dict("records")
    assert (improved["first"], improved["tasks"], improved["trials"]) == ("nonsaturating", 2, 16)
    assert improved["probability"] < 0.1
    assert found["ceiling"]["train_samples"].tolist() == [1200]
    assert found["confound"]["hypothesis"].unique().tolist() == ["capacity"]
    left_out = found["robustness"].dropna(subset="left_out")
    assert left_out["left_out"].tolist() == ["largest cluster", "seed 0", "seed 1", "seed 2", "seed 3"] * 2
    assert left_out["effect"].unique().tolist() == ["slope", "log N₂, nonsaturating − wgan_gp"]


def test_one_variant_without_quality_or_real_images_has_little_to_compare(tmp_path: Path) -> None:
    study = synthetic.study(vary={"seed": {"count": 3}}, hypotheses=[])
    run = synthetic.write(tmp_path, study, precision=lambda _: None, controls=False, images=False)
    found = compare(read(run), [])
    assert (found.across, found.confound, found.verdicts) == (None, {}, [])
    assert in_words(found.ceiling).endswith("cannot be said: no measured trial passes the quality gate.")
    empty = [name for name, table in tables(found).items() if table.empty]
    assert empty == ["contrasts", "improvement", "ceiling", "confound"]
