"""Every table's columns and types. Writers and readers use these schemas and no others.

Floats are float64 and counts int64, so that no reader ever casts. Where a row was measured under a rule, the
rule (embedding, tau rule, samples) stands in the row: another protocol is another row, never an overwrite.
"""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 1

_text, _count, _real = pa.string(), pa.int64(), pa.float64()
_time = pa.timestamp("ms", tz="UTC")
_key = [("study", _text), ("trial_id", _text), ("schema_version", pa.int32())]
# Whose samples: "generated" (a trial's), "real" (held-out images), "train", or a control whose law is known:
# "finite_support", "jittered", "atom", "zipf". support_size: the number of items of such a law; parameter:
# its mass or exponent. embedding_id: hash of the embedding's weights and preprocessing.
_source = [
    ("source", _text),
    ("support_size", _count),
    ("parameter", _real),
    ("data_fingerprint", _text),
    ("embedding", _text),
    ("embedding_id", _text),
]
# Of a conditional system also "conditional": samples given one held-out image, whose index is the parameter.
_image_shape = [("channels", pa.int32()), ("height", pa.int32()), ("width", pa.int32())]


def _table(*columns: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in [*_key, *columns]])


SCHEMAS: dict[str, pa.Schema] = {
    # One row a trial, written last: a trial is done when its row is here.
    "trials": _table(
        ("system", _text),
        ("dataset", _text),
        ("generator", _text),
        ("generator_width", _count),
        ("latent_dim", _count),
        ("discriminator", _text),
        ("discriminator_width", _count),
        ("objective", _text),
        ("train_samples", _count),
        ("seed", _count),
        ("config", _text),  # JSON of every resolved key, defaults included
        ("discriminator_params", _count),
        ("generator_params", _count),
        ("status", _text),  # completed, diverged, failed, out_of_memory, lost
        ("error", _text),
        ("attempts", _count),
        ("steps_done", _count),
        ("wall_seconds", _real),
        ("train_seconds", _real),
        ("measure_seconds", _real),
        ("device_seconds", _real),
        ("predicted_seconds", _real),  # of device_seconds, before it was carried out
        ("peak_memory_bytes", _count),  # of the task: its process on a CPU, what is allocated on a GPU
        ("images_per_second", _real),
        ("back_end", _text),  # what trained it, and with how many others at once
        ("cohort_size", _count),
        ("device", _text),
        ("host", _text),
        ("versions", _text),  # JSON: package -> version
        ("commit", _text),
        ("data_fingerprint", _text),
        ("started_at", _time),
        ("finished_at", _time),
    ),
    "curves": _table(("step", _count), ("metric", _text), ("value", _real)),
    # Counts of pair distances d with low <= d < high, exact below `exact_below` (null: everywhere); above it
    # a distance may have been counted up to `resolution` away.
    "distances": _table(
        *_source,
        ("samples", _count),
        ("low", _real),
        ("high", _real),
        ("count", _count),
        ("exact_below", _real),
        ("resolution", _real),
    ),
    "collisions": _table(
        *_source,
        ("tau_rule", _text),
        ("tau", _real),
        ("samples", _count),
        ("pairs", _count),
        ("collisions", _count),
        ("p2", _real),
        ("n2", _real),  # null when no pair collides: then n2_low alone is known
        ("n2_low", _real),
        ("n2_high", _real),  # null = unbounded
        ("method", _text),
        ("clusters", _count),
        ("largest_cluster_mass", _real),
        ("n2_without_largest", _real),
        ("n2_real", _real),
        ("ratio_to_real", _real),
        ("n2_true", _real),  # controls only: exact, by enumeration under the same embedding and tau
    ),
    # The largest clusters of near-duplicates, one image of each.
    "clusters": _table(
        *_source,
        ("tau_rule", _text),
        ("tau", _real),
        ("samples", _count),
        ("rank", _count),
        ("size", _count),
        ("mass", _real),
        ("n2_without", _real),  # N2 of the samples outside this cluster and all larger ones
        *_image_shape,
        ("image", pa.binary()),
    ),
    # Other estimates from the same near-duplicate graph; null = not identifiable or unbounded.
    "estimates": _table(
        *_source,
        ("tau_rule", _text),
        ("tau", _real),
        ("samples", _count),
        ("estimator", _text),
        ("value", _real),
        ("low", _real),
        ("high", _real),
    ),
    # The paper's protocol: of how many disjoint batches of one size any pair collides.
    "batches": _table(
        *_source,
        ("tau_rule", _text),
        ("tau", _real),
        ("samples", _count),
        ("batch_size", _count),
        ("batches", _count),
        ("collided", _count),
        ("low", _real),  # Clopper-Pearson interval of the probability
        ("high", _real),
        ("predicted", _real),  # from N2, if all items were equally likely
    ),
    "pairs": _table(
        *_source,
        ("samples", _count),
        ("rank", _count),
        ("first", _count),
        ("second", _count),
        ("distance", _real),
        *_image_shape,
        ("first_image", pa.binary()),
        ("second_image", pa.binary()),
        ("first_train_index", _count),
        ("first_train_distance", _real),
        ("first_train_image", pa.binary()),
        ("second_train_index", _count),
        ("second_train_distance", _real),
        ("second_train_image", pa.binary()),
    ),
    "quality": _table(
        *_source,
        ("samples", _count),
        ("reference_samples", _count),
        ("neighbours", _count),
        ("precision", _real),
        ("recall", _real),
        ("density", _real),
        ("coverage", _real),
        ("kid", _real),
        ("kid_standard_error", _real),
        ("fid", _real),  # null where the embedding is too long for its covariance
        ("vendi", _real),
        ("bins_different", _real),  # share of NDB's bins that differ from the training images'
        ("data_copying", _real),  # Meehan et al.'s C_T: far below 0 = copies of training images
        ("authenticity", _real),
        ("nearest_train_median", _real),
        ("nearest_held_out_median", _real),
    ),
    # Pairs drawn for people to judge: `stratum_drawn` of the `stratum_pairs` pairs with
    # stratum_low <= distance < stratum_high, without replacement.
    "candidates": _table(
        *_source,
        ("samples", _count),
        ("stratum", _count),
        ("stratum_low", _real),
        ("stratum_high", _real),
        ("stratum_pairs", _count),
        ("stratum_drawn", _count),
        ("first", _count),
        ("second", _count),
        ("distance", _real),
        *_image_shape,
        ("first_image", pa.binary()),
        ("second_image", pa.binary()),
    ),
    # What a rater said of a candidate, without having been shown its source; one row a rater and pair.
    "labels": _table(
        *_source,
        ("first", _count),
        ("second", _count),
        ("distance", _real),
        ("stratum", _count),
        ("stratum_pairs", _count),
        ("stratum_drawn", _count),
        ("rater", _text),
        ("label", _text),  # duplicate, different, unsure
        ("position", _count),  # the how-manieth pair that this rater judged
        ("seconds", _real),  # from showing the pair to the answer
        ("labelled_at", _time),
    ),
    # The first images of each source, uint8 C*H*W bytes, for grids in the report.
    # Which of a data set's known modes the samples reach.
    "modes": _table(
        ("source", _text),
        ("data_fingerprint", _text),
        ("samples", _count),
        ("modes_known", _count),
        ("modes", _count),
        ("high_quality", _real),  # share of samples within a mode's radius; null where a classifier decides
        ("reverse_kl", _real),  # of the high-quality samples' shares of the modes from equal shares, nats
        ("kl_uniform", _real),  # the same of all samples
    ),
    "samples": _table(*_source, ("index", _count), *_image_shape, ("image", pa.binary())),
    # What a search proposed, one row a suggestion, whose trial_id is its own. JSON: settings and means.
    "suggestions": _table(
        ("search", _text),  # what Optuna calls it
        ("number", _count),
        ("state", _text),  # complete, pruned, fail, running
        ("group", _text),  # of `search.each`
        ("settings", _text),
        ("values", _text),  # by objective; of one that was ended early the first alone, of a failed one none
        ("constraints", _text),  # by metric, by how much it is broken: zero or less where it is kept
        ("feasible", pa.bool_()),
        ("means_by_seeds", _text),  # of the first objective over 1, 2, ... seeds, where it was compared
        ("asked_at", _time),
        ("told_at", _time),
    ),
    # How much each key of a search's space decides whether a suggestion is among the best: shares by
    # PED-ANOVA, 1 in all for each objective. None where too few suggestions are complete.
    "importances": _table(
        ("search", _text),  # as in `suggestions`
        ("metric", _text),
        ("key", _text),
        ("importance", _real),
    ),
}

# What tells a table's rows apart. The same trial measured twice under the same rule gives the same row twice.
_subject = [*(name for name, _ in _source if name != "embedding"), "trial_id"]
_protocol = [*_subject, "samples", "tau_rule"]
KEYS: dict[str, list[str]] = {
    "trials": ["trial_id"],
    "curves": ["trial_id", "step", "metric"],
    "distances": [*_subject, "samples", "low"],
    "collisions": _protocol,
    "clusters": [*_protocol, "rank"],
    "estimates": [*_protocol, "estimator"],
    "batches": [*_protocol, "batch_size"],
    "pairs": [*_subject, "samples", "rank"],
    "candidates": [*_subject, "samples", "first", "second"],
    "labels": [*_subject, "first", "second", "rater"],
    "quality": [*_subject, "samples"],
    "modes": ["trial_id", "source", "data_fingerprint", "samples"],
    "samples": [*_subject, "index"],
    "suggestions": ["search", "number"],
    "importances": ["search", "metric", "key"],
}
