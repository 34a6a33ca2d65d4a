"""The peer of `pipeline.training`: DCGAN in plain PyTorch, the way a user would write it for one experiment."""

from __future__ import annotations

import itertools
import time

import torch
from torch import Tensor, nn


class Generator(nn.Module):
    """(b, latent_dim) -> (b, c, size, size) through channels `widths`, doubling the image between each two."""

    def __init__(self, latent_dim: int, widths: list[int], channels: int, base: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, widths[0] * base**2, bias=False),
            nn.Unflatten(1, (widths[0], base, base)),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(True),
        ]
        for inner, outer in itertools.pairwise(widths):
            layers += [
                nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=False),
                nn.BatchNorm2d(outer),
                nn.ReLU(True),
            ]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        x: Tensor = self.layers(z)
        return x


class Discriminator(nn.Module):
    """(b, c, size, size) -> (b,) through channels `widths`, halving the image before each."""

    def __init__(self, widths: list[int], channels: int, base: int, norm: type[nn.Module] | None) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(channels, widths[0], 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, True),
        ]
        for outer, inner in itertools.pairwise(widths):
            layers += [nn.Conv2d(outer, inner, 4, 2, 1, bias=False)]
            layers += [nn.BatchNorm2d(inner) if norm is nn.BatchNorm2d else nn.GroupNorm(1, inner)]
            layers += [nn.LeakyReLU(0.2, True)]
        layers += [nn.Flatten(), nn.Linear(widths[-1] * base**2, 1, bias=False)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = self.layers(x)
        return values.flatten()


class Gan:
    """Two networks, their optimisers and the loop; `wgan_gp` or else the non-saturating game."""

    def __init__(
        self, size: int, channels: int, width: int, latent_dim: int, levels: int, objective: str
    ) -> None:
        base, widths = size >> levels, [width * 2**k for k in range(levels)]
        self.penalty = objective == "wgan_gp"
        norm = nn.GroupNorm if self.penalty else nn.BatchNorm2d
        self.generator = Generator(latent_dim, widths[::-1], channels, base)
        self.discriminator = Discriminator(widths, channels, base, norm)
        self.latent_dim = latent_dim

    def train(self, data: Tensor, steps: int, batch_size: int) -> float:
        """Train on data, (n, c, h, w) float32 in [-1, 1]; returns steps per second."""
        g, d, loss = self.generator, self.discriminator, nn.BCEWithLogitsLoss()
        adam_g = torch.optim.Adam(g.parameters(), lr=2e-4, betas=(0.5, 0.999))
        adam_d = torch.optim.Adam(d.parameters(), lr=2e-4, betas=(0.5, 0.999))
        ones, zeros = torch.ones(batch_size), torch.zeros(batch_size)
        start = time.perf_counter()
        for _ in range(steps):
            real = data[torch.randint(len(data), (batch_size,))]
            with torch.no_grad():
                fake = g(torch.randn(batch_size, self.latent_dim))
            adam_d.zero_grad()
            if self.penalty:
                critic_loss = d(fake).mean() - d(real).mean() + 10 * self._penalty(real, fake)
            else:
                critic_loss = loss(d(real), ones) + loss(d(fake), zeros)
            critic_loss.backward()
            adam_d.step()
            adam_g.zero_grad()
            judged = d(g(torch.randn(batch_size, self.latent_dim)))
            generator_loss = -judged.mean() if self.penalty else loss(judged, ones)
            generator_loss.backward()
            adam_g.step()
        return steps / (time.perf_counter() - start)

    def _penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        u = torch.rand(len(real), 1, 1, 1)
        between = (u * real + (1 - u) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(self.discriminator(between).sum(), between, create_graph=True)
        excess: Tensor = slope.flatten(1).norm(dim=1) - 1
        return excess.square().mean()
