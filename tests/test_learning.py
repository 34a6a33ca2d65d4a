"""Every system and objective learns: studies/mode-coverage.yaml on its ring, through the whole pipeline.

Bands are of the mean over three seeds of the modes reached, of 8, and of the share of high-quality samples. What
papers report (VEEGAN, PacGAN) is a lower bound where it exists: plain GAN 1 and 6.3, ALI 2.8 and 6.6, unrolled
7.6 with 35.6 % of high quality, VEEGAN 8 with 52.9 %, PacGAN 7.9, 7.8 and 7.8. Elsewhere it is a requirement:
half of the modes, through which a wrong sign or weight falls, and more of what is told or fits the density.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from pipeline import Study, run

STUDY = Path(__file__).parents[1] / "studies" / "mode-coverage.yaml"
RING = ["vary.dataset=[{name: gaussian_ring}]"]
VARIANTS = list(dict.fromkeys(trial.variant for trial in Study.load(STUDY, RING).trials()))

HALF = 4.0, 0.05, 1.0
# Fewest modes, and least and most of high quality, by the variant without options in brackets.
BANDS: dict[str, tuple[float, float, float]] = {
    "nonsaturating": (5.8, 0.4, 1.0),
    "minimax": (5.8, 0.4, 1.0),
    "nonsaturating + r1=0.1": (7.5, 0.7, 1.0),
    "wgan_gp": (7.5, 0.3, 1.0),
    "pacgan + nonsaturating": (7.5, 0.5, 1.0),
    "unrolled + nonsaturating": (7.6, 0.356, 1.0),
    "mix + nonsaturating": (6.3, 0.4, 1.0),
    # Three that fail like PacGAN's GAN, but independently, leave out 8 (1.7 / 8)^3 = 0.08 modes.
    "ensemble + nonsaturating": (7.5, 0.05, 1.0),
    "bigan + nonsaturating + r1=0.1": (6.3, 0.02, 1.0),
    "ali + nonsaturating + r1=0.1": (6.3, 0.2, 1.0),
    "veegan": (7.5, 0.4, 1.0),
    "infogan + nonsaturating": (7.6, 0.4, 1.0),  # a category for each mode
    "stacked + nonsaturating + r1=0.1": (7.5, 0.25, 1.0),  # told the modes
    # Continuous maps of a connected space leave samples between the modes.
    "vae": (8, 0.05, 0.95),
    "flow": (7, 0.05, 0.95),
    "dae": (8, 0.5, 1.0),
    "kde": (8, 0.5, 1.0),
    "gaussian_mixture": (8, 0.9, 1.0),
    "training_set": (8, 0.98, 0.995),  # the modes themselves: 1 - exp(-9/2) = 0.98889
}


@pytest.fixture(scope="module")
def reached() -> Iterator[pd.DataFrame]:
    """A row for each trial: variant, modes, high_quality."""
    study = Study.load(STUDY, RING)
    with tempfile.TemporaryDirectory(prefix="bd") as folder:
        finished = run(study, folder, mirror=False)
        assert set(finished.table("trials")["status"]) == {"completed"}
        modes = finished.table("modes")
        variants = {trial.id: trial.variant for trial in study.trials()}
        yield modes.assign(variant=modes["trial_id"].map(variants)).dropna(subset=["variant"])


@pytest.mark.soak
@pytest.mark.parametrize("variant", VARIANTS)
def test_modes_of_the_ring(variant: str, reached: pd.DataFrame) -> None:
    rows = reached[reached["variant"] == variant]
    fewest, least, most = BANDS.get(re.sub(r"\(.*?\)", "", variant), HALF)
    assert len(rows) == 3
    assert rows["modes"].mean() >= fewest, rows["modes"].tolist()
    assert least <= rows["high_quality"].mean() <= most, rows["high_quality"].tolist()
