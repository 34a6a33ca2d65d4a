"""The one exception for a user's mistake; `birthday` prints it as a single line and exits with code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Something a user can put right: the message is one line naming file, key, value and what is allowed."""


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """`'; did you mean X?'` for the nearest allowed spelling, or an empty string."""
    near = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
