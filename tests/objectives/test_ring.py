"""Every objective and regulariser learns: modes of the 8-Gaussian ring that a plain GAN reaches, over three seeds.

Published for the plain GAN are 1 (VEEGAN) to 6.3 +- .5 (PacGAN) of 8 modes; for the others nothing on this ring.
What is required is therefore a floor under what these settings gave, which a wrong sign or weight falls through.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.systems.games import on_ring, trial

NETWORKS: dict[str, Any] = {
    "generator": {"name": "mlp", "width": 128, "depth": 3, "latent_dim": 8},
    "discriminator": {"name": "mlp", "width": 128, "depth": 3},
}
ADAM = {
    "steps": 4000,
    "batch_size": 128,
    "generator_lr": 1e-3,
    "discriminator_lr": 1e-3,
    "betas": [0.5, 0.9],
    "ticks": 4,
}
