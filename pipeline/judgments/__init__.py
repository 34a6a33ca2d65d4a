"""What people's judgments of pairs say: how likely a distance is to be a duplicate, support size as people
see it, and how far they agree. Arrays in, numbers out; needs numpy and scipy only.
"""

from pipeline.judgments.agreement import FalseAlarm, Kappa, false_alarm, fleiss_kappa, kappa
from pipeline.judgments.curve import DuplicateCurve, duplicate_probability, tau_of
from pipeline.judgments.support_size import HumanSupport, Judgments, human_support, modelled_p2, verdicts

__all__ = [
    "DuplicateCurve",
    "FalseAlarm",
    "HumanSupport",
    "Judgments",
    "Kappa",
    "duplicate_probability",
    "false_alarm",
    "fleiss_kappa",
    "human_support",
    "kappa",
    "modelled_p2",
    "tau_of",
    "verdicts",
]
