"""Gaussian mixtures fitted by expectation maximisation, float64, block by block."""

from pipeline.systems.mixtures.em import fit
from pipeline.systems.mixtures.full import FullCovariances
from pipeline.systems.mixtures.ppca import PrincipalComponents

__all__ = ["FullCovariances", "PrincipalComponents", "fit"]
