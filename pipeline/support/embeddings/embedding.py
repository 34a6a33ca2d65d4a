"""Fitted embeddings: what they are made of, what identifies them, and how they are kept."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import safetensors.numpy
from pydantic import TypeAdapter

from pipeline.embedding_options import EmbeddingOptions
from pipeline.support.embeddings.classifier import CLASSIFIER
from pipeline.support.embeddings.efficientnet import EFFICIENTNET_LITE0
from pipeline.support.embeddings.function import FUNCTION
from pipeline.support.embeddings.hub import TIMM, TORCH_HUB
from pipeline.support.embeddings.images import checked
from pipeline.support.embeddings.kind import Data, Facts, Kind, State
from pipeline.support.embeddings.perceptual_hash import PERCEPTUAL_HASH
from pipeline.support.embeddings.pixels import PIXELS, WHITENED
from pipeline.support.embeddings.selfsup import SELF_SUPERVISED

EMBEDDINGS: dict[str, Kind] = {
    "pixels": PIXELS,
    "pixels_whitened": WHITENED,
    "classifier": CLASSIFIER,
    "selfsup": SELF_SUPERVISED,
    "efficientnet_lite0": EFFICIENTNET_LITE0,
    "perceptual_hash": PERCEPTUAL_HASH,
    "torch_hub": TORCH_HUB,
    "timm": TIMM,
    "callable": FUNCTION,
}
_OPTIONS: TypeAdapter[EmbeddingOptions] = TypeAdapter(EmbeddingOptions)


@dataclass(frozen=True, eq=False)
class Embedding:
    """Samples -> vectors whose Euclidean distance says how alike two samples look.

    state: what was learnt, or the hash of what is loaded. facts: what a reader should know of it. Small, and
    may be pickled to workers.
    """

    options: EmbeddingOptions
    state: State = field(repr=False)
    facts: Facts

    @property
    def name(self) -> str:
        """The label in the table column `embedding`."""
        return self.options.label

    @functools.cached_property
    def id(self) -> str:
        """16 hexadecimal digits over everything that determines its vectors: kind, version, the options that
        matter, and the bytes of the weights.
        """
        kind = EMBEDDINGS[self.options.name]
        values = {key: getattr(self.options, key) for key in kind.options}
        digest = hashlib.sha256(json.dumps([self.options.name, kind.version, values]).encode())
        for key in sorted(self.state):
            array = np.ascontiguousarray(self.state[key])
            digest.update(f"{key} {array.dtype.str} {array.shape} ".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()[:16]

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """(n, c, h, w) uint8, or float32 in [0, 1] -> (n, d) float32, C-contiguous.

        `pixels`, `pixels_whitened` and `callable` take points (n, d) too. A sample's vector does not depend
        on the other samples. Raises ValueError, naming the embedding, for samples it cannot take, NaN and
        infinity in them or in their vectors.
        """
        kind = EMBEDDINGS[self.options.name]
        with _naming(self.name):
            vectors = kind.embed(self.options, self.state, checked(samples, kind.points))
            vectors = np.ascontiguousarray(vectors, np.float32)
            if not np.isfinite(vectors).all():
                raise ValueError("its vectors hold NaN or infinity")
        return vectors


def fit(
    options: EmbeddingOptions,
    train: np.ndarray,
    labels: np.ndarray | None,
    held_out: np.ndarray,
    held_out_labels: np.ndarray | None,
) -> Embedding:
    """Learn, or load, an embedding. train, held_out: samples as for `Embedding`. labels: (n,), or None.

    Learning uses the training samples; held-out ones only enter the facts. The same on one machine with one
    number of threads: all randomness comes from the options' seed. Raises ValueError, naming the embedding,
    for samples or labels it cannot take, and for packages or files that are missing.
    """
    kind = EMBEDDINGS[options.name]
    with _naming(options.label):
        data = Data(checked(train, kind.points), labels, checked(held_out, kind.points), held_out_labels)
        state, facts = kind.fit(options, data)
    return Embedding(options, state, facts)


def save(embedding: Embedding) -> bytes:
    """Its bytes in the safetensors format, the rest as JSON in the header."""
    about = {"options": embedding.options.model_dump(), "facts": embedding.facts, "id": embedding.id}
    return safetensors.numpy.save(embedding.state, metadata={"embedding": json.dumps(about)})


def load(data: bytes) -> Embedding:
    """What `save` made. Raises ValueError for other bytes, and for an embedding that means other numbers now:
    it must be fitted anew.
    """
    try:
        state = safetensors.numpy.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        about = json.loads(header["__metadata__"]["embedding"])
        embedding = Embedding(_OPTIONS.validate_python(about["options"]), state, about["facts"])
    except Exception as error:
        raise ValueError(f"these bytes hold no embedding: {error}") from error
    if embedding.id != about["id"]:
        raise ValueError(f"embedding {embedding.name!r} was saved by another version: fit it anew")
    return embedding


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"embedding {name!r}: {error}") from error
