"""The games a study may play. Each class names its paper and which of `PARTS` of a trial it plays with."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.options.base import Count, NonNegative, Options, Positive
from pipeline.options.networks import EncoderOptions

# The parts of a trial that a system may or may not have.
PARTS = ("generator", "discriminator", "objective", "regularizers")


class _Game(Options):
    paper: ClassVar[str]
    takes: ClassVar[tuple[str, ...]] = PARTS
    plays_on: ClassVar[str] = "points and images"


class Gan(_Game):
    """A generator and a discriminator under any objective."""

    paper: ClassVar[str] = "Goodfellow et al. 2014"
    name: Literal["gan"]


class FeatureMatching(_Game):
    """The generator matches the mean of a discriminator's hidden layer."""

    paper: ClassVar[str] = "Salimans et al. 2016, section 3.1"
    name: Literal["feature_matching"]


class MinibatchDiscrimination(_Game):
    """The discriminator also sees how close a sample is to the others of its batch."""

    paper: ClassVar[str] = "Salimans et al. 2016, section 3.2"
    name: Literal["minibatch_discrimination"]
    kernels: Count = 100
    kernel_dim: Count = 5


class PacGan(_Game):
    """The discriminator judges `packing` samples of one kind together."""

    paper: ClassVar[str] = "Lin et al. 2018"
    name: Literal["pacgan"]
    packing: Annotated[int, Field(ge=1, le=4)] = 2


class Unrolled(_Game):
    """The generator looks `unrolling` discriminator steps of gradient descent ahead, at rate `inner_lr`."""

    paper: ClassVar[str] = "Metz et al. 2017"
    name: Literal["unrolled"]
    unrolling: Annotated[int, Field(ge=1, le=10)] = 5
    inner_lr: Positive = 0.3


class Mix(_Game):
    """Mixtures of generators against mixtures of discriminators, their weights learned.

    `weights`: by exponentiated gradient at rate `weight_lr` (the paper), or by the networks' optimizer
    through a softmax (the released code, which has no `weight_lr`). `entropy` holds them together.
    """

    paper: ClassVar[str] = "Arora et al. 2017, section 5"
    name: Literal["mix"]
    components: Annotated[int, Field(ge=1, le=16)] = 5
    weights: Literal["exponentiated_gradient", "softmax"] = "exponentiated_gradient"
    weight_lr: Positive = 1e-3
    entropy: NonNegative = 0.1


class Ensemble(_Game):
    """Independent GANs whose samples are pooled: what MIX+GAN is to be compared with."""

    paper: ClassVar[str] = "control of Arora et al. 2017, section 5"
    name: Literal["ensemble"]
    components: Annotated[int, Field(ge=1, le=16)] = 5


class BiGan(_Game):
    """An encoder beside the generator; the discriminator judges pairs (x, z)."""

    paper: ClassVar[str] = "Donahue, Krähenbühl, Darrell 2017"
    name: Literal["bigan"]
    encoder: EncoderOptions


class Ali(_Game):
    """BiGAN with a stochastic encoder."""

    paper: ClassVar[str] = "Dumoulin et al. 2017"
    name: Literal["ali"]
    encoder: EncoderOptions


class VeeGan(_Game):
    """A reconstructor network, trained to invert the generator in latent space."""

    paper: ClassVar[str] = "Srivastava et al. 2017"
    takes: ClassVar[tuple[str, ...]] = ("generator", "discriminator", "regularizers")
    name: Literal["veegan"]
    encoder: EncoderOptions


class Stacked(_Game):
    """Two GANs, one for the features of a classifier and one for samples given features; needs labels
    0..classes-1. `conditional`, `entropy`: weights of the losses beside the adversarial one's 1.
    `independent`: the share of training before the upper GAN feeds the lower one.
    """

    paper: ClassVar[str] = "Huang et al. 2017"
    plays_on: ClassVar[str] = "labelled points and images"
    name: Literal["stacked"]
    encoder: EncoderOptions
    classes: Annotated[int, Field(ge=2)] = 10
    encoder_steps: Count = 1000
    features: Count = 256
    feature_latent_dim: Count = 50
    conditional: NonNegative = 1.0
    entropy: NonNegative = 10.0
    independent: Annotated[float, Field(ge=0, le=1)] = 0.5


class LapGan(_Game):
    """A Laplacian pyramid of GANs. The trial's generator makes the coarsest image, its discriminator judges
    at every level; `width`: channels of the convolutions that make the residuals.
    """

    paper: ClassVar[str] = "Denton et al. 2015"
    plays_on: ClassVar[str] = "images"
    name: Literal["lapgan"]
    levels: Annotated[int, Field(ge=1, le=4)] = 2
    width: Count = 64


class InfoGan(_Game):
    """Part of the latent is a code, whose information about the sample is maximised: one category among
    `categories`, 0 for none, and `continuous` numbers in (-1, 1).
    """

    paper: ClassVar[str] = "Chen et al. 2016"
    name: Literal["infogan"]
    categories: Annotated[int, Field(ge=0)] = 10
    continuous: Annotated[int, Field(ge=0)] = 2
    information: NonNegative = 1.0

    @model_validator(mode="after")
    def _some_code(self) -> InfoGan:
        if self.categories == 1 or self.categories + self.continuous == 0:
            raise PydanticCustomError(
                "no_code", "categories: is 0, for none, or at least 2; without them continuous is at least 1"
            )
        return self


class SrGan(_Game):
    """4x super-resolution: content and adversarial loss; support is measured given the small image. The
    generator is the published one of `width` channels and `blocks` residual blocks, which also sees noise
    unless `latent_dim` is 0, as published. `content_steps`: steps on content alone before the first.
    """

    paper: ClassVar[str] = "Ledig et al. 2017"
    plays_on: ClassVar[str] = "images"
    takes: ClassVar[tuple[str, ...]] = ("discriminator", "objective", "regularizers")
    name: Literal["srgan"]
    width: Count = 64
    blocks: Count = 16
    latent_dim: Annotated[int, Field(ge=0)] = 16
    content: NonNegative = 1.0
    content_features: Literal["pixels", "discriminator"] = "pixels"
    content_steps: Annotated[int, Field(ge=0)] = 0
    adversarial: NonNegative = 1e-3


class Vae(_Game):
    """Variational autoencoder; `beta` other than 1 is a beta-VAE (Higgins et al. 2017). It rises from 0 over
    the share `warm_up` of training.
    """

    paper: ClassVar[str] = "Kingma & Welling 2014"
    takes: ClassVar[tuple[str, ...]] = ("generator",)
    name: Literal["vae"]
    encoder: EncoderOptions
    beta: Positive = 1.0
    warm_up: Annotated[float, Field(gt=0, le=1)] = 0.25


class Flow(_Game):
    """Normalizing flow of affine couplings: `couplings` of them for points, and at every scale of an image;
    `width` units or channels in the hidden layers of each.
    """

    paper: ClassVar[str] = "Dinh et al. 2017; Kingma & Dhariwal 2018"
    takes: ClassVar[tuple[str, ...]] = ()
    name: Literal["flow"]
    couplings: Count = 8
    width: Count = 128
    dequantization: Literal["uniform", "variational"] = "uniform"


class Dae(_Game):
    """Denoising autoencoder, sampled by a chain of corruption and reconstruction of `chain` noise levels.

    `width`: units of a hidden layer for points, channels at full size for images. A sample takes `chain`
    latents for each of its values.
    """

    paper: ClassVar[str] = "Bengio et al. 2013; Alain & Bengio 2014"
    takes: ClassVar[tuple[str, ...]] = ()
    name: Literal["dae"]
    width: Count = 64
    chain: Annotated[int, Field(ge=2)] = 30
    # Standard deviation of the least corruption: near a level of 8 bits in [-1, 1].
    lowest_noise: Positive = 0.01


class Kde(_Game):
    """Gaussian kernels on the training samples, their width cross-validated."""

    paper: ClassVar[str] = "Parzen 1962"
    takes: ClassVar[tuple[str, ...]] = ()
    name: Literal["kde"]


class GaussianMixture(_Game):
    """Gaussian mixture fitted by expectation maximisation."""

    paper: ClassVar[str] = "Dempster, Laird, Rubin 1977; Richardson & Weiss 2018"
    takes: ClassVar[tuple[str, ...]] = ()
    name: Literal["gaussian_mixture"]
    components: Count = 100
    # Principal components of each beyond 16 dimensions; below, covariances are full.
    factors: Count = 10


class TrainingSet(_Game):
    """The training samples themselves."""

    paper: ClassVar[str] = "control"
    takes: ClassVar[tuple[str, ...]] = ()
    name: Literal["training_set"]


SystemOptions = Annotated[
    Gan
    | FeatureMatching
    | MinibatchDiscrimination
    | PacGan
    | Unrolled
    | Mix
    | Ensemble
    | BiGan
    | Ali
    | VeeGan
    | Stacked
    | LapGan
    | InfoGan
    | SrGan
    | Vae
    | Flow
    | Dae
    | Kde
    | GaussianMixture
    | TrainingSet,
    Field(discriminator="name"),
]
