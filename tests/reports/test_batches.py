"""The readings of the birthday test, and the tables of clusters, estimates and quality beside them."""

from pathlib import Path

import numpy as np
import pytest

from reports.sections import batches, clusters, estimates, quality
from reports.tables.results import Results, read
from tests.reports import synthetic


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    study = synthetic.study(hypotheses=[], controls={"finite_support": [100], "train": True})
    return read(synthetic.write(tmp_path_factory.mktemp("runs"), study))


def test_the_papers_reading_is_two_log_two_of_the_calibrated_one(results: Results) -> None:
    table = batches.readings(results)
    by_name = {row[0]: dict(zip(table.heads, row, strict=True)) for row in table.rows}
    assert list(by_name)[:2] == ["held-out real images", "training images"]
    assert len(by_name) == 5
    real = by_name["held-out real images"]
    # 1000 equally likely images: half of the batches collide at 1/2 + sqrt(1/4 + 2000 ln 2) = 37.7.
    assert (real["s at 50 %"], real["s² (paper)"], real["0.72 s² (calibrated)"]) == ("37.7", "1,424", "1,000")
    assert pytest.approx(2 * np.log(2), rel=0.03) == 1424 / 1000


def test_the_ends_of_capacity_are_shown(results: Results) -> None:
    sizes = [batches.shown(results)[1][k].row["discriminator_params"] for k in (2, 3)]
    every = results.completed["discriminator_params"]
    assert sizes == [every.min(), every.max()]


def test_clusters_of_real_images_come_first(results: Results) -> None:
    found = clusters.largest(results)
    assert found[0].title == "held-out real images"
    assert len(found) == 6
    assert [c.size for c in found[1].clusters] == [60, 30, 20, 15, 12]
    assert found[1].clusters[0].mass == 60 / 4000
    assert all(c.png is not None and c.png.startswith(b"\x89PNG") for c in found[1].clusters)


def test_every_estimator_is_shown_and_explained(results: Results) -> None:
    table = estimates.estimates(results)
    assert table.heads[2:] == [label for label, _ in estimates.ESTIMATORS.values()]
    row = next(row for row in table.rows if row[0] == "uniform on 100 images")
    # Uniform on 100 images over a continuum of N2 = 1000: 1 / (1/100 + 99/100/1000) = 91.0.
    assert row[table.heads.index("Hill 2")] == "91.0"
    assert row[table.heads.index("Chao1")] == "273 [218, 355]"


def test_quality_stands_below_what_real_images_score(results: Results) -> None:
    table = quality.quality(results, "pixels")
    assert len(table.rows) == 41
    cells = dict(zip(table.heads, table.rows[0], strict=True))
    assert (cells["precision"], cells["KID ± s.e."], cells["C_T"]) == ("0.900", "0.0210 ± 0.00200", "-1.40")
    assert table.rows[1][table.heads.index("precision")] == "0.800"


def test_runs_without_the_new_measures_show_the_old_ones(tmp_path: Path) -> None:
    study = synthetic.study(vary={"seed": {"count": 2}}, hypotheses=[])
    found = read(synthetic.write(tmp_path, study, ladder=False))
    assert "KID ± s.e." not in quality.quality(found, "pixels").heads
    assert quality.quality(found, "pixels").heads[1:5] == ["precision", "recall", "density", "coverage"]
    assert batches.batches(found) is None
    assert (batches.readings(found).rows, estimates.estimates(found).rows, clusters.largest(found)) == (
        [],
        [],
        [],
    )
