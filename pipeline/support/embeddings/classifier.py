"""Features of a classifier of the data set's own labels (Arora & Zhang 2017, on CIFAR-10).

Such features are made to forget what does not tell classes apart: images of one class come closer together
than they look, so support is rather under- than overestimated.
"""

from __future__ import annotations

import numpy as np
import torch

from pipeline.embedding_options import Classifier
from pipeline.support.embeddings import network
from pipeline.support.embeddings.images import in_batches
from pipeline.support.embeddings.kind import Data, Facts, Kind, State


def fit(options: Classifier, data: Data) -> tuple[State, Facts]:
    """Train by cross-entropy. Facts: `held_out_accuracy`, a fraction, and the number of `classes`.

    Raises ValueError without labels of both parts, with labels other than (n,), and with a single class.
    """
    if data.labels is None or data.held_out_labels is None:
        raise ValueError("needs labels, which this data set does not have")
    for labels, part in ((data.labels, data.train), (data.held_out_labels, data.held_out)):
        if labels.shape != (len(part),):
            raise ValueError(f"needs one label an image: {labels.shape} labels of {len(part)} images")
    classes, targets = np.unique(data.labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError("needs labels of at least two classes")
    generator = torch.Generator().manual_seed(options.seed)
    o = options
    tree = network.classifier(
        data.train, targets, len(classes), o.features, o.steps, o.batch_size, o.lr, generator
    )
    told = classes[in_batches(lambda x: network.logits(tree, x), data.held_out).argmax(1)]
    accuracy = float((told == data.held_out_labels).mean())
    facts: Facts = {"held_out_accuracy": accuracy, "classes": len(classes)}
    return network.state_of(tree, data.train.shape[1:]), facts


def embed(options: Classifier, state: State, samples: np.ndarray) -> np.ndarray:
    """(n, features): the top hidden layer, after its ReLU."""
    return network.represented(state, samples)


CLASSIFIER = Kind(fit, embed)
