"""Size or quality: planted confounding is found out, a true slope remains, and missing quality is said."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from reports.sections import confound as section
from reports.statistics.confound import Matched, confound
from reports.statistics.quality import quality
from reports.statistics.verdicts import decide
from tests.reports import compared, synthetic
from tests.reports.test_coverage import allowance

# Support follows quality, which follows size: the plain slope is 0.5.
CONFOUNDED: dict[str, Any] = {"quality_slope": 1.0, "by_quality": 0.5, "sd": 0.3}


def slopes(rng: np.random.Generator, change: Any = None, **law: Any) -> list[Matched]:
    one = compared.study(2, 4, 4, **synthetic.CAPACITY)
    trials = compared.draw(one, rng, **law)
    trials = change(trials) if change else trials
    return confound(decide(one.hypotheses[0], one, trials), one, trials)


def test_a_slope_that_quality_explains_vanishes_when_it_is_held() -> None:
    rng, partial = np.random.default_rng(0), []
    for _ in range(20):
        found = slopes(rng, **CONFOUNDED)
        assert found[0].low > 0
        partial.append(found[-1])
    values = [one.value for one in partial]
    assert abs(np.mean(values)) <= 3 * np.std(values) / np.sqrt(20)
    missed = sum(not one.low <= 0 <= one.high for one in partial)
    assert missed / 20 <= allowance(0.05, 20)
    assert "not shown beyond what quality explains" in section.in_words(found) or missed


@pytest.mark.soak
def test_coverage_of_the_partial_slope_at_length() -> None:
    rng = np.random.default_rng(1)
    for slope in (0.0, 0.5):
        found = [slopes(rng, slope=slope, **CONFOUNDED)[-1] for _ in range(400)]
        assert sum(not one.low <= slope <= one.high for one in found) / 400 <= allowance(0.05, 400)


def test_a_true_slope_remains() -> None:
    found = slopes(np.random.default_rng(2), slope=1.0, by_quality=0.5, sd=0.3)
    assert [one.how for one in found] == [
        "all trials",
        "above the quality gate",
        "in the band of precision that all sizes share",
        "in the band of log KID that all sizes share",
        "precision as covariate",
        "log KID as covariate",
        "precision and log KID as covariates",
    ]
    # Precision says all of log KID and the other way round.
    assert found[-1].low < 1.0 < found[-1].high
    assert found[-1].value == pytest.approx(found[4].value)
    assert section.in_words(found).endswith("it remains.")
    assert section.table({"capacity": found})["hypothesis"].tolist() == ["capacity"] * 7


def test_what_is_not_known_is_said() -> None:
    def bare(trials: pd.DataFrame) -> pd.DataFrame:
        return trials.assign(kid=None, kid_standard_error=None)

    def apart(trials: pd.DataFrame) -> pd.DataFrame:
        return bare(trials).assign(precision=trials["discriminator.width"] / 20)

    rng = np.random.default_rng(3)
    assert [one.how for one in slopes(rng, bare)][2:] == [
        "in the band of precision that all sizes share",
        "precision as covariate",
    ]
    found = slopes(rng, apart)
    assert "no trial" in found[2].reason
    silent = slopes(rng, lambda trials: trials.assign(collisions=0))
    assert silent[-1].reason == "no pair collided in any trial"
    assert section.in_words(silent).startswith("There is no slope to compare")


def test_a_negative_kid_counts_as_its_standard_error() -> None:
    trials = pd.DataFrame(
        {"precision": [0.5] * 3, "kid": [-0.01, 0.2, None], "kid_standard_error": [0.02, 0.01, None]}
    )
    found = quality(trials)["log KID"]
    assert found[:2].tolist() == pytest.approx(np.log([0.02, 0.2]).tolist())
    assert np.isnan(found[2])
