"""The MLflow mirror of a run, for looking at studies in MLflow's UI. The store is the truth, this follows it.

One experiment a study, one parent run a run root, one child run a trial, told apart by tag `trial_id` and
looked up before they are made. While a study runs, a process of its own follows the store, so that MLflow,
slow or absent, never holds up a trial.
"""

from pipeline.tracking.companion import Companion
from pipeline.tracking.now import mirror
from pipeline.tracking.place import place

__all__ = ["Companion", "mirror", "place"]
