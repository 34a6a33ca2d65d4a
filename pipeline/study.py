"""Study: a question, a base configuration, the axes it varies, controls and hypotheses. One YAML file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from pipeline.documents import assign, describe, dump_yaml, read_yaml
from pipeline.errors import InputError
from pipeline.options import Options
from pipeline.search_options import Categories, FloatRange, IntRange, SearchOptions, Tuned
from pipeline.study_options import (
    ControlOptions,
    Hypothesis,
    MeasureOptions,
    RealQuantile,
    ResourceOptions,
    SeedRange,
)
from pipeline.trial import TrialConfig, content_hash

LONGEST_NAME = 80


class Study(Options):
    """The whole file. `vary` holds dotted keys of the base, `seed`, and the words `zip` (columns that
    move together), `rows` (the same, row by row; what a row leaves out is the base's) and `exclude`.
    """

    study: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=LONGEST_NAME)]
    question: str
    base: TrialConfig
    vary: dict[str, Any] = {}
    measure: MeasureOptions = MeasureOptions()
    controls: ControlOptions = ControlOptions()
    hypotheses: list[Hypothesis] = []
    resources: ResourceOptions = ResourceOptions()
    search: SearchOptions | None = None
    tuned: Tuned | None = None

    @classmethod
    def load(cls, path: str | Path, overrides: list[str] | None = None) -> Study:
        """Read and check a study file; `overrides` are `dotted.key=value` texts.

        Raises InputError naming file, key, value and what is allowed.
        """
        document = read_yaml(path)
        for text in overrides or []:
            assign(document, text)
        return cls.parse(document, str(path))

    @classmethod
    def parse(cls, document: dict[str, Any], name: str = "study") -> Study:
        """The checked study of a document already read; `name` stands in error messages."""
        try:
            study = cls.model_validate(document)
        except ValidationError as error:
            raise InputError(f"{name}: {describe(error)}") from None
        try:
            _ = study.by_id
            for hypothesis in study.hypotheses:
                study._check_predictor(hypothesis)
            study._check_space()
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
        return study

    def yaml(self) -> str:
        """The resolved study as YAML, defaults written out; `Study.parse` reads it back."""
        return dump_yaml(self.model_dump(mode="json", exclude_none=True))

    # --- axes --------------------------------------------------------------------------------------------

    def axes(self) -> dict[str, list[Any]]:
        """Dotted key -> its values in the order written, zipped keys included; `seed` last."""
        axes: dict[str, list[Any]] = {}
        for key, values in self.vary.items():
            if key == "zip":
                for group in values:
                    axes |= {member: list(column) for member, column in group.items()}
            elif key == "rows":
                for member in dict.fromkeys(k for row in values for k in row):
                    axes[member] = [row[member] for row in values if member in row]
            elif key not in ("exclude", "seed"):
                axes[key] = list(values)
        axes["seed"] = self.seeds()
        return axes

    def outline(self) -> list[tuple[str, str]]:
        """What is varied, for people: each axis with its values, each row with its settings."""
        rows = self.vary.get("rows", [])
        lines = [
            (f"row {k}", ", ".join(f"{key} {_in_words(value)}" for key, value in row.items()))
            for k, row in enumerate(rows, 1)
        ]
        in_rows = {key for row in rows for key in row}
        for key, values in self.axes().items():
            if key not in in_rows:
                lines.append((key, ", ".join(map(_in_words, values))))
        return lines

    def seeds(self) -> list[int]:
        """The study's seeds: `{count: n}`, `{count: n, start: k}` or a list; the base's own if none is
        varied.
        """
        seed = self.vary.get("seed")
        if seed is None:
            return [self.base.seed]
        if isinstance(seed, list):
            return seed
        options = SeedRange.model_validate(seed)
        return list(range(options.start, options.start + options.count))

    def trials(self) -> list[TrialConfig]:
        """Every combination of the axes that `exclude` leaves, in the order written, seeds innermost."""
        return list(self.by_id.values())

    @cached_property
    def by_id(self) -> dict[str, TrialConfig]:
        """The same by their ids."""
        self._check_axes()
        listed = [{"seed": seed} for seed in self.seeds()] if "seed" in self.vary else [{}]
        if isinstance(self.vary.get("seed"), list):
            for seed in listed:
                self.resolve(seed)
        trials: dict[str, TrialConfig] = {}
        for settings in self._combinations():
            seeds = [seed for seed in listed if not self._excludes({**settings, **seed})]
            if not seeds:
                continue
            first = self.resolve({**settings, **seeds[0]})
            # All other keys are the same and need no second look.
            found = first.with_seeds(seed.get("seed", first.seed) for seed in seeds)
            if not trials.keys().isdisjoint(found):
                raise InputError(f"vary: two combinations give the same trial: {settings}")
            trials |= found
        if not trials:
            raise InputError("vary.exclude: leaves no trial")
        return trials

    def resolve(self, settings: dict[str, Any]) -> TrialConfig:
        """The base with dotted `settings` put in. Raises InputError naming the key."""
        document = self.base.model_dump(mode="json", exclude_unset=True)
        # Names first: choosing another network or objective drops the options of the one it replaces.
        for key in sorted(settings, key=lambda k: not k.endswith(".name")):
            *parents, leaf = key.split(".")
            node = document
            for parent in parents:
                child = node.setdefault(parent, {})
                if not isinstance(child, dict):
                    raise InputError(f"vary.{key}: {parent!r} is a value, not a group of keys")
                node = child
            if leaf == "name" and node.get("name") != settings[key]:
                kept = {k for k in node if f"{'.'.join(parents)}.{k}" in settings}
                for stale in set(node) - kept:
                    if not _accepts(parents[-1], settings[key], stale):
                        del node[stale]
            node[leaf] = settings[key]
        _drop_what_the_system_lacks(document, settings)
        try:
            return TrialConfig.model_validate(document)
        except ValidationError as error:
            where = "vary" if settings else "base"
            raise InputError(f"{where}.{describe(error)}") from None

    def quick(self) -> Study:
        """The same study shrunk to a smoke run of under a minute: first and last value of every axis, one
        seed, 10 steps of 16 rows, widths of at most 16, 120 samples under the first embedding, one control,
        no GPU.
        """
        document = self.model_dump(mode="json", exclude_none=True)
        document["study"] = f"{self.study}-quick"
        document["base"]["training"] |= {"ticks": 1}
        document["resources"] |= {"gpus": 0.0, "back_end": "auto"}
        first = self.measure.embeddings[0]
        tau = document["measure"]["tau"]
        if "quantile" in tau:  # of fewer real pairs, where the data at hand are
            tau["quantile"] = max(1e-3, tau["quantile"])
        if isinstance(tau.get("value"), dict):
            tau["value"] = {first.label: tau["value"][first.label]}
        document["measure"] |= {
            "embeddings": document["measure"]["embeddings"][:1],
            "samples": min(120, self.measure.samples),
            "quality_reference": min(300, self.measure.quality_reference),
        }
        document["controls"] = {"finite_support": self.controls.finite_support[:1], "repeats": 1}
        vary = document["vary"]
        for key, values in vary.items():
            if key == "zip":
                vary["zip"] = [{k: _ends(column) for k, column in group.items()} for group in values]
            elif key == "rows":
                vary["rows"] = _ends(values)
            elif key != "exclude":
                vary[key] = self.seeds()[:1] if key == "seed" else _ends(values)
        document.pop("tuned", None)  # other settings than those
        if "search" in document:
            document["search"]["trials"] = min(2, document["search"]["trials"])
        return Study.parse(_shrunk(document), document["study"])

    @property
    def searches(self) -> bool:
        """Whether this is what `birthday search` carries out: suggestions, not the combinations of `vary`."""
        return self.search is not None and self.study.endswith(SEARCHING)

    def groups(self) -> list[dict[str, Any]]:
        """Every combination of the values of `search.each`, as settings; one of no setting if it is empty."""
        each = self.search.each if self.search else []
        found = [{key: s[key] for key in each if key in s} for s in self._combinations()]
        return list({repr(group): group for group in found}.values())

    def corners(self) -> list[dict[str, Any]]:
        """Settings that hold every extreme of the search space once, where it is proposed, in every group."""
        found: list[dict[str, Any]] = []
        for key, choice in (self.search.space if self.search else {}).items():
            where = {parent: values[0] for parent, values in choice.when.items()}
            ends = choice.values if isinstance(choice, Categories) else [choice.low, choice.high]
            found += [{**group, **where, key: end} for group in self.groups() for end in ends]
        return found

    def measure_id(self) -> str:
        """Names the protocol: the same id means the same numbers from the same generator."""
        return content_hash(self.measure.model_dump(mode="json"))

    def controls_id(self) -> str:
        """The same of a data set's real images and controls under that protocol."""
        return content_hash([self.measure_id(), self.controls.model_dump(mode="json")])

    # --- checks ------------------------------------------------------------------------------------------

    def _check_axes(self) -> None:
        groups = [("vary", {k: v for k, v in self.vary.items() if k not in ("zip", "rows", "exclude")})]
        for word in ("zip", "rows", "exclude"):
            entries = self.vary.get(word, [])
            if not isinstance(entries, list) or not all(isinstance(e, dict) and e for e in entries):
                raise InputError(f"vary.{word}: {entries!r}: must be a list of groups of dotted keys")
        rows = self.vary.get("rows", [])
        groups += [("vary.rows", {key: [None] for row in rows for key in row})] if rows else []
        groups += [(f"vary.zip.{i}", group) for i, group in enumerate(self.vary.get("zip", []))]
        seen: set[str] = set()
        for where, group in groups:
            for key, values in group.items():
                if key in seen:
                    raise InputError(f"{where}.{key}: is varied twice")
                seen.add(key)
                if key == "seed" and isinstance(values, dict):
                    try:
                        SeedRange.model_validate(values)
                    except ValidationError as error:
                        raise InputError(f"{where}.seed.{describe(error)}") from None
                    continue
                if not isinstance(values, list):
                    raise InputError(f"{where}.{key}: {values!r}: must be a list of values")
                if not values:
                    raise InputError(f"{where}.{key}: []: an axis needs at least one value")
                # A column of a zip may repeat: only its rows together are one setting.
                if where == "vary" and len({repr(v) for v in values}) < len(values):
                    raise InputError(f"{where}.{key}: {values!r}: lists a value twice")
            if where != "vary" and len({len(v) for v in group.values()}) > 1:
                lengths = ", ".join(f"{k} has {len(v)}" for k, v in group.items())
                raise InputError(f"{where}: keys that move together need equally many values; {lengths}")
        for i, rule in enumerate(self.vary.get("exclude", [])):
            for key in rule:
                if key not in seen:
                    raise InputError(
                        f"vary.exclude.{i}.{key}: is not a varied key; varied: {', '.join(seen)}"
                    )

    def _excludes(self, settings: dict[str, Any]) -> bool:
        rules = self.vary.get("exclude", [])
        return any(all(settings.get(key) == value for key, value in rule.items()) for rule in rules)

    def _combinations(self) -> Iterator[dict[str, Any]]:
        """Settings of all axes but `seed`."""
        factors: list[list[dict[str, Any]]] = []
        for key, values in self.vary.items():
            if key == "zip":
                for group in values:
                    factors.append(
                        [dict(zip(group, row, strict=True)) for row in zip(*group.values(), strict=True)]
                    )
            elif key == "rows":
                factors.append(values)
            elif key not in ("exclude", "seed"):
                factors.append([{key: value} for value in values])
        for combination in itertools.product(*factors):
            yield {key: value for part in combination for key, value in part.items()}

    def _check_predictor(self, hypothesis: Hypothesis) -> None:
        prefixes = PREDICTOR_AXES[hypothesis.predictor]
        if not any(key.startswith(prefixes) and len(values) > 1 for key, values in self.axes().items()):
            raise InputError(
                f"hypotheses.{hypothesis.name}.predictor: {hypothesis.predictor!r}: "
                f"nothing under {' or '.join(map(repr, prefixes))} is varied"
            )

    def _check_space(self) -> None:
        if self.search is None:
            return
        for key in self.search.each:
            if key == "seed" or key not in self.axes():
                raise InputError(
                    f"search.each: {key!r}: is not a varied key; varied: {', '.join(self.axes())}"
                )
            if key in self.search.space:
                raise InputError(f"search.each: {key!r}: is in search.space too")
        for key, choice in self.search.space.items():
            if not isinstance(choice, Categories) and not choice.low < choice.high:
                raise InputError(f"search.space.{key}: low {choice.low} must be below high {choice.high}")
            if not isinstance(choice, Categories) and choice.log and choice.low <= 0:
                raise InputError(f"search.space.{key}: low {choice.low} must be positive on a log scale")
            if not isinstance(choice, Categories) and choice.log and choice.step not in (None, 1):
                raise InputError(f"search.space.{key}: a log scale has no step")
        for settings in self.corners():
            try:
                self.resolve(settings)
            except InputError as error:
                raise InputError(f"search.space.{str(error).removeprefix('vary.')}") from None


# What `birthday search` adds to a study's name for its run.
SEARCHING = "-search"
# The parts of a trial that move each predictor: their axes are the treatment, all other axes are covariates.
PREDICTOR_AXES: dict[str, tuple[str, ...]] = {
    "log_discriminator_params": ("discriminator.",),
    "log_generator_params": ("generator.",),
    "log_train_samples": ("train_samples",),
    "objective": ("objective",),
    "system": ("system",),
    "variant": ("system", "objective", "regularizers"),
}


# What a smoke run does at most of each, wherever it stands in a study.
QUICK = {
    "steps": 10,
    "encoder_steps": 10,
    "content_steps": 10,
    "batch_size": 16,
    "discriminator_steps": 2,
    "width": 16,
    "blocks": 2,
    "size": 2000,
    "train_samples": 1000,
}


def _shrunk(tree: Any) -> Any:
    """The document with every number that `QUICK` bounds; an axis keeps two different values."""
    if isinstance(tree, list):
        return [_shrunk(value) for value in tree]
    if not isinstance(tree, dict):
        return tree
    shrunk = {key: _shrunk(value) for key, value in tree.items()}
    for key, value in shrunk.items():
        most = QUICK.get(key.rpartition(".")[2])
        if most is not None and isinstance(value, list):
            shrunk[key] = [min(most, v) for v in value]
            if len(set(shrunk[key])) < len(set(value)):
                shrunk[key][value.index(min(value))] = max(1, most // 4)
        elif most is not None:
            shrunk[key] = min(most, value)
    return shrunk


def _in_words(value: Any) -> str:
    """A value of an axis; an option group by its name and settings."""
    if not isinstance(value, dict):
        return str(value)
    rest = {key: item for key, item in value.items() if key != "name"}
    inside = ", ".join(f"{key} {_in_words(item)}" for key, item in rest.items())
    return f"{value.get('name', '')}({inside})" if inside else str(value.get("name", ""))


def _ends(values: list[Any]) -> list[Any]:
    return values[:1] + values[1:][-1:]


def _drop_what_the_system_lacks(document: dict[str, Any], settings: dict[str, Any]) -> None:
    """A system chosen by an axis leaves the base's parts it does not play with (a discriminator, say)."""
    from pipeline.options import PARTS, SystemOptions, choices

    if "system" not in settings and "system.name" not in settings:
        return
    system = document["system"]
    name = system.get("name", "gan") if isinstance(system, dict) else system
    takes = getattr(choices(SystemOptions).get(name), "takes", PARTS)
    for part in PARTS:
        chosen = any(key == part or key.startswith(f"{part}.") for key in settings)
        if part not in takes and not chosen:
            document.pop(part, None)


def _accepts(group: str, name: Any, key: str) -> bool:
    """Whether option `key` also belongs to the variant `name` of `group`."""
    from pipeline import options

    unions = {
        "dataset": options.DatasetOptions,
        "generator": options.GeneratorOptions,
        "discriminator": options.DiscriminatorOptions,
        "objective": options.ObjectiveOptions,
        "system": options.SystemOptions,
    }
    variant = options.choices(unions[group]).get(name) if group in unions else None
    return variant is not None and key in variant.model_fields


__all__ = [
    "PREDICTOR_AXES",
    "SEARCHING",
    "Categories",
    "FloatRange",
    "Hypothesis",
    "IntRange",
    "MeasureOptions",
    "RealQuantile",
    "ResourceOptions",
    "SearchOptions",
    "Study",
]
