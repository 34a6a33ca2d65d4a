"""The small convolutional network behind the embeddings that are trained here, and its training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.support.embeddings.images import floats, in_batches, like_fitted
from pipeline.support.embeddings.kind import State

Tree = dict[str, Tensor]
WIDTHS = 32, 64, 64
# A layer halves its image as long as this many pixels remain on the shorter side.
_SMALLEST = 4


def represent(tree: Tree, x: Tensor) -> Tensor:
    """(b, c, h, w) in [0, 1] -> (b, features): three convolutions and a fully connected layer.

    The layers before the softmax of the network that Arora & Zhang 2017 took features from (3 convolutional,
    2 fully connected); sizes are ours. As it has no batch norm, no image depends on the others of its batch.
    """
    x = 2 * x - 1
    for k in range(len(WIDTHS)):
        stride = 2 if _halved(min(x.shape[2:])) else 1
        x = F.relu(F.conv2d(x, tree[f"conv{k}.weight"], tree[f"conv{k}.bias"], stride, padding=1))
    return F.relu(F.linear(x.flatten(1), tree["hidden.weight"], tree["hidden.bias"]))


def trunk(shape: tuple[int, ...], features: int, generator: torch.Generator) -> Tree:
    """First parameters for images of shape (c, h, w)."""
    channels, *sides = shape
    tree: Tree = {}
    for k, width in enumerate(WIDTHS):
        tree |= layer(f"conv{k}", (width, channels, 3, 3), generator)
        channels = width
        sides = [-(-side // 2) for side in sides] if _halved(min(sides)) else sides
    return tree | layer("hidden", (features, channels * math.prod(sides)), generator)


def layer(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tree:
    """Weights N(0, 2 / fan_in) (He et al. 2015, equation 10), biases zero."""
    scale = math.sqrt(2 / math.prod(shape[1:]))
    weight = torch.randn(shape, generator=generator) * scale
    return {f"{name}.weight": weight, f"{name}.bias": torch.zeros(shape[0])}


def minimise(loss: Callable[[Tensor], Tensor], tree: Tree, batches: Iterable[Tensor], lr: float) -> None:
    """Adam on loss(rows of a batch), in place; the learning rate falls along a cosine to zero."""
    rows = list(batches)
    optimiser = torch.optim.Adam([p.requires_grad_() for p in tree.values()], lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, len(rows))
    with torch.enable_grad():
        for batch in rows:
            optimiser.zero_grad()
            loss(batch).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    for parameter in tree.values():
        parameter.requires_grad_(False)
    if not all(bool(p.isfinite().all()) for p in tree.values()):
        raise ValueError("its training diverged: take a smaller lr")


def classifier(
    images: np.ndarray,
    targets: np.ndarray,
    classes: int,
    features: int,
    steps: int,
    batch_size: int,
    lr: float,
    generator: torch.Generator,
) -> Tree:
    """The network with a softmax on top, trained by cross-entropy on (n, c, h, w) images with targets (n,) in
    0..classes-1.
    """
    tree = trunk(images.shape[1:], features, generator)
    tree |= layer("output", (classes, features), generator)
    target = torch.tensor(targets)

    def loss(rows: Tensor) -> Tensor:
        return F.cross_entropy(logits(tree, some(images, rows)), target[rows])

    minimise(loss, tree, shuffled(len(images), batch_size, steps, generator), lr)
    return tree


def logits(tree: Tree, x: Tensor) -> Tensor:
    """(b, c, h, w) in [0, 1] -> (b, classes) of a `classifier`."""
    return F.linear(represent(tree, x), tree["output.weight"], tree["output.bias"])


def shuffled(n: int, batch_size: int, steps: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Rows of `steps` batches, without replacement until fewer than a batch are left."""
    size = min(n, batch_size)
    per_epoch = n // size
    for step in range(steps):
        if step % per_epoch == 0:
            order = torch.randperm(n, generator=generator)
        start = step % per_epoch * size
        yield order[start : start + size]


def some(images: np.ndarray, rows: Tensor) -> Tensor:
    """Some rows of the images, float32 in [0, 1], in torch's own memory."""
    return torch.tensor(floats(images[rows.numpy()]))


def state_of(tree: Tree, shape: tuple[int, ...]) -> State:
    """The trunk's parameters as arrays, with the shape of the images."""
    names = [name for name in tree if name.startswith(("conv", "hidden"))]
    return {name: tree[name].numpy().copy() for name in names} | {"shape": np.array(shape)}


def represented(state: State, samples: np.ndarray) -> np.ndarray:
    """(n, features) float32 of the trained network."""
    like_fitted(samples, state["shape"])
    tree = {name: torch.tensor(array) for name, array in state.items() if name != "shape"}
    return in_batches(lambda x: represent(tree, x), samples)


def _halved(side: int) -> bool:
    return side >= 2 * _SMALLEST
