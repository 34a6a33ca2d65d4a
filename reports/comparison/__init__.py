"""Two or more runs side by side."""

from reports.comparison.render import Comparison, compare

__all__ = ["Comparison", "compare"]
