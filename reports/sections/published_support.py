"""Support sizes that papers read off the birthday test, beside which ours stand.

ARZ: Arora & Zhang 2017 and Arora, Risteski & Zhang 2018, as the authors tell it (offconvex.org, 7 July 2017).
Talk: Arora, Risteski & Zhang at CVPR 2018. The papers read "support about s^2" off the batch size s at which
half of the batches hold a duplicate; for a uniform law that probability is reached at s(s - 1) / (2 ln 2).
"""

from __future__ import annotations

import math
from typing import NamedTuple


class Published(NamedTuple):
    """batch: s, None where the paper reads off no number, then `reading` says what it found. systems: as
    `published_modes.system` names them. part: what of the data set.
    """

    dataset: str
    systems: tuple[str, ...]
    model: str
    source: str
    batch: int | None
    train_samples: int | None
    setup: str
    part: str = ""
    reading: str = ""

    @property
    def paper_convention(self) -> int | None:
        """s^2."""
        return None if self.batch is None else self.batch**2

    @property
    def calibrated(self) -> float | None:
        """The size of a uniform support at which a batch of s holds a duplicate half of the time."""
        return None if self.batch is None else self.batch * (self.batch - 1) / (2 * math.log(2))


CELEBA, CIFAR = 202_599, 5_000
EYE = "20 closest pairs of a batch by pixel distance, judged by eye"
CLASSIFIER = (
    "20 closest pairs by features of a classifier of the same labels, judged by eye; one class at a time"
)
PUBLISHED = [
    Published("celeba", ("gan",), "DCGAN", "ARZ", 400, CELEBA, EYE),
    Published("celeba", ("gan",), "DCGAN", "talk", 500, CELEBA, EYE),
    Published("celeba", ("mix",), "MIX+DCGAN, 3 components", "ARZ", 400, CELEBA, EYE),
    Published("celeba", ("ali", "bigan"), "ALI", "ARZ", 1000, CELEBA, f"{EYE}; 256 latent dimensions"),
    Published(
        *("celeba", ("vae",), "VAE", "ARZ", None, CELEBA, EYE),
        reading="too blurry to be judged in batches of 400",
    ),
    Published(
        *("celeba", ("gan",), "DCGAN, D widths 16 to 128", "ARZ", None, CELEBA, EYE),
        reading="near-linear in D's size, then a plateau",
    ),
    Published("cifar10", ("stacked",), "Stacked GAN", "talk", 100, CIFAR, CLASSIFIER, "trucks"),
    Published("cifar10", ("stacked",), "Stacked GAN", "talk", 200, CIFAR, CLASSIFIER, "horses"),
    Published("cifar10", ("stacked",), "Stacked GAN", "talk", 300, CIFAR, CLASSIFIER, "dogs"),
]
