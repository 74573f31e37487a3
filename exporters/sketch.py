"""A mergeable histogram of durations with a guaranteed relative error.

Values fall into logarithmic buckets (gamma^(k-1), gamma^k] with gamma = (1 + a) / (1 - a); a bucket stands for the
value 2 gamma^k / (gamma + 1), which is within the relative error `a` of everything in it (Masson, Rim and Lee,
DDSketch, VLDB 2019). Count, sum, minimum and maximum are exact; zeros have a bucket of their own.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

RELATIVE_ERROR = 0.005
# Buckets are narrower than the stated error by this share of it, so that the rounding of a logarithm cannot break it.
ROUNDING = 1e-9
# Values wait in a plain array and are counted together: 0.8 us for 100 gaps at a time, against 3 to 11 us one call
# at a time (numpy 2.4, dense or dict store).
COUNT_AT = 1024

Counts = npt.NDArray[np.int64]


class Sketch:
    """Counts of values by logarithmic bucket: a commutative monoid under `merge`."""

    __slots__ = ("_counts", "_first", "_gamma", "_log_gamma", "_max", "_min", "_sum", "_waiting", "_zeros",
                 "relative_error")  # fmt: skip

    def __init__(self, relative_error: float = RELATIVE_ERROR) -> None:
        self.relative_error = relative_error
        narrow = relative_error * (1 - ROUNDING)
        self._gamma = (1 + narrow) / (1 - narrow)
        self._log_gamma = math.log(self._gamma)
        self._waiting = array("d")
        self._first = 0  # the bucket of _counts[0]; the store is dense, since durations of one kind lie close together
        self._counts: Counts = np.zeros(0, dtype=np.int64)
        self._zeros, self._sum = 0, 0.0
        self._min, self._max = math.inf, -math.inf

    @property
    def count(self) -> int:
        """How many values."""
        self._settle()
        return self._zeros + int(self._counts.sum())

    @property
    def sum(self) -> float:
        """Sum of the values."""
        self._settle()
        return self._sum

    @property
    def min(self) -> float | None:
        """The smallest value, exact; None without values."""
        self._settle()
        return self._min if self._min < math.inf else None

    @property
    def max(self) -> float | None:
        """The largest value, exact; None without values."""
        self._settle()
        return self._max if self._max >= 0 else None

    @property
    def mean(self) -> float | None:
        """Sum / count, exact; None without values."""
        count = self.count
        return self._sum / count if count else None

    def add(self, values: npt.NDArray[np.float64]) -> None:
        """Add values >= 0; one below 0 counts as 0 (a duration cannot be negative)."""
        self._waiting.frombytes(np.asarray(values, dtype=np.float64).tobytes())
        if len(self._waiting) >= COUNT_AT:
            self._settle()

    def add_one(self, value: float) -> None:
        """Add a single value >= 0."""
        self._waiting.append(value)
        if len(self._waiting) >= COUNT_AT:
            self._settle()

    def _settle(self) -> None:
        """Count the values that wait."""
        if not self._waiting:
            return
        values, self._waiting = np.maximum(np.frombuffer(self._waiting), 0.0), array("d")
        total = float(values.sum())
        if not math.isfinite(total):
            raise ValueError("a duration that is not a finite number cannot be counted")
        self._sum += total
        self._min, self._max = min(self._min, float(values.min())), max(self._max, float(values.max()))
        positive = values[values > 0]
        self._zeros += len(values) - len(positive)
        if len(positive):
            keys = np.ceil(np.log(positive) / self._log_gamma).astype(np.int64)
            first = int(keys.min())
            self._include(first, np.bincount(keys - first))

    def _include(self, first: int, counts: Counts) -> None:
        """Add counts of consecutive buckets from `first` on; the store grows to hold them."""
        if not len(self._counts):
            self._first, self._counts = first, np.zeros(len(counts), dtype=np.int64)
        start = min(self._first, first)
        stop = max(self._first + len(self._counts), first + len(counts))
        if stop - start > len(self._counts):
            grown = np.zeros(stop - start, dtype=np.int64)
            grown[self._first - start : self._first - start + len(self._counts)] = self._counts
            self._first, self._counts = start, grown
        self._counts[first - start : first - start + len(counts)] += counts

    def merge(self, other: Sketch) -> None:
        """Add another sketch's values; ValueError when its error differs."""
        self._require(other.relative_error)
        self._settle()
        other._settle()
        if len(other._counts):
            self._include(other._first, other._counts)
        self._zeros += other._zeros
        self._sum += other._sum
        self._min, self._max = min(self._min, other._min), max(self._max, other._max)

    def _require(self, relative_error: float) -> None:
        if relative_error != self.relative_error:
            raise ValueError(f"sketches of relative error {self.relative_error} and {relative_error} do not merge")

    def pack(self) -> dict[str, Any]:
        """For a message: every bucket between the outermost two in use, as the narrowest integers that hold them."""
        if not self.count:
            return {"error": self.relative_error}
        counts = self._counts.astype(np.min_scalar_type(int(self._counts.max(initial=0))))
        return {
            "error": self.relative_error,
            "zeros": self._zeros,
            "sum": self._sum,
            "min": self._min,
            "max": self._max,
            "first": self._first,
            "type": counts.dtype.str,
            "counts": counts.tobytes(),
        }

    def merge_packed(self, packed: dict[str, Any]) -> None:
        """Add what another sketch has packed: 2 us, where a list of its buckets would take 10."""
        self._require(packed["error"])
        if "counts" not in packed:
            return
        self._settle()
        if packed["counts"]:
            self._include(packed["first"], np.frombuffer(packed["counts"], packed["type"]).astype(np.int64))
        self._zeros += packed["zeros"]
        self._sum += packed["sum"]
        self._min, self._max = min(self._min, packed["min"]), max(self._max, packed["max"])

    def quantile(self, q: float) -> float | None:
        """The ceil(q n)-th smallest value (nearest rank), within the relative error; None without values."""
        if not 0 <= q <= 1:
            raise ValueError(f"a quantile lies between 0 and 1, not at {q}")
        count = self.count
        if not count:
            return None
        rank = max(1, math.ceil(round(q * count, 6)))  # 0.07 x 100 is 7.000000000000001 in floating point
        if rank == count:
            return self._max
        if rank <= self._zeros:
            return 0.0
        index = int(np.searchsorted(np.cumsum(self._counts), rank - self._zeros))
        value = 2 * math.exp((self._first + index) * self._log_gamma) / (self._gamma + 1)
        return min(max(value, self._min), self._max)

    def at_most(self, bounds: Sequence[float]) -> list[int]:
        """How many values are at most each bound > 0; one within the relative error of a bound may be on either side.

        A bucket counts whole, where the value that it stands for lies: 2 gamma^k / (gamma + 1) <= bound.
        """
        count, reached = self.count, np.cumsum(self._counts)
        found = []
        for bound in bounds:
            last = math.floor(math.log(bound * (self._gamma + 1) / 2) / self._log_gamma) - self._first
            inside = int(reached[min(last, len(reached) - 1)]) if last >= 0 and len(reached) else 0
            found.append(count if bound >= self._max else self._zeros + inside)
        return found

    def to_wire(self) -> dict[str, Any]:
        """Plain values for a file: buckets in use as differences of their keys, and their counts."""
        if not self.count:
            return {"error": self.relative_error}
        used = np.flatnonzero(self._counts)
        return {
            "error": self.relative_error,
            "zeros": self._zeros,
            "sum": self._sum,
            "min": self._min,
            "max": self._max,
            "keys": np.diff(used + self._first, prepend=0).tolist(),
            "counts": self._counts[used].tolist(),
        }

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> Sketch:
        """The sketch that `to_wire` wrote."""
        sketch = cls(wire["error"])
        if "keys" not in wire:
            return sketch
        sketch._zeros, sketch._sum = wire["zeros"], wire["sum"]
        sketch._min, sketch._max = wire["min"], wire["max"]
        if wire["keys"]:
            keys = np.cumsum(wire["keys"])
            sketch._first = int(keys[0])
            sketch._counts = np.zeros(int(keys[-1]) - sketch._first + 1, dtype=np.int64)
            sketch._counts[keys - sketch._first] = wire["counts"]
        return sketch
