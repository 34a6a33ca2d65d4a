"""Between the 256 levels of an image and the real line, where flows live."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

LEVELS = 256
# Keeps the logits of the extreme levels finite (Dinh et al. 2017, section 4.1).
ALPHA = 0.05


def to_logits(x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """y = logit(a + (1 - 2 a) (k + u) / 256) of level k, and log |dy/du| summed over values.

    x: (b, ...) in [-1, 1]. u: the same shape, in [0, 1]. Returns (b, ...), (b,). The printed formula has
    room a on the lower side only; here it is on both, since u may reach 1.
    """
    levels = (x + 1) * ((LEVELS - 1) / 2)
    p = ALPHA + (1 - 2 * ALPHA) * (levels.round() + u) / LEVELS
    y = torch.logit(p)
    # dy/dp = 1 / (p (1 - p)) = exp(softplus(y) + softplus(-y))
    log_slopes = softplus(y) + softplus(-y) + math.log((1 - 2 * ALPHA) / LEVELS)
    return y, log_slopes.flatten(1).sum(1)


def from_logits(y: Tensor) -> Tensor:
    """The image in [-1, 1] whose level y belongs to."""
    p = (torch.sigmoid(y) - ALPHA) / (1 - 2 * ALPHA)
    levels = (p * LEVELS).floor().clamp(0, LEVELS - 1)
    return levels * (2 / (LEVELS - 1)) - 1


def noise(parameters: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
    """u = sigmoid(m + exp(s) e), e ~ N(0, I), and log q(u) (b,); (m, s) is `parameters` (b, 2c, h, w)."""
    m, s = parameters.chunk(2, 1)
    v = m + s.exp() * e
    log_slopes = s - softplus(v) - softplus(-v)
    return torch.sigmoid(v), log_normal_density(e) - log_slopes.flatten(1).sum(1)


def log_normal_density(z: Tensor) -> Tensor:
    """(b, ...) -> (b,): log N(z; 0, I)."""
    z = z.flatten(1)
    return -(z.square().sum(1) + z.shape[1] * math.log(2 * math.pi)) / 2
