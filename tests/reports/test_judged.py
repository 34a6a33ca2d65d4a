"""What people said, simulated: raters with a known P(duplicate | distance) on pairs of a known law."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.proportion import proportion_confint

from reports.sections import judged, judged_support
from reports.tables.results import Results, read
from reports.words import number
from tests.reports import laws, synthetic
from tests.reports.laws import Law

STUDY = synthetic.study(vary={}, hypotheses=[], measure={"samples": 600})


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    run = synthetic.write(tmp_path_factory.mktemp("runs"), STUDY)
    source = synthetic.ruler("pixels") | {"trial_id": "real", "source": "real"}
    rows = [source | row for row in laws.label_rows(Law(1000.0), 597, np.random.default_rng(0), drawn=60)]
    with run.writing():
        run.save_labels("both", rows)
    return read(run)


def test_the_curve_finds_where_half_are_called_duplicates(results: Results) -> None:
    [one] = judged.judged(results)
    assert one.half == pytest.approx(laws.HALF, rel=0.05)
    assert one.curve is not None
    assert one.curve.slope == pytest.approx(-laws.STEEPNESS, rel=0.25)
    assert one.taus == pytest.approx([1.5])


def test_support_size_by_people_is_that_of_the_law(results: Results) -> None:
    [one] = judged.judged(results)
    table = judged_support.support(results, one)
    [row] = [dict(zip(table.heads, row, strict=True)) for row in table.rows]
    assert row["samples of"] == "held-out real images"
    truth = laws.human_n2(Law(1000.0))
    for head in ("N₂ by people", "N₂ from the curve"):
        value, low, high = (float(part.strip("[],").replace(",", "")) for part in row[head].split())
        assert low < truth < high
        assert value == pytest.approx(truth, rel=0.5)
    real = results.real.iloc[0]
    assert row["N₂ at τ"].startswith(number(real["n2"]))


def test_agreement_and_alarms_are_those_of_other_libraries(results: Results) -> None:
    [one] = judged.judged(results)
    wide = one.labels.pivot(index=["stratum", "first"], columns="rater", values="label")
    [row] = judged_support.agreement(one).rows
    assert row[:2] == ["ada and emmy", f"{cohen_kappa_score(wide['ada'], wide['emmy']):.2f}"]
    called = int((one.labels["label"] == "duplicate").sum())
    found = judged.alarms(one)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(
        proportion_confint(called, len(one.labels), method="beta")
    )
    assert found.any_rate == pytest.approx(1 - (1 - called / len(one.labels)) ** 20)
    assert (
        f"called duplicates: among 20 pairs drawn like these at least one would be with probability {number(found.any_rate)}"
        in judged.in_words(one)
    )


def test_too_few_labels_say_why(tmp_path: Path) -> None:
    run = synthetic.write(tmp_path, STUDY)
    source = synthetic.ruler("pixels") | {"trial_id": "real", "source": "real"}
    rows = [source | row for row in laws.label_rows(Law(1000.0), 597, np.random.default_rng(0), drawn=1)]
    with run.writing():
        run.save_labels("few", rows)
    found = read(run)
    [one] = judged.judged(found)
    [row] = judged_support.support(found, one).rows
    assert "at least two decided pairs" in row[3]


def test_without_labels_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert judged.judged(read(synthetic.write(tmp_path, STUDY))) == []
