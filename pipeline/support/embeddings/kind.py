"""What makes up one kind of embedding, apart from its options and what it has learnt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

State = dict[str, np.ndarray]
Facts = dict[str, float | str]


class Data(NamedTuple):
    """What an embedding may be fitted on: samples as `checked`, labels (n,) or None."""

    train: np.ndarray
    labels: np.ndarray | None
    held_out: np.ndarray
    held_out_labels: np.ndarray | None


class Kind(NamedTuple):
    """fit: (options, data) -> what is learnt and facts about it. embed: (options, state, samples) -> (n, d).

    options: those on which vectors depend, given the state. points: takes points (n, d) too. version: raised
    if the same options and state come to mean other numbers.
    """

    fit: Callable[[Any, Data], tuple[State, Facts]]
    embed: Callable[[Any, State, np.ndarray], np.ndarray]
    options: tuple[str, ...] = ()
    points: bool = False
    version: int = 1
