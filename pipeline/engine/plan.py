"""What a study needs before anything is trained: its data, checked against every trial."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from pipeline import datasets
from pipeline.datasets import DataSet
from pipeline.errors import InputError
from pipeline.systems import make_system
from pipeline.trial import TrialConfig, content_hash


def data_key(trial: TrialConfig) -> str:
    """Names the data set that a trial needs."""
    return content_hash(trial.dataset.model_dump(mode="json"))


def load_data(trials: list[TrialConfig], data_root: Path | None) -> dict[str, DataSet]:
    """Every data set the trials need, by `data_key`.

    Raises InputError if one is missing or damaged, has too few samples, or does not fit the networks: all of
    it before the first trial.
    """
    found: dict[str, DataSet] = {}
    checked: set[str] = set()
    sizes: set[tuple[str, int]] = set()
    for trial in trials:
        key = data_key(trial)
        if key not in found:
            found[key] = datasets.load(trial.dataset, data_root)
        data = found[key]
        # Whether there are enough samples; which ones a seed takes is the trial's own affair.
        if (key, trial.train_samples) not in sizes:
            data.subset(trial.train_samples, trial.seed)
            sizes.add((key, trial.train_samples))
        shape = content_hash(trial.model_dump(mode="json", exclude={"training", "train_samples", "seed"}))
        if shape not in checked:
            checked.add(shape)
            try:
                game = make_system(trial, data.sample_shape)
            except ValueError as error:
                parts: list[tuple[str, Any]] = [("system", trial.system), ("generator", trial.generator)]
                parts += [("discriminator", trial.discriminator)]
                named = ", ".join(f"{key} {part.name!r}" for key, part in parts if part)
                raise InputError(f"dataset {trial.dataset.name!r} with {named}: {error}") from None
            _check_labels(trial, data, game.needs_labels)
    return found


def _check_labels(trial: TrialConfig, data: DataSet, classes: int) -> None:
    """classes: how many the system tells apart; 0 where it reads no labels."""
    labels = data.train_labels
    if classes and labels is None:
        raise InputError(f"system {trial.system.name!r}: needs labels, and {trial.dataset.name!r} has none")
    if classes and labels is not None and labels.max() >= classes:
        raise InputError(
            f"system.classes: {classes}: {trial.dataset.name!r} has labels up to {labels.max()}; "
            f"allowed: at least {labels.max() + 1}"
        )


def commit() -> str:
    """The commit of this checkout, `-dirty` where it has changes; empty outside one."""
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
