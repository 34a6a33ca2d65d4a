"""Optuna over a study's `search:` space: every suggestion is ordinary trials on the same engine."""

from pipeline.search.searching import Search, search

__all__ = ["Search", "search"]
