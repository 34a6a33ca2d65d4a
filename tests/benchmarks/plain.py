"""The peer of `pipeline.training`: GANs in plain PyTorch, the way a user would write them for one experiment."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits


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


class Dense(nn.Module):
    """(b, inputs) -> (b, outputs), (b,) where that is 1: two hidden layers."""

    def __init__(self, inputs: int, width: int, outputs: int, *between: nn.Module) -> None:
        super().__init__()
        hidden = nn.Linear(inputs, width), *between, nn.Linear(width, width), *between
        self.layers = nn.Sequential(*hidden, nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y.flatten() if y.shape[1] == 1 else y


class Gan:
    """Two networks, their optimisers and the loop; `wgan_gp` or else the non-saturating game. size 0: points in the
    plane.
    """

    def __init__(
        self, size: int, channels: int, width: int, latent_dim: int, levels: int, objective: str
    ) -> None:
        self.penalty = objective == "wgan_gp"
        self.latent_dim = latent_dim
        if size == 0:
            self.generator: nn.Module = Dense(latent_dim, width, 2, nn.Identity(), nn.ReLU())
            self.discriminator: nn.Module = Dense(2, width, 1, nn.LeakyReLU(0.2))
            return
        base, widths = size >> levels, [width * 2**k for k in range(levels)]
        norm = nn.GroupNorm if self.penalty else nn.BatchNorm2d
        self.generator = Generator(latent_dim, widths[::-1], channels, base)
        self.discriminator = Discriminator(widths, channels, base, norm)

    def to(self, device: torch.device) -> Gan:
        """The GAN itself, there."""
        self.generator.to(device)
        self.discriminator.to(device)
        return self

    def train(self, data: Tensor, steps: int, batch_size: int) -> float:
        """Train on data, (n, c, h, w) or (n, 2) float32 in [-1, 1]; returns steps per second."""
        g, d, device = self.generator, self.discriminator, data.device
        discriminator_loss, generator_loss = losses_of(self.penalty)
        adam_g = torch.optim.Adam(g.parameters(), lr=2e-4, betas=(0.5, 0.999))
        adam_d = torch.optim.Adam(d.parameters(), lr=2e-4, betas=(0.5, 0.999))
        start = time.perf_counter()
        for _ in range(steps):
            real = data[torch.randint(len(data), (batch_size,), device=device)]
            with torch.no_grad():
                fake = g(torch.randn(batch_size, self.latent_dim, device=device))
            adam_d.zero_grad()
            critic_loss = discriminator_loss(d(real), d(fake))
            if self.penalty:
                critic_loss = critic_loss + 10 * self._penalty(real, fake)
            critic_loss.backward()
            adam_d.step()
            adam_g.zero_grad()
            generator_loss(d(g(torch.randn(batch_size, self.latent_dim, device=device)))).backward()
            adam_g.step()
        wait_for(device)
        return steps / (time.perf_counter() - start)

    def _penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        u = torch.rand(len(real), 1, 1, 1, device=real.device)
        between = (u * real + (1 - u) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(self.discriminator(between).sum(), between, create_graph=True)
        excess: Tensor = slope.flatten(1).norm(dim=1) - 1
        return excess.square().mean()


def wait_for(device: torch.device) -> None:
    """Until all that was handed to it is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def losses_of(penalty: bool) -> tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """The discriminator's loss of values on real and on fake samples, the penalty apart, and the generator's."""

    def cross_entropy(values: Tensor, label: float) -> Tensor:
        return binary_cross_entropy_with_logits(values, torch.full_like(values, label))

    if penalty:
        return lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean()
    return (
        lambda real, fake: cross_entropy(real, 1.0) + cross_entropy(fake, 0.0),
        lambda fake: cross_entropy(fake, 1.0),
    )
