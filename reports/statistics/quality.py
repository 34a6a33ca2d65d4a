"""What of a trial's quality is held when support is compared: precision, and log KID."""

from __future__ import annotations

import numpy as np
import pandas as pd


def quality(trials: pd.DataFrame) -> pd.DataFrame:
    """(n, 2): `precision` and `log KID` by the trials' index, NaN where not measured.

    KID is an unbiased estimate and may be negative: below its standard error it counts as that.
    """
    kid, error = (trials[key].astype(np.float64) for key in ("kid", "kid_standard_error"))
    floored = kid.where(kid.isna() | (kid > error.fillna(0)), error)
    precision = trials["precision"].astype(np.float64)
    return pd.DataFrame({"precision": precision, "log KID": np.log(floored.where(floored > 0))})


def known(measured: pd.DataFrame) -> pd.DataFrame:
    """The measures that some trial has, of the trials that have them all."""
    return measured.dropna(axis="columns", how="all").dropna()
