"""Every objective and regulariser learns: modes of the 8-Gaussian ring that a GAN under it reaches.

Published for the plain GAN are 1 (VEEGAN) and 6.3 +- .5 (PacGAN) of 8 modes; for the others nothing on this
ring. So the floors are requirements, most of them half of the modes: a wrong sign or weight falls through them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.systems.ring import modes, ring

CRITIC = {"steps": 1500, "discriminator_steps": 5}
CASES: dict[str, tuple[str | dict[str, Any], dict[str, Any], float]] = {
    "minimax": ("minimax", {}, 4),
    "nonsaturating": ("nonsaturating", {}, 5),
    "identity": ({"name": "measuring_function", "function": "identity"}, {}, 4),
    "sqrt": ({"name": "measuring_function", "function": "sqrt"}, {}, 4),
    "lsgan": ("lsgan", {}, 4),
    "relativistic_average": ("relativistic_average", {}, 4),
    "hinge": ("hinge", {}, 4),
    "wgan_gp": ({"name": "wgan_gp", "penalty": 0.1}, {"training": CRITIC}, 6),
    "wgan_clip": (
        {"name": "wgan_clip", "clip": 0.1},
        {"training": CRITIC | {"optimizer": "rmsprop", "generator_lr": 5e-4, "discriminator_lr": 5e-4}},
        4,
    ),
    "r1": ("nonsaturating", {"regularizers": {"r1": 0.1}}, 7),
    "dragan": ("nonsaturating", {"regularizers": {"dragan": 1.0}}, 4),
    "spectral_norm": ("nonsaturating", {"regularizers": {"spectral_norm": True}}, 4),
    "instance_noise": ("nonsaturating", {"regularizers": {"instance_noise": 0.3}}, 4),
}


@pytest.mark.soak
@pytest.mark.parametrize("case", CASES)
def test_modes_of_the_ring(case: str, record_property: Callable[[str, object], None]) -> None:
    objective, parts, floor = CASES[case]
    found = modes(ring("gan", objective, **parts))
    record_property("modes", found)
    assert sum(found) / len(found) >= floor
