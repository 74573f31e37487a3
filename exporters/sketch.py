"""A mergeable histogram of positive values with a stated relative error.

Values fall into logarithmic buckets (gamma^(k-1), gamma^k] with gamma = (1 + a) / (1 - a); a bucket stands for the
value 2 gamma^k / (gamma + 1), which is within the relative error `a` of everything in it (Masson, Rim and Lee, DDSketch,
VLDB 2019). Count, sum, minimum and maximum are exact; zeros have a bucket of their own.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

RELATIVE_ERROR = 0.005


class Sketch:
    """Counts of values by logarithmic bucket: a commutative monoid under `merge`."""

    __slots__ = ("_gamma", "_log_gamma", "counts", "max", "min", "relative_error", "sum", "zeros")

    def __init__(self, relative_error: float = RELATIVE_ERROR) -> None:
        self.relative_error = relative_error
        self._gamma = (1 + relative_error) / (1 - relative_error)
        self._log_gamma = math.log(self._gamma)
        self.counts: dict[int, int] = {}
        self.zeros = 0
        self.sum = 0.0
        self.min = math.inf
        self.max = -math.inf

    @property
    def count(self) -> int:
        """How many values."""
        return self.zeros + sum(self.counts.values())

    @property
    def mean(self) -> float | None:
        """Exact mean; None without values."""
        count = self.count
        return self.sum / count if count else None

    def add(self, values: npt.NDArray[np.float64]) -> None:
        """Add values >= 0; a value below 0 counts as 0 (a duration cannot be negative)."""
        if not len(values):
            return
        values = np.maximum(values, 0.0)
        self.sum += float(values.sum())
        self.min, self.max = min(self.min, float(values.min())), max(self.max, float(values.max()))
        positive = values[values > 0]
        self.zeros += len(values) - len(positive)
        keys = np.ceil(np.log(positive) / self._log_gamma).astype(np.int64).tolist()
        counts = self.counts
        for key in keys:
            counts[key] = counts.get(key, 0) + 1

    def add_one(self, value: float) -> None:
        """Add a single value >= 0."""
        self.add(np.array([value]))

    def merge(self, other: Sketch) -> None:
        """Add another sketch's values; ValueError when its error differs."""
        if other.relative_error != self.relative_error:
            raise ValueError(
                f"sketches of relative error {self.relative_error} and {other.relative_error} do not merge"
            )
        for key, count in other.counts.items():
            self.counts[key] = self.counts.get(key, 0) + count
        self.zeros += other.zeros
        self.sum += other.sum
        self.min, self.max = min(self.min, other.min), max(self.max, other.max)

    def quantile(self, q: float) -> float | None:
        """The nearest-rank quantile, within the relative error; None without values."""
        count = self.count
        if not count:
            return None
        rank = max(1, math.ceil(q * count))
        seen = self.zeros
        if rank <= seen:
            return 0.0
        for key in sorted(self.counts):
            seen += self.counts[key]
            if seen >= rank:
                return min(max(2 * self._gamma**key / (self._gamma + 1), self.min), self.max)
        return self.max

    def to_wire(self) -> dict[str, Any]:
        """Plain values for a message or a file; empty for an empty sketch."""
        if not self.count:
            return {"error": self.relative_error}
        keys = sorted(self.counts)
        return {
            "error": self.relative_error,
            "keys": keys,
            "counts": [self.counts[key] for key in keys],
            "zeros": self.zeros,
            "sum": self.sum,
            "min": self.min,
            "max": self.max,
        }

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> Sketch:
        """The sketch that `to_wire` wrote."""
        sketch = cls(wire["error"])
        if "keys" in wire:
            sketch.counts = dict(zip(wire["keys"], wire["counts"], strict=True))
            sketch.zeros, sketch.sum = wire["zeros"], wire["sum"]
            sketch.min, sketch.max = wire["min"], wire["max"]
        return sketch
