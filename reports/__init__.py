"""Tables -> statistics -> figures -> HTML and Markdown. Reads the store only; needs neither torch nor Ray nor
a network.
"""

from reports.render import build

__all__ = ["build"]
