"""One rater's work: an order of their own, one judgment after the other, each on disk before the next."""

from __future__ import annotations

import datetime
import hashlib
import re
import secrets
import time
import unicodedata
from collections.abc import Mapping
from typing import Any

from pipeline.errors import InputError
from pipeline.review.candidates import SHARED, Row, key, plain_rows
from pipeline.review.png import png
from pipeline.store.run import Run

LABELS = ("duplicate", "different", "unsure")
LONGEST_NAME = 60


class Session:
    """What one rater has judged and what comes next.

    The order is that of hashes of rater and pair: another for each rater, the same after a restart, and
    unmoved by pairs that are drawn later; left and right are one bit of it. What the browser learns of a pair
    is two pictures and a random number that names it until this session ends.
    """

    def __init__(self, run: Run, candidates: Mapping[str, Row], rater: str) -> None:
        self.run, self.rater, self._candidates = run, rater, candidates
        labels = run.table("labels")
        own = plain_rows(labels[labels["rater"] == rater])
        self._rows = sorted(own, key=lambda row: row["position"])
        judged = {key(row) for row in self._rows}
        self._left = sorted((self._hash(k), k) for k in candidates if k not in judged)
        self._shown = time.monotonic()
        self._next()

    def state(self) -> dict[str, Any]:
        """What the page shows: {rater, done, total, counts, pair: {id, left, right} or None}; PNG bytes."""
        counts = {label: sum(row["label"] == label for row in self._rows) for label in LABELS}
        done, self._shown = len(self._rows), time.monotonic()
        state = {"rater": self.rater, "done": done, "total": done + len(self._left), "counts": counts}
        return state | {"pair": self._pair() if self._left else None}

    def judge(self, pair: str, label: str) -> bool:
        """Record the label of the pair shown; False, and nothing happens, if another pair is shown by now.

        Raises InputError if the label is none or cannot be written; then it is not recorded.
        """
        if label not in LABELS:
            raise InputError(f"label {label!r}: is not one of {', '.join(LABELS)}")
        if not self._left or not secrets.compare_digest(pair.encode(), self._id.encode()):
            return False
        candidate = self._candidates[self._left[0][1]]
        row = {name: candidate[name] for name in SHARED} | {
            "rater": self.rater,
            "label": label,
            "position": len(self._rows) + 1,
            "seconds": time.monotonic() - self._shown,
            "labelled_at": datetime.datetime.now(datetime.UTC),
        }
        self._write([*self._rows, row])
        self._left.pop(0)
        self._next()
        return True

    def undo(self) -> bool:
        """Take the last label back and show its pair again; False if there is none."""
        if not self._rows:
            return False
        last = key(self._rows[-1])
        self._write(self._rows[:-1])
        if last in self._candidates:  # else a label of a pair that is no longer drawn
            self._left.insert(0, (self._hash(last), last))
        self._next()
        return True

    def _next(self) -> None:
        self._id = secrets.token_urlsafe(12)

    def _pair(self) -> dict[str, Any]:
        digest, k = self._left[0]
        row = self._candidates[k]
        shape = row["channels"], row["height"], row["width"]
        images = [png(row[f"{which}_image"], *shape) for which in ("first", "second")]
        left, right = images[:: -1 if digest[-1] % 2 else 1]
        return {"id": self._id, "left": left, "right": right}

    def _hash(self, k: str) -> bytes:
        return hashlib.sha256(f"{self.rater}\0{k}".encode()).digest()

    def _write(self, rows: list[Row]) -> None:
        self.run.save_labels(shard(self.rater), rows)
        self._rows = rows


def rater_name(text: str) -> str:
    """A rater's name with single spaces, composed. Raises InputError for none, too long or unprintable."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise InputError(f"a rater's name is 1 to {LONGEST_NAME} printable characters, not {text[:80]!r}")
    return name


def shard(rater: str) -> str:
    """The name of a rater's labels: readable, and another for each rater."""
    slug = re.sub(r"[^a-z0-9]+", "-", rater.lower()).strip("-")[:40] or "rater"
    return f"{slug}-{hashlib.sha256(rater.encode()).hexdigest()[:12]}"
