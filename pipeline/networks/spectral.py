"""Spectral normalisation (Miyato, Kataoka, Koyama, Yoshida 2018): weights divided by their largest singular
values.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize

from pipeline.networks.parameters import Tree


class Spectral(nn.Module):
    """W (outputs, ...) -> W / sigma(W), sigma as in algorithm 1: v = W'u / |W'u|, u' = Wv / |Wv|,
    sigma = u'Wv = |Wv|.

    u (outputs,) is a buffer; `iterate` moves it between steps, here it is only read. v counts as a constant,
    as singular vectors do in equation 10's gradient.
    """

    u: Tensor

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.register_buffer("u", torch.empty(outputs))

    def first_state(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """u, uniform on the sphere."""
        u = rng.standard_normal(len(self.u))
        return {"u": u / np.linalg.norm(u)}

    def forward(self, weight: Tensor) -> Tensor:
        with torch.no_grad():
            v = normalize(weight.flatten(1).T @ self.u, dim=0)
        return weight / (weight.flatten(1) @ v).norm()


def spectrally_normalised(network: nn.Module) -> nn.Module:
    """The network itself, all of its linear and convolutional layers put under `Spectral`. A second time
    changes nothing.
    """
    for module in list(network.modules()):
        if isinstance(module, nn.Linear | nn.Conv2d) and not parametrize.is_parametrized(module):
            with torch.device("meta"):
                spectral = Spectral(module.weight.shape[0])
            parametrize.register_parametrization(module, "weight", spectral)
    return network


@torch.no_grad()
def iterate(network: nn.Module, tree: Tree) -> None:
    """One step of power iteration on every u of the network's tree, in place."""
    for path, module in network.named_modules():
        if isinstance(module, Spectral):
            # The path ends in ".0": the first, and here the only, transformation of this weight.
            weight = tree[f"{path.removesuffix('.0')}.original"].flatten(1)
            u = tree[f"{path}.u"]
            u.copy_(normalize(weight @ normalize(weight.T @ u, dim=0), dim=0))
