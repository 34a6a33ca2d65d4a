"""Does the interval hold what it promises? Simulated studies with a planted slope; 300 a case, more in the
soak.
"""

import numpy as np
import pytest
from scipy import stats

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
    # Seeds that vary wildly: 14 % false support if trials are taken as independent.
    ("seeded", Law(0.0, seed_level=0.5, seed_slope=0.4)),
    ("seeded", Law(0.5, level=8.5, samples=200, seed_level=0.5, seed_slope=0.4)),
]
STUDY = {"small": simulate.small_study, "large": synthetic.study, "seeded": simulate.seeded_study}


def allowance(rate: float, studies: int) -> float:
    """The largest share that a true rate gives by chance in all but one of a thousand repetitions."""
    return float(stats.binom.ppf(0.999, studies, rate)) / studies


def check(size: str, law: Law, studies: int, seed: int) -> None:
    measured = simulate.measure(STUDY[size](), law, studies, seed)
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
        simulate.measure(simulate.small_study(), Law(s, sd=sd), 150, seed=3).coverage
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
    measured = simulate.measure(STUDY[size](), law, 1500, seed=13)
    assert 0.92 <= measured.coverage <= 0.985, measured
    if slope == 0:
        assert measured.supported <= allowance(0.05, 1500), measured


@pytest.mark.soak
@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(
    "seeds",
    [{}, {"seed_level": 1.0}, {"seed_level": 0.5, "seed_slope": 0.4}, {"unequal": 0.35}, {"lost": 0.3}],
)
@pytest.mark.parametrize(("level", "samples"), [(6.0, 4000), (8.5, 200)])
def test_seeds_as_clusters_at_length(
    slope: float, seeds: dict[str, float], level: float, samples: int
) -> None:
    """Whatever seeds do, and however many trials are lost or without a collision."""
    law = Law(slope, level=level, samples=samples, **seeds)
    measured = simulate.measure(simulate.seeded_study(), law, 600, seed=17)
    assert 1 - allowance(0.06, 600) <= measured.coverage <= 0.985, measured
    assert measured.undecided <= 0.02, measured
    if slope == 0:
        assert max(measured.supported, measured.near_linear) <= 0.05, measured
    if slope == 1:
        assert measured.near_linear >= 0.9 - (0.2 if "seed_slope" in seeds else 0.0), measured


@pytest.mark.soak
def test_a_plateau_is_growth_but_not_near_linear() -> None:
    measured = simulate.measure(simulate.seeded_study(), Law(1.0, plateau=0.0), 600, seed=19)
    assert measured.supported > 0.95
    assert measured.near_linear < 0.05
