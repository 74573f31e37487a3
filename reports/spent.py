"""Where a request's time goes by our own clock and the engine's counters: parts that add up to end - sent.

sending = written - sent; decode = last - first; ending = end - last (usage, [DONE]). Between written and first lie the
engine's queue and prefill as far as its counters tell them, and the rest is named *unexplained*. A reply that was not
streamed has no first token: all between written and last is unexplained, but for what the engine tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
import pyarrow.compute as pc

from exporters.record import Run

COLUMNS = ("written_s", "ttft_s", "e2e_s", "end_s")
PHASES = ("queue_s", "prefill_s")  # what engines tell of the time before the first token


class Spent(msgspec.Struct, frozen=True):
    """Sums over the ok requests of a step's window whose stamps are all there, in seconds."""

    n: int = 0
    sums: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)  # written, first, last, end, each - sent

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.n + other.n, tuple(map(sum, zip(self.sums, other.sums, strict=True))))


def spent_by_step(run: Run) -> dict[str, Spent]:
    """By step, from the rows."""
    found: dict[str, Spent] = {}
    for table in run.windows(("step", "outcome", *COLUMNS)):
        codes = table["step"].combine_chunks().dictionary_encode()
        values = np.column_stack([table[name].to_numpy() for name in COLUMNS])
        values[:, 1] = np.where(np.isnan(values[:, 1]), values[:, 2], values[:, 1])  # not streamed: first is last
        known = pc.equal(table["outcome"], "ok").to_numpy() & ~np.isnan(values).any(axis=1)
        places = codes.indices.to_numpy(zero_copy_only=False)[known]
        counts = np.bincount(places, minlength=len(codes.dictionary))
        sums = [np.bincount(places, column, len(counts)) for column in values[known].T]
        for place, name in enumerate(codes.dictionary.to_pylist()):
            here = Spent(int(counts[place]), tuple(float(column[place]) for column in sums))
            found[name] = found.get(name, Spent()) + here
    return found


def spent_figures(steps: Iterable[Spent | None], told: Mapping[str, Any]) -> dict[str, Any]:
    """`time` of a point or of tasks: means in seconds of the whole and of its parts; empty without an ok request.

    `told` is the engine's own account (`server` of the summary). An engine that tells more than there was makes the
    rest negative: nothing is clipped.
    """
    whole = sum((one for one in steps if one is not None), Spent())
    if not whole.n:
        return {}
    written, first, last, end = (each / whole.n for each in whole.sums)
    phases = {name: float(told[name]) for name in PHASES if name in told}
    parts = {"sending_s": written, **phases, "unexplained_s": first - written - sum(phases.values())}
    parts |= {"decode_s": last - first, "ending_s": end - last}
    return {"time": {"n": whole.n, "whole_s": end, "parts": parts}}
