"""Several networks of one architecture as one player, and for each sample a component of their mixture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from pipeline.networks.parameters import Tree, apply
from pipeline.systems.adversary import Adversary


def component(tree: Tree, k: int) -> Tree:
    """The part of a `ModuleList`'s tree that belongs to its k-th network; the tensors themselves."""
    prefix = f"{k}."
    return {name.removeprefix(prefix): tensor for name, tensor in tree.items() if name.startswith(prefix)}


def after_each(adversaries: Sequence[Adversary]) -> Callable[[Tree], None]:
    """What each adversary does to its discriminator's tree after a step, done to its part of the player's."""

    def after(tree: Tree) -> None:
        for k, adversary in enumerate(adversaries):
            for change in adversary.after.values():
                change(component(tree, k))

    return after


def generate_all(networks: nn.ModuleList, tree: Tree, latents: Tensor) -> Tensor:
    """(k, b, *sample_shape): every network's samples of the same latents (b, latent_dim)."""
    return torch.stack([apply(network, component(tree, k), latents) for k, network in enumerate(networks)])


def draw_component(normal: Tensor, weights: Tensor) -> Tensor:
    """(b,) int64, component i with the probability weights[i], of (b,) standard normals and (k,) weights.

    Phi(normal), uniform in (0, 1), lies in the component's part of it: the draw is a function of a latent.
    """
    ends = weights.cumsum(0)[:-1]
    return (ends <= torch.special.ndtr(normal)[:, None]).sum(1)


def indicators(index: Tensor, count: int) -> Tensor:
    """(b, count) float32 of 0 and 1, row i with its 1 at index[i] (b,). As `one_hot`, without its look at the
    values, for which a GPU would have to be waited for.
    """
    return index[:, None].eq(torch.arange(count, device=index.device)).to(torch.float32)


def choose(samples: Tensor, index: Tensor) -> Tensor:
    """(b, *sample_shape): of (k, b, *sample_shape), row i of component index[i]."""
    return samples[index, torch.arange(len(index), device=index.device)]
