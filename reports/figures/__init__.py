"""Figures of the report, each a pure function of what was read."""
