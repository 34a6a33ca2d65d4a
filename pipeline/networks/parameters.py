"""Parameter trees: plain mappings from a parameter's name to its tensor, apart from the network they belong
to.
"""

from __future__ import annotations

import math
from typing import Any, cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

Tree = dict[str, Tensor]

_SLOTS: WeakKeyDictionary[nn.Module, list[tuple[dict[str, Any], str, str]]] = WeakKeyDictionary()


def initialise(network: nn.Module, rng: np.random.Generator, device: torch.device) -> Tree:
    """First parameters of a network, float32, requiring gradients, and its state, which does not.

    Inside a module with an `init_std` they follow DCGAN section 3: weights N(0, std^2), norm scales N(1,
    std^2), the rest 0. Elsewhere they are U(-1/sqrt(fan_in), 1/sqrt(fan_in)), norm scales 1. Drawn by numpy,
    in the order of the parameters, so that a trial starts alike on every device. State is what a module's
    `first_state(rng)` gives: buffer name -> array.
    """
    stds = _init_stds(network)
    tree: Tree = {}
    for name, parameter in network.named_parameters():
        std = stds[name.rpartition(".")[0]]
        shape = tuple(parameter.shape)
        value: np.ndarray = np.zeros(shape)
        if len(shape) > 1:
            bound = 1 / math.sqrt(math.prod(shape[1:]))
            value = rng.normal(0, std, shape) if std else rng.uniform(-bound, bound, shape)
        elif name.endswith("weight"):
            value = rng.normal(1, std, shape) if std else np.ones(shape)
        tree[name] = torch.tensor(value, dtype=torch.float32, device=device, requires_grad=True)
    for path, module in network.named_modules():
        if hasattr(module, "first_state"):
            for name, value in module.first_state(rng).items():
                tree[f"{path}.{name}" if path else name] = torch.tensor(
                    value, dtype=torch.float32, device=device
                )
    return tree


def _init_stds(network: nn.Module) -> dict[str, float | None]:
    """Of each module the `init_std` of the innermost module around it that has one."""
    found: dict[str, float | None] = {}
    for path, module in network.named_modules():
        outer = found.get(path.rpartition(".")[0]) if path else None
        found[path] = cast("float | None", getattr(module, "init_std", outer))
    return found


def trained(tree: Tree) -> list[Tensor]:
    """The tensors of a tree that gradients move."""
    return [tensor for tensor in tree.values() if tensor.requires_grad]


def laid_out_like(gradient: Tensor, parameter: Tensor) -> Tensor:
    """The gradient with its parameter's strides. Fused optimizers walk through memory and look at no strides;
    second derivatives of convolutions come in others.
    """
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


def apply(network: nn.Module, tree: Tree, *inputs: Tensor) -> Tensor:
    """The network's output under the parameters (and buffers, if it needs any) of `tree`."""
    return bind(network, tree)(*inputs)


def bind(network: nn.Module, tree: Tree) -> nn.Module:
    """The network itself, with the parameters of `tree` until it is bound again.

    The same function as `torch.func.functional_call`, without putting back what was bound before: every call
    binds all it needs, and the difference is a twentieth of a small network's training step.
    """
    for slots, name, key in _slots(network):
        if key in tree:
            slots[name] = tree[key]
    return network


def _slots(network: nn.Module) -> list[tuple[dict[str, Any], str, str]]:
    """Where each parameter and buffer of a network is kept: mapping, name in it, name in the tree."""
    found: list[tuple[dict[str, Any], str, str]] | None = _SLOTS.get(network)
    if found is None:
        found = [
            (slots, name, f"{path}.{name}" if path else name)
            for path, module in network.named_modules()
            for slots in (module._parameters, module._buffers)
            for name, tensor in slots.items()
            if tensor is not None
        ]
        _SLOTS[network] = found
    return found


def count(network: nn.Module) -> int:
    """Number of trained scalars."""
    return sum(p.numel() for p in network.parameters())
