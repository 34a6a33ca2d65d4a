"""`birthday measure-samples`: the ruler on the samples of a model that lives elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError
from yaml import YAMLError

from pipeline import support
from pipeline.divergences import PrecisionRecall, precision_recall
from pipeline.documents import describe, parse_yaml
from pipeline.embedding_options import EmbeddingOptions
from pipeline.engine.engines import Engine
from pipeline.engine.estimates import estimates
from pipeline.engine.measure import NEIGHBOURS
from pipeline.engine.ruler import unjudged_tau
from pipeline.engine.tiles import SIDE, search_tiles
from pipeline.errors import InputError
from pipeline.study_options import FixedTau, TauRule
from pipeline.support import Embedding, PairSearch, embeddings

_EMBEDDING: TypeAdapter[EmbeddingOptions] = TypeAdapter(EmbeddingOptions)
_RULE: TypeAdapter[TauRule] = TypeAdapter(TauRule)
# What is learnt from images: from one half of the reference, since the other half stands for held-out images.
LEARNED = ("pixels_whitened", "selfsup")


def measure_samples(
    samples: np.ndarray,
    reference: np.ndarray | None,
    options: EmbeddingOptions,
    rule: TauRule,
    worker: Engine,
) -> dict[str, Any]:
    """Support size of (s, d) vectors or (s, c, h, w) images, and what goes with it, by name.

    reference: real samples of the same kind, which tau rules, learned embeddings and quality need. worker:
    where searches of more than a tile run. Raises InputError.
    """
    if reference is not None and reference.shape[1:] != samples.shape[1:]:
        raise InputError(f"--reference: samples of shape {reference.shape[1:]}, not {samples.shape[1:]}")
    try:
        embedding, real = _embedding(options, samples, reference)
        vectors = embedding(samples)
        tau = unjudged_tau(rule, embedding, real)
        of_real = None if real is None else embedding(real)
    except ValueError as error:
        raise InputError(str(error)) from None
    search = _search(vectors, tau, worker)
    (near,) = search.near
    size = support.support_size(near.degrees, near.labels)
    found: dict[str, Any] = {
        **size._asdict(),
        "tau": tau,
        "tau_rule": rule.name(),
        "embedding": embedding.name,
        "embedding_id": embedding.id,
        "exact_copies": int((search.closest.distance == 0).sum()),
        "estimates": {e["estimator"]: e for e in estimates(near, search.histogram)},
    }
    if of_real is not None:
        found |= _beside_reference(vectors, of_real, size, tau)
    return found


def read_embedding(text: str) -> EmbeddingOptions:
    """The embedding that `--embedding` names. Raises InputError."""
    try:
        return _EMBEDDING.validate_python(parse_yaml(text))
    except ValidationError as error:
        raise InputError(f"--embedding {text}: {describe(error)}") from None
    except YAMLError:
        raise InputError(f"--embedding {text}: must be a name or a group {{name: …, …}}") from None


def read_rule(tau: float | None, text: str | None, reference: bool) -> TauRule:
    """The rule that `--tau` or `--tau-rule RULE[:QUANTILE]` gives. Raises InputError."""
    if tau is not None and text is not None:
        raise InputError("--tau and --tau-rule: give one of them")
    if tau is not None:
        return FixedTau(rule="fixed", value=tau)
    if not reference:
        raise InputError("tau: give --tau, or --reference for a rule that rests on real samples")
    name, _, quantile = (text or "real_quantile").partition(":")
    document: dict[str, Any] = {"rule": name}
    if quantile or name == "real_quantile":
        document["quantile"] = parse_yaml(quantile or "1e-3")
    if name not in ("real_quantile", "augmentation"):
        raise InputError(f"--tau-rule {text}: allowed: real_quantile, augmentation, with :QUANTILE after it")
    try:
        return _RULE.validate_python(document)
    except ValidationError as error:
        raise InputError(f"--tau-rule {text}: {describe(error)}") from None


def summary(found: dict[str, Any]) -> list[tuple[str, str]]:
    """What `measure_samples` found, as lines for a person."""
    lines = [
        ("samples", f"{found['samples']:,} ({found['pairs']:,} pairs), {found['exact_copies']} exact copies"),
        ("embedding", f"{found['embedding']} ({found['embedding_id']})"),
        ("tau", f"{found['tau']:.6g}, {found['tau_rule']}"),
        ("near-duplicates", f"{found['collisions']:,} pairs in {found['clusters']:,} clusters"),
        ("support size N2", _interval(found["n2"], found["n2_low"], found["n2_high"])),
        ("largest cluster", f"{found['largest_cluster_mass']:.3%} of the samples; without it N2 = "
         + _number(found["n2_without_largest"])),
    ]  # fmt: skip
    if "n2_real" in found:
        real = _interval(found["n2_real"], found["n2_real_low"], found["n2_real_high"])
        known = [key for key in PrecisionRecall._fields if found[key] is not None]
        quality = ", ".join(f"{key} {found[key]:.3f}" for key in known) or "too few samples"
        lines += [
            ("the same of the real", f"{real}, {found['reference_samples']:,} samples"),
            ("ratio to real", _number(found["ratio_to_real"])),
            ("quality", quality),
        ]
    return lines


def _interval(value: float | None, low: float, high: float | None) -> str:
    if value is None:
        return f"at least {_number(low)} (nothing collided)"
    return f"{_number(value)} [{_number(low)}, {'unbounded' if high is None else _number(high)}]"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _embedding(
    options: EmbeddingOptions, samples: np.ndarray, reference: np.ndarray | None
) -> tuple[Embedding, np.ndarray | None]:
    """The embedding, and the real samples that it was not fitted on."""
    if options.name == "classifier":
        raise ValueError("embedding 'classifier': needs labels; it works in studies, on labelled data sets")
    if options.name not in LEARNED:
        some = samples if reference is None else reference
        return embeddings.fit(options, some, None, some, None), reference
    if reference is None:
        raise ValueError(f"embedding {options.name!r}: is learnt from real samples: give --reference")
    half = len(reference) // 2
    learnt, rest = reference[:half], reference[half:]
    return embeddings.fit(options, learnt, None, rest, None), rest


def _search(vectors: np.ndarray, tau: float, worker: Engine) -> PairSearch:
    if len(vectors) <= SIDE:
        return support.search_pairs(vectors, [tau])
    return search_tiles(worker, vectors, [tau])


def _beside_reference(
    vectors: np.ndarray, real: np.ndarray, size: support.SupportSize, tau: float
) -> dict[str, Any]:
    (near,) = support.search_pairs(real, [tau]).near
    of_real = support.support_size(near.degrees, near.labels)
    count = min(len(real), len(vectors))
    quality: PrecisionRecall | None = None
    if count > NEIGHBOURS:  # of fewer there are no balls
        quality = precision_recall(real[:count], vectors[:count], NEIGHBOURS)
    return {
        "reference_samples": len(real),
        "n2_real": of_real.n2,
        "n2_real_low": of_real.n2_low,
        "n2_real_high": of_real.n2_high,
        "ratio_to_real": size.n2 / of_real.n2 if size.n2 and of_real.n2 else None,
        **(quality._asdict() if quality else dict.fromkeys(PrecisionRecall._fields)),
    }
