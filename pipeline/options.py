"""The vocabulary: every data set, network, objective and training option a study may name.

Only names, types and defaults live here, so that a study can be read and checked where torch is not
installed. The rooms `datasets/`, `networks/`, `objectives/` and `systems/` hold what the names mean; a test
keeps both in step. A default, once released, is never changed: trial ids leave defaults out (see `trial.py`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.errors import did_you_mean

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Options(BaseModel):
    """Base of every option group: unknown keys are errors, values are never coerced, instances are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        # Before pydantic's own check, so that the message can say what is allowed.
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    raise PydanticCustomError(
                        "unknown_key",
                        "unknown key; allowed: {allowed}{hint}",
                        {
                            "key": str(key),
                            "allowed": ", ".join(cls.model_fields),
                            "hint": did_you_mean(str(key), cls.model_fields),
                        },
                    )
        return data


# --- data sets -------------------------------------------------------------------------------------------


class Digits(Options):
    """1,797 handwritten digits, 8x8 grey (UCI, shipped inside scikit-learn)."""

    name: Literal["digits"]


class Mnist(Options):
    """MNIST, 28x28 grey, 60,000 + 10,000, from IDX files."""

    name: Literal["mnist"]


class FashionMnist(Options):
    """Fashion-MNIST, 28x28 grey, 60,000 + 10,000, from IDX files."""

    name: Literal["fashion_mnist"]


class ImageFolder(Options):
    """Every image file under a folder, centre-cropped to a square and resized."""

    name: Literal["image_folder"]
    path: str
    size: Annotated[int, Field(ge=8, le=128, multiple_of=4)] = 32
    channels: Literal[1, 3] = 3


class GaussianRing(Options):
    """Equal Gaussians on a circle (PacGAN, VEEGAN: 8 modes, radius 1, sd 0.01)."""

    name: Literal["gaussian_ring"]
    modes: Count = 8
    radius: Positive = 1.0
    std: Positive = 0.01
    size: Count = 100_000


class GaussianGrid(Options):
    """Equal Gaussians on a square grid centred on the origin (VEEGAN: 5x5, spacing 2, sd 0.05)."""

    name: Literal["gaussian_grid"]
    side: Count = 5
    spacing: Positive = 2.0
    std: Positive = 0.05
    size: Count = 100_000


DatasetOptions = Annotated[
    Digits | Mnist | FashionMnist | ImageFolder | GaussianRing | GaussianGrid, Field(discriminator="name")
]

# --- networks --------------------------------------------------------------------------------------------

Normalization = Literal["auto", "batch", "layer", "none"]


class DcganGenerator(Options):
    """Radford, Metz, Chintala 2016: transposed convolutions; `width` channels before the image, doubling
    inwards.
    """

    name: Literal["dcgan"]
    width: Count = 64
    latent_dim: Count = 100


class DcganDiscriminator(Options):
    """Radford, Metz, Chintala 2016: strided convolutions; `width` channels after the image, doubling inwards.

    `normalization: auto` is batch norm as published, and layer norm where the objective penalises per-sample
    gradients (Gulrajani et al. 2017, section 4).
    """

    name: Literal["dcgan"]
    width: Count = 64
    normalization: Normalization = "auto"


class MlpGenerator(Options):
    """Fully connected: `depth` hidden layers of `width` units."""

    name: Literal["mlp"]
    width: Count = 128
    depth: Count = 3
    latent_dim: Count = 2
    normalization: Literal["batch", "none"] = "none"


class MlpDiscriminator(Options):
    """Fully connected: `depth` hidden layers of `width` units."""

    name: Literal["mlp"]
    width: Count = 128
    depth: Count = 3


GeneratorOptions = Annotated[DcganGenerator | MlpGenerator, Field(discriminator="name")]
DiscriminatorOptions = Annotated[DcganDiscriminator | MlpDiscriminator, Field(discriminator="name")]

# --- objectives ------------------------------------------------------------------------------------------


class Minimax(Options):
    """Goodfellow et al. 2014, equation 1: both players play V(D, G)."""

    name: Literal["minimax"]


class NonSaturating(Options):
    """Goodfellow et al. 2014, section 3: the generator maximises log D(G(z))."""

    name: Literal["nonsaturating"]


class WassersteinClip(Options):
    """Arjovsky, Chintala, Bottou 2017: a critic whose weights are clipped to [-clip, clip]."""

    name: Literal["wgan_clip"]
    clip: Positive = 0.01


class WassersteinPenalty(Options):
    """Gulrajani et al. 2017, equation 3: a critic with a gradient penalty."""

    name: Literal["wgan_gp"]
    penalty: NonNegative = 10.0


class Hinge(Options):
    """Lim & Ye 2017; Miyato et al. 2018, equations 16-17."""

    name: Literal["hinge"]


ObjectiveOptions = Annotated[
    Minimax | NonSaturating | WassersteinClip | WassersteinPenalty | Hinge, Field(discriminator="name")
]

# --- training --------------------------------------------------------------------------------------------


class TrainingOptions(Options):
    """One generator step counts as one step; every `discriminator_steps` discriminator updates come before
    it.
    """

    steps: Count = 2000
    batch_size: Annotated[int, Field(ge=2)] = 64
    generator_lr: Positive = 2e-4
    discriminator_lr: Positive = 2e-4
    optimizer: Literal["adam", "rmsprop"] = "adam"
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)] = [
        0.5,
        0.999,
    ]
    discriminator_steps: Count = 1
    ticks: Count = 20

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, data: object) -> object:
        # YAML writes 0 for 0.0; strict mode would refuse it inside a list of floats.
        if isinstance(data, dict) and isinstance(data.get("betas"), list):
            betas = [float(b) if type(b) is int else b for b in data["betas"]]
            return {**data, "betas": betas}
        return data


def choices(union: object) -> dict[str, type[Options]]:
    """Name -> option class of one of the unions above, in the order written."""
    members = union.__origin__.__args__  # type: ignore[attr-defined]
    return {member.model_fields["name"].annotation.__args__[0]: member for member in members}
