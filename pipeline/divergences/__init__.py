"""How far two samples are apart: pure functions of arrays, which do not know how a sample was made."""

from pipeline.divergences.balls import in_balls, radii
from pipeline.divergences.cells import cell_of, k_means
from pipeline.divergences.fid import fid
from pipeline.divergences.kid import KID, kid
from pipeline.divergences.memorization import (
    OCCUPANCY,
    DataCopying,
    authenticity,
    data_copying,
    mann_whitney_z,
)
from pipeline.divergences.modes import (
    LabelCoverage,
    ModeCoverage,
    coverage,
    coverage_of_labels,
    expected_coverage,
)
from pipeline.divergences.ndb import NDB, ndb
from pipeline.divergences.nearest import nearest
from pipeline.divergences.precision_recall import (
    Memberships,
    PrecisionRecall,
    memberships,
    precise,
    precision_recall,
)
from pipeline.divergences.vendi import vendi, vendi_of

__all__ = [
    "KID",
    "NDB",
    "OCCUPANCY",
    "DataCopying",
    "LabelCoverage",
    "Memberships",
    "ModeCoverage",
    "PrecisionRecall",
    "authenticity",
    "cell_of",
    "coverage",
    "coverage_of_labels",
    "data_copying",
    "expected_coverage",
    "fid",
    "in_balls",
    "k_means",
    "kid",
    "mann_whitney_z",
    "memberships",
    "ndb",
    "nearest",
    "precise",
    "precision_recall",
    "radii",
    "vendi",
    "vendi_of",
]
