"""The law of x = G(z), z ~ N(0, I_d), for a random invertible network G, and its density.

Bai, Ma, Risteski 2019, section 4.1:
    G(z) = W_l s(W_(l-1) s(... s(W_1 z + b_1) ...) + b_(l-1)) + b_l,
every W_k of shape (d, d) with singular values in [1/R, R] (assumption 1), and s a smooth leaky ReLU. Its
constants, the law of the weights and unit variance of every z_i are ours.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.datasets.dataset import DataSet
from pipeline.datasets.points import data_set
from pipeline.options import InvertiblePushforward
from pipeline.seeds import stream


class Network(NamedTuple):
    """weights: (l, d, d), biases: (l, d), float64; the first layer first."""

    weights: np.ndarray
    biases: np.ndarray


def load_invertible_pushforward(options: InvertiblePushforward, data_root: Path | None) -> DataSet:
    """(size, dimensions) float32 points."""
    net = network(options)

    def draw(role: str, count: int) -> np.ndarray:
        latents = stream(_key(options), f"{role}/latents")
        return push(net, latents.standard_normal((count, options.dimensions)))

    return data_set(options.name, draw, options.size)


def log_density(options: InvertiblePushforward, x: np.ndarray) -> np.ndarray:
    """(n,) float64 natural logarithm of the density at x, (n, d): Bai, Ma, Risteski 2019, lemma 4.1.

    By change of variables, with a_k = W_k h_k + b_k the input of the k-th activation on the way from z to x,
        log p(x) = log N(z; 0, I) - sum_k log |det W_k| - sum_(k < l) sum_i log s'(a_ki).
    The lemma as printed gives the first and the last term the same sign, which a density cannot have.
    """
    z, log_volume = pull(network(options), x)
    return -np.square(z).sum(1) / 2 - z.shape[1] / 2 * math.log(2 * math.pi) - log_volume


def network(options: InvertiblePushforward) -> Network:
    """W_k = U diag(r) V' with U, V uniform over orthogonal matrices and log r_i uniform over [-log R, log R];
    b_k ~ N(0, I).
    """
    rng = stream(_key(options), "network")
    d, bound = options.dimensions, math.log(options.condition)
    weights, biases = [], []
    for _ in range(options.layers):
        values = np.exp(rng.uniform(-bound, bound, d))
        weights.append(_orthogonal(rng, d) * values @ _orthogonal(rng, d).T)
        biases.append(rng.standard_normal(d))
    return Network(np.array(weights), np.array(biases))


def push(net: Network, z: np.ndarray) -> np.ndarray:
    """x = G(z): (n, d) -> (n, d)."""
    *hidden, (last_weight, last_bias) = zip(*net, strict=True)
    for weight, bias in hidden:
        z = activation(z @ weight.T + bias)
    return z @ last_weight.T + last_bias


def pull(net: Network, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """z = G^-1(x), (n, d), and log |det dG/dz| there, (n,), float64."""
    h = np.asarray(x, np.float64)
    log_volume = np.full(len(h), np.linalg.slogdet(net.weights).logabsdet.sum())
    layers = list(zip(*net, strict=True))
    for k, (weight, bias) in reversed(list(enumerate(layers))):
        if k < len(layers) - 1:
            h = inverse_activation(h)
            log_volume += np.log(slope(h)).sum(1)
        h = np.linalg.solve(weight, (h - bias).T).T
    return h, log_volume


def activation(t: np.ndarray) -> np.ndarray:
    """s(t) = 0.6 t + 0.4 tanh t: odd, infinitely differentiable, s'(t) in (0.6, 1]."""
    return 0.6 * t + 0.4 * np.tanh(t)


def slope(t: np.ndarray) -> np.ndarray:
    """s'(t)."""
    return 1 - 0.4 * np.square(np.tanh(t))


def inverse_activation(y: np.ndarray) -> np.ndarray:
    """s^-1(y) by Newton's method.

    s is concave for t > 0 and odd, and |s(t)| <= |t|: from t = y the steps grow towards the solution and
    never pass it, doubling the correct digits each time in the end.
    """
    t = np.array(y)
    for _ in range(10):
        t -= (activation(t) - y) / slope(t)
    return t


def _orthogonal(rng: np.random.Generator, d: int) -> np.ndarray:
    """(d, d) uniform over orthogonal matrices (Mezzadri 2007: the signs of R make the factor Q unique)."""
    q, r = np.linalg.qr(rng.standard_normal((d, d)))
    return q * np.sign(np.diag(r))


def _key(options: InvertiblePushforward) -> str:
    return (
        f"invertible_pushforward(dimensions={options.dimensions}, layers={options.layers}, "
        f"condition={options.condition}, network_seed={options.network_seed})"
    )
