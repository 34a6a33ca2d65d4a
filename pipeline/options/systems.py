"""The games a study may play. Each class names its paper and which of `PARTS` of a trial it plays with."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.options.base import Count, NonNegative, Options, Positive
from pipeline.options.networks import EncoderOptions

# The parts of a trial that a system may or may not have.
PARTS = ("generator", "discriminator", "objective", "regularizers")


class _Game(Options):
    paper: ClassVar[str]
    takes: ClassVar[tuple[str, ...]] = PARTS


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
    """The generator looks `unrolling` discriminator steps ahead."""

    paper: ClassVar[str] = "Metz et al. 2017"
    name: Literal["unrolled"]
    unrolling: Annotated[int, Field(ge=1, le=10)] = 5


class Mix(_Game):
    """Mixtures of generators against mixtures of discriminators, their weights learned."""

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
    """Two GANs, one for the features of a classifier and one for images given features."""

    paper: ClassVar[str] = "Huang et al. 2017"
    name: Literal["stacked"]
    encoder: EncoderOptions
    encoder_steps: Count = 1000
    features: Count = 256
    feature_latent_dim: Count = 50
    conditional: NonNegative = 1.0
    entropy: NonNegative = 10.0


class LapGan(_Game):
    """A Laplacian pyramid of conditional GANs."""

    paper: ClassVar[str] = "Denton et al. 2015"
    name: Literal["lapgan"]
    levels: Annotated[int, Field(ge=1, le=4)] = 2


class InfoGan(_Game):
    """Part of the latent is a code, whose information about the sample is maximised."""

    paper: ClassVar[str] = "Chen et al. 2016"
    name: Literal["infogan"]
    categories: Annotated[int, Field(ge=0)] = 10
    continuous: Annotated[int, Field(ge=0)] = 2
    information: NonNegative = 1.0


class SrGan(_Game):
    """4x super-resolution: content and adversarial loss; support is measured given the small image."""

    paper: ClassVar[str] = "Ledig et al. 2017"
    name: Literal["srgan"]
    content: NonNegative = 1.0
    adversarial: NonNegative = 1e-3


class Vae(_Game):
    """Variational autoencoder; `beta` other than 1 is a beta-VAE (Higgins et al. 2017)."""

    paper: ClassVar[str] = "Kingma & Welling 2014"
    takes: ClassVar[tuple[str, ...]] = ("generator",)
    name: Literal["vae"]
    encoder: EncoderOptions
    beta: Positive = 1.0


class Flow(_Game):
    """Normalizing flow of affine couplings."""

    paper: ClassVar[str] = "Dinh et al. 2017; Kingma & Dhariwal 2018"
    takes: ClassVar[tuple[str, ...]] = ()
    name: Literal["flow"]
    couplings: Count = 8
    width: Count = 128
    dequantization: Literal["uniform", "variational"] = "uniform"


class Dae(_Game):
    """Denoising autoencoder, sampled by a chain of corruption and reconstruction."""

    paper: ClassVar[str] = "Bengio et al. 2013"
    takes: ClassVar[tuple[str, ...]] = ()
    name: Literal["dae"]
    width: Count = 256


class Kde(_Game):
    """Kernel density estimate of the training samples."""

    paper: ClassVar[str] = "Parzen 1962"
    takes: ClassVar[tuple[str, ...]] = ()
    name: Literal["kde"]


class GaussianMixture(_Game):
    """Gaussian mixture fitted by expectation maximisation."""

    paper: ClassVar[str] = "Dempster, Laird, Rubin 1977; Richardson & Weiss 2018"
    takes: ClassVar[tuple[str, ...]] = ()
    name: Literal["gaussian_mixture"]
    components: Count = 100


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
