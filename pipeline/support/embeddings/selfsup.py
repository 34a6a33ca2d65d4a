"""Features learnt without labels: VICReg (Bardes, Ponce, LeCun 2022, "Variance-Invariance-Covariance
Regularization for Self-Supervised Learning") with the small network.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.embedding_options import SelfSupervised
from pipeline.support.embeddings import network
from pipeline.support.embeddings.images import in_batches
from pipeline.support.embeddings.kind import Data, Facts, Kind, State
from pipeline.support.embeddings.network import Tree

EXPANDED = 256
INVARIANCE, VARIANCE, COVARIANCE = 25.0, 25.0, 1.0  # section 4.2
NEIGHBOURS = 5
_KNOWN = 10_000  # most training images that neighbours are looked for among


def fit(options: SelfSupervised, data: Data) -> tuple[State, Facts]:
    """Train on pairs of augmented views.

    Facts, of held-out images: `variance_term` (equation 1; 0 is full variance, towards 1 is collapse), and
    with labels `knn_accuracy`, a fraction, of the 5 nearest training images.
    """
    if len(data.train) < 2 or len(data.held_out) < 2:
        raise ValueError("needs at least two training and two held-out images")
    generator = torch.Generator().manual_seed(options.seed)
    shape = data.train.shape[1:]
    tree = network.trunk(shape, options.features, generator)
    tree |= network.layer("expand0", (EXPANDED, options.features), generator)
    tree |= network.layer("expand1", (EXPANDED, EXPANDED), generator)

    def loss(rows: Tensor) -> Tensor:
        x = network.some(data.train, rows)
        views = (expand(tree, augment(x, generator)) for _ in range(2))
        return vicreg(*views)

    batches = network.shuffled(len(data.train), options.batch_size, options.steps, generator)
    network.minimise(loss, tree, batches, options.lr)
    state = network.state_of(tree, shape)
    expanded = torch.tensor(in_batches(lambda x: expand(tree, x), data.held_out))
    facts: Facts = {"variance_term": float(variance_term(expanded))}
    if data.labels is not None and data.held_out_labels is not None:
        facts["knn_accuracy"] = _knn_accuracy(state, data, data.labels, data.held_out_labels)
    return state, facts


def expand(tree: Tree, x: Tensor) -> Tensor:
    """(b, c, h, w) -> (b, EXPANDED): what the loss is taken of; the layers beyond the features are dropped
    afterwards.
    """
    h = F.relu(F.linear(network.represent(tree, x), tree["expand0.weight"], tree["expand0.bias"]))
    return F.linear(h, tree["expand1.weight"], tree["expand1.bias"])


def vicreg(a: Tensor, b: Tensor) -> Tensor:
    """Equation 6 for two batches of views (n, d)."""
    return (
        INVARIANCE * F.mse_loss(a, b)
        + VARIANCE * (variance_term(a) + variance_term(b))
        + COVARIANCE * (covariance_term(a) + covariance_term(b))
    )


def variance_term(z: Tensor) -> Tensor:
    """Equation 1, with gamma = 1 and epsilon = 1e-4."""
    return F.relu(1 - (z.var(0) + 1e-4).sqrt()).mean()


def covariance_term(z: Tensor) -> Tensor:
    """Equation 4: squared off-diagonal covariances, summed, over d."""
    n, d = z.shape
    z = z - z.mean(0)
    covariance = z.T @ z / (n - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / d


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """One random view of each image (b, c, h, w) in [0, 1]: a crop of 60 to 100 % of the side, contrast,
    brightness, tint and noise.

    No mirroring: an image and its mirror image are not near-duplicates.
    """
    b, c = x.shape[:2]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator)

    side = uniform(0.6, 1, b, 1, 1)
    crop = torch.cat([side * torch.eye(2), (1 - side) * uniform(-1, 1, b, 2, 1)], 2)
    x = F.grid_sample(x, F.affine_grid(crop, list(x.shape), align_corners=False), align_corners=False)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * uniform(0.6, 1.4, b, 1, 1, 1) + mean + uniform(-0.2, 0.2, b, 1, 1, 1)
    x = x * uniform(0.8, 1.2, b, c, 1, 1)
    return (x + 0.05 * torch.randn(x.shape, generator=generator)).clamp(0, 1)


def embed(options: SelfSupervised, state: State, samples: np.ndarray) -> np.ndarray:
    """(n, features)."""
    return network.represented(state, samples)


def _knn_accuracy(state: State, data: Data, labels: np.ndarray, held_out_labels: np.ndarray) -> float:
    from sklearn.neighbors import KNeighborsClassifier

    known = network.represented(state, data.train[:_KNOWN])
    neighbours = KNeighborsClassifier(min(NEIGHBOURS, len(known))).fit(known, labels[:_KNOWN])
    return float(neighbours.score(network.represented(state, data.held_out), held_out_labels))


SELF_SUPERVISED = Kind(fit, embed)
