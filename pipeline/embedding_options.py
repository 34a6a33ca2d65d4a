"""The embeddings a study may name, with their options: names, types and defaults, nothing to compute.

`pipeline/support/embeddings/` holds what the names mean. A default, once released, is never changed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from pipeline.options import Count, Options, Positive

Seed = Annotated[int, Field(ge=0)]
Side = Annotated[int, Field(ge=32, le=1024)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class EmbeddingGroup(Options):
    """What every embedding has beside its options: a label."""

    name: str

    @property
    def label(self) -> str:
        """The text in the table column `embedding`: the name, then whatever differs from the defaults.

        `pixels`, `efficientnet_lite0(size=128)`, `torch_hub(facebookresearch/dinov2:dinov2_vits14)`.
        """
        named, changed = [], []
        for key, field in type(self).model_fields.items():
            value = getattr(self, key)
            if key != "name" and field.is_required():
                named.append(str(value))
            elif key != "name" and value != field.default:
                changed.append(f"{key}={value}")
        inside = ", ".join([*([":".join(named)] if named else []), *changed])
        return f"{self.name}({inside})" if inside else self.name


class Pixels(EmbeddingGroup):
    """The pixels themselves, in units of full intensity (Arora & Zhang 2017)."""

    name: Literal["pixels"]


class WhitenedPixels(EmbeddingGroup):
    """The first principal components of the training images' pixels, each scaled to unit variance."""

    name: Literal["pixels_whitened"]
    components: Count = 64


class Classifier(EmbeddingGroup):
    """The top hidden layer, of `features` units, of a small network trained on the data set's labels."""

    name: Literal["classifier"]
    features: Count = 128
    steps: Count = 1500
    batch_size: Count = 64
    lr: Positive = 1e-3
    seed: Seed = 0


class SelfSupervised(EmbeddingGroup):
    """The representation of a small network trained without labels (VICReg; Bardes, Ponce, LeCun 2022)."""

    name: Literal["selfsup"]
    features: Count = 128
    steps: Count = 500
    batch_size: Annotated[int, Field(ge=2)] = 128
    lr: Positive = 1e-3
    seed: Seed = 0


class EfficientNetLite0(EmbeddingGroup):
    """ImageNet features of EfficientNet-Lite0, for images resized to `size` x `size`."""

    name: Literal["efficientnet_lite0"]
    size: Side = 64


class PerceptualHash(EmbeddingGroup):
    """The 64 bits of a perceptual hash: squared distances count the bits that differ."""

    name: Literal["perceptual_hash"]


class TorchHub(EmbeddingGroup):
    """A model of torch.hub, e.g. `facebookresearch/dinov2` and `dinov2_vits14`; `source: local` is a folder.

    Its code runs here: name only repositories you trust. mean, std: of each colour of its training images in
    [0, 1]; ImageNet's by default.
    """

    name: Literal["torch_hub"]
    repo: str
    model: str
    source: Literal["github", "local"] = "github"
    size: Side = 224
    mean: Annotated[list[Finite], Field(min_length=3, max_length=3)] = [0.485, 0.456, 0.406]
    std: Annotated[list[Positive], Field(min_length=3, max_length=3)] = [0.229, 0.224, 0.225]


class Timm(EmbeddingGroup):
    """A pretrained model of the timm library, with the colour normalisation the library gives for it."""

    name: Literal["timm"]
    model: str
    size: Side = 224


class Function(EmbeddingGroup):
    """A function of your own, `package.module:function`: (n, c, h, w) float32 in [0, 1] -> (n, d)."""

    name: Literal["callable"]
    function: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]


def _group(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


_Groups = Annotated[
    Pixels
    | WhitenedPixels
    | Classifier
    | SelfSupervised
    | EfficientNetLite0
    | PerceptualHash
    | TorchHub
    | Timm
    | Function,
    Field(discriminator="name"),
]
_Name = Literal["pixels", "pixels_whitened", "classifier", "selfsup", "efficientnet_lite0", "perceptual_hash"]
# A name alone stands for its group with every option at its default.
EmbeddingOptions = Annotated[_Groups, BeforeValidator(_group, json_schema_input_type=_Groups | _Name)]
