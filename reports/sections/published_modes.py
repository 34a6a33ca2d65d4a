"""Mode counts that papers report, beside which ours stand: mean over their runs, and spread as they give it.

VEEGAN: Srivastava et al. 2017, table 1 (five runs; the stacked MNIST column has no spread). PacGAN: Lin et
al. 2018, tables 1-3 (ten runs, standard errors). ALI: Dumoulin et al. 2017 (ten runs with random learning
rates and initialisations, standard deviations).
"""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """modes: mean number reached. spread: as the paper gives it, None where it gives none. extra: the paper's
    second measure, in words.
    """

    dataset: str
    system: str
    paper: str
    modes: float
    spread: float | None = None
    extra: str = ""


# A system is named by its label with the options that matter: PacGAN's by its packing.
PUBLISHED = [
    Published("gaussian_ring", "gan", "VEEGAN", 1.0, extra="99.3 % high quality"),
    Published("gaussian_ring", "gan", "PacGAN", 6.3, 0.5, "98.2 % high quality"),
    Published("gaussian_ring", "ali", "VEEGAN", 2.8, extra="0.13 % high quality"),
    Published("gaussian_ring", "ali", "PacGAN", 6.6, 0.3),
    Published("gaussian_ring", "unrolled", "VEEGAN", 7.6, extra="35.6 % high quality"),
    Published("gaussian_ring", "veegan", "VEEGAN", 8.0, extra="52.9 % high quality"),
    Published("gaussian_ring", "pacgan(packing=2)", "PacGAN", 7.9),
    Published("gaussian_ring", "pacgan(packing=3)", "PacGAN", 7.8),
    Published("gaussian_ring", "pacgan(packing=4)", "PacGAN", 7.8, 0.1),
    Published("gaussian_grid", "gan", "VEEGAN", 3.3, extra="0.5 % high quality"),
    Published("gaussian_grid", "gan", "PacGAN", 17.3, 0.8, "94.8 % high quality"),
    Published("gaussian_grid", "gan", "ALI", 10.4, 9.2),
    Published("gaussian_grid", "ali", "VEEGAN", 15.8, extra="1.6 % high quality"),
    Published("gaussian_grid", "ali", "PacGAN", 24.1, 0.4),
    Published("gaussian_grid", "ali", "ALI", 13.4, 5.8),
    Published("gaussian_grid", "unrolled", "VEEGAN", 23.6, extra="16 % high quality"),
    Published("gaussian_grid", "veegan", "VEEGAN", 24.6, extra="40 % high quality"),
    Published("gaussian_grid", "pacgan(packing=2)", "PacGAN", 23.8),
    Published("gaussian_grid", "pacgan(packing=3)", "PacGAN", 24.6),
    Published("gaussian_grid", "pacgan(packing=4)", "PacGAN", 24.8, 0.2),
    Published("embedded_gaussians", "gan", "VEEGAN", 1.6),
    Published("embedded_gaussians", "ali", "VEEGAN", 3.0),
    Published("embedded_gaussians", "unrolled", "VEEGAN", 0.0),
    Published("embedded_gaussians", "veegan", "VEEGAN", 5.5),
    Published("stacked_mnist", "gan", "VEEGAN", 99.0, extra="KL 3.40"),
    Published("stacked_mnist", "gan", "PacGAN", 78.9, 6.46, "KL 4.50"),
    Published("stacked_mnist", "ali", "VEEGAN", 16.0, extra="KL 5.40"),
    Published("stacked_mnist", "unrolled", "VEEGAN", 48.7, extra="KL 4.32"),
    Published("stacked_mnist", "veegan", "VEEGAN", 150.0, extra="KL 2.95"),
    Published("stacked_mnist", "pacgan(packing=2)", "PacGAN", 1000.0, extra="KL 0.06"),
    Published("stacked_mnist", "pacgan(packing=3)", "PacGAN", 1000.0, extra="KL 0.06"),
    Published("stacked_mnist", "pacgan(packing=4)", "PacGAN", 1000.0, extra="KL 0.07"),
]
# Objectives and regularisers that the papers' plain GAN did not have are other models.
PLAIN_OBJECTIVES = ("nonsaturating", "minimax")


def published(dataset: str, variant: str) -> list[Published]:
    """What papers report of a variant, as `TrialConfig.variant` names it, on a data set."""
    name = system(variant)
    return [row for row in PUBLISHED if row.dataset == dataset and row.system == name]


def system(variant: str) -> str | None:
    """The system of a variant as papers name it: `gan`, `ali`, `pacgan(packing=2)`; None where a part
    beside the system is none of the papers' model.
    """
    parts = variant.split(" + ")
    if parts[0] in PLAIN_OBJECTIVES:
        parts = ["gan", *parts]
    if any(part not in PLAIN_OBJECTIVES for part in parts[1:]):
        return None
    # Options that a paper's row leaves open: unrolling, the encoder.
    name = parts[0] if parts[0].startswith("pacgan(") else parts[0].partition("(")[0]
    return "pacgan(packing=2)" if name == "pacgan" else name
