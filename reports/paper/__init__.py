"""What a LaTeX paper includes: tables, figures, and every number as a macro."""

from reports.paper.render import build

__all__ = ["build"]
