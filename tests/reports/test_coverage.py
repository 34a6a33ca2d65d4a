"""Does the interval hold what it promises? Simulated studies with a planted slope; 300 a case, more in the
soak.
"""

import numpy as np
import pytest
from scipy import stats

from pipeline.study import Study
from reports.statistics.verdicts import decide
from tests.reports import simulate, synthetic
from tests.reports.simulate import Law

STUDIES = 300
CASES = [
    ("small", Law(0.0, sd=1.0)),
    ("small", Law(0.5, sd=0.3)),
    ("small", Law(1.0, sd=1.0)),
    # 200 samples: 5 to 25 % of the trials have no collision at all.
    ("small", Law(0.0, sd=1.0, level=8.5, samples=200)),
    ("large", Law(0.0, sd=0.6, unequal=0.35)),
    ("large", Law(1.0, sd=0.6, level=8.5, samples=200)),
]


def study(size: str) -> Study:
    return simulate.small_study() if size == "small" else synthetic.study()


def allowance(rate: float, studies: int) -> float:
    """The largest share that a true rate gives by chance in all but one of a thousand repetitions."""
    return float(stats.binom.ppf(0.999, studies, rate)) / studies


def check(size: str, law: Law, studies: int, seed: int) -> None:
    measured = simulate.measure(study(size), law, studies, seed)
    assert 1 - allowance(0.05, studies) <= measured.coverage <= 0.98 + 0.015, measured
    assert measured.undecided <= 0.02, measured
    if law.slope <= 0:
        assert measured.supported <= allowance(0.05, studies), measured
    else:
        assert measured.refuted <= allowance(0.025, studies), measured


@pytest.mark.parametrize(("size", "law"), CASES, ids=lambda value: str(value))
def test_interval_covers_and_false_support_is_rare(size: str, law: Law) -> None:
    check(size, law, STUDIES, seed=7)


def test_average_coverage_is_near_nominal() -> None:
    found = [
        simulate.measure(study("small"), Law(s, sd=sd), 150, seed=3).coverage
        for s in (0.0, 1.0)
        for sd in (0.3, 1.0)
    ]
    assert 0.92 <= np.mean(found) <= 0.98


def test_a_slope_at_the_margin_is_rarely_called_flat() -> None:
    flat = synthetic.CAPACITY | {"expect": "flat", "margin": 0.5}
    vary = {"discriminator.width": [2, 4, 8, 16, 32], "seed": {"count": 4}}
    one = synthetic.study(vary=vary, hypotheses=[flat])
    rng, planned = np.random.default_rng(11), simulate.plan(one)
    decisions = [
        decide(one.hypotheses[0], one, simulate.draw(planned, Law(slope, sd=0.5), rng)).decision
        for slope in (0.5, 0.0)
        for _ in range(STUDIES)
    ]
    false, true = decisions[:STUDIES], decisions[STUDIES:]
    assert false.count("supported") / STUDIES <= allowance(0.05, STUDIES)
    assert true.count("supported") / STUDIES > 0.8


@pytest.mark.soak
@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("sd", [0.3, 1.0])
@pytest.mark.parametrize(("level", "samples"), [(6.0, 4000), (8.5, 200)])
def test_coverage_at_length(size: str, slope: float, sd: float, level: float, samples: int) -> None:
    law = Law(slope, sd=sd, level=level, samples=samples)
    measured = simulate.measure(study(size), law, 1500, seed=13)
    assert 0.92 <= measured.coverage <= 0.985, measured
    if slope == 0:
        assert measured.supported <= allowance(0.05, 1500), measured
