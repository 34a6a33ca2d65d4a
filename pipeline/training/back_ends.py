"""The ways to train: one specification, and faster programs that compute the same."""

from __future__ import annotations

from typing import NamedTuple


class BackEnd(NamedTuple):
    """How a cohort's updates are carried out.

    traced: as a fixed sequence of operations, with autograd's written out and the convolutions that suit the
    device; else by the reference loop, one trial after another. stacked: all members as one program, their
    parameters stacked. unfolded: convolutions as products with patches. compiled: by torch.compile (needs a
    C++ compiler on CPUs). captured: replayed as CUDA graphs, members that are not stacked on streams of
    their own.
    """

    traced: bool = True
    stacked: bool = False
    unfolded: bool = False
    compiled: bool = False
    captured: bool = False

    @property
    def name(self) -> str:
        """What tables and options call it."""
        if not self.traced:
            return "reference"
        parts = ["stacked" if self.stacked else "traced"]
        parts += [flag for flag in ("unfolded", "compiled", "captured") if getattr(self, flag)]
        return "+".join(parts)

    @property
    def together(self) -> bool:
        """Whether a cohort's members are trained side by side."""
        return self.stacked or self.captured


REFERENCE = BackEnd(traced=False)

BACK_ENDS: dict[str, BackEnd] = {
    b.name: b
    for b in (
        REFERENCE,
        BackEnd(),
        BackEnd(stacked=True),
        BackEnd(stacked=True, unfolded=True),
        BackEnd(compiled=True),
        BackEnd(stacked=True, compiled=True),
        BackEnd(captured=True),
        BackEnd(stacked=True, captured=True),
        BackEnd(stacked=True, unfolded=True, captured=True),
        BackEnd(stacked=True, compiled=True, captured=True),
    )
}


def available(device: str) -> list[BackEnd]:
    """Those that may be fastest on such a device, the reference first. (On CPUs patches cost more than they
    save: half the speed at 32x32, and smaller images are matrix products anyway.)
    """
    if device == "cuda":
        return [REFERENCE, *(b for b in BACK_ENDS.values() if b.captured)]
    return [b for b in BACK_ENDS.values() if not b.captured and not b.unfolded]
