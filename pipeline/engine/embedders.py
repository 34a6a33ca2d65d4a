"""The embeddings of a study on a data set: fitted once, then found beside the runs."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from pipeline.datasets import DataSet
from pipeline.embedding_options import EmbeddingOptions
from pipeline.errors import InputError
from pipeline.store.run import Run
from pipeline.support import Embedding, embeddings
from pipeline.trial import content_hash


class Fitted(NamedTuple):
    """An embedding and its file. fresh: learnt now, and to be kept."""

    key: str
    embedding: Embedding
    content: bytes
    fresh: bool


def fitted(options: EmbeddingOptions, data: DataSet, run: Run) -> Fitted:
    """The embedding for the data set: the one fitted before, or fitted now. Raises InputError."""
    key = content_hash({"options": options.model_dump(mode="json"), "data": data.fingerprint})
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):  # of another version
        content = run.embedding(key)
        return Fitted(key, embeddings.load(content), content, False)
    try:
        embedding = embeddings.fit(
            options, data.train, data.train_labels, data.held_out, data.held_out_labels
        )
    except ValueError as error:
        raise InputError(f"measure.embeddings: {error}") from None
    return Fitted(key, embedding, embeddings.save(embedding), bool(embedding.state))
