"""KV memory of an engine at two of its levels: allocated (blocks in use) and live (tokens held), METRICS cost step 3.

Internal fragmentation = 1 - live / allocated, over the samples of a step's window. live = sum over the requests that
are past their first token of (prompt + generated so far): prompts from usage, generation on a line from the first to
the last token. It is printed only where nothing else may hold blocks; beside it the bound that paging implies,
sum(ceil(L / b) b - L) / sum(ceil(L / b) b) for blocks of b tokens. A slot engine (llama.cpp) allocates its whole pool,
slots x context; a slot is one block of b = context tokens, so its bound is the waste in busy slots alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

Values = npt.NDArray[np.float64]
COLUMNS = ("step", "sent_ns", "ttft_s", "e2e_s", "end_s", "input_tokens", "output_tokens")
ENOUGH, PREFIX_SHARE, FOREIGN = 10, 0.01, 0.5  # samples; of queries; requests that are not ours


class Held(msgspec.Struct):
    """What our requests held at the times of a step's samples, filled piece by piece."""

    at_ns: Values
    block: float
    live: Values  # tokens
    paged: Values  # tokens of the blocks that these take
    flying: Values  # requests sent and not ended

    @classmethod
    def at(cls, at_ns: Values, block: float) -> Held:
        """Nothing yet."""
        return cls(at_ns, block, *(np.zeros(len(at_ns)) for _ in range(3)))

    def add(self, rows: Mapping[str, Values]) -> None:
        """Some more requests of the step's arm."""
        sent, given, made = rows["sent_ns"], rows["input_tokens"], np.nan_to_num(rows["output_tokens"])
        first, last = sent + rows["ttft_s"] * 1e9, sent + rows["e2e_s"] * 1e9
        ended = np.where(np.isnan(rows["end_s"]), last, sent + rows["end_s"] * 1e9)
        for i, now in enumerate(self.at_ns):
            self.flying[i] += np.count_nonzero((sent <= now) & (now < ended))
            held = (first <= now) & (now < last)
            lengths = given[held] + made[held] * (now - first[held]) / np.maximum(last[held] - first[held], 1.0)
            self.live[i] += lengths.sum()
            self.paged[i] += (np.ceil(lengths / self.block) * self.block).sum()


def held_by_step(tables: Iterable[pa.Table], wanted: Mapping[str, Held]) -> None:
    """Fill what each of the wanted steps' requests held."""
    for table in tables:
        frame = table.to_pandas()
        for step, rows in frame[frame["step"].isin(list(wanted))].groupby("step"):
            columns = {name: rows[name].to_numpy(dtype=float) for name in COLUMNS if name != "step"}
            wanted[str(step)].add(columns)


def allocated_share(samples: pd.DataFrame) -> pd.Series:
    """Allocated / pool: what the engine tells of its blocks; all of it where slots are allocated whole."""
    return samples["kv_used_share"].where(samples["slots"].isna(), 1.0)


def measurable(engines: list[pd.DataFrame], figures: Mapping[str, Any], untold: str = "") -> str | None:
    """Why fragmentation cannot be measured in a window; None when it can. `untold`: why the pool is not known."""
    if len(engines) != 1:
        return f"{len(engines)} engines were sampled: which request is on which is not known"
    samples = engines[0]
    if samples["pool_tokens"].isna().all() or allocated_share(samples).isna().all():
        return "the engine does not tell its pool of KV blocks" + (f": {untold}" if untold else "")
    if figures.get("preemptions", 0.0) > 0:
        return "requests were preempted"
    calm = len(quiet(samples))
    if calm < ENOUGH:
        return f"{calm} samples in which nothing waited, {ENOUGH} are needed: raise [sampling] hz or lower the rung"
    if figures.get("prefix_hit_share", 0.0) >= PREFIX_SHARE:
        return f"{figures['prefix_hit_share']:.0%} of the prefix queries hit: blocks are shared"
    return None


def quiet(samples: pd.DataFrame) -> pd.DataFrame:
    """The samples of times at which no request waited: a waiting one may hold blocks before its first token."""
    return samples[samples["waiting"].fillna(0.0) == 0]


def fragmentation(samples: pd.DataFrame, held: Held) -> dict[str, Any]:
    """kv_live_share (of the pool), kv_fragmentation and kv_paging_bound of one window; or why there are none."""
    allocated = (allocated_share(samples) * samples["pool_tokens"]).to_numpy(dtype=float)
    foreign = samples["running"].to_numpy(dtype=float) - held.flying
    if np.nanmean(foreign) > FOREIGN:
        return {"kv_not_measurable": "the engine served others' requests, too"}
    if not allocated.sum() or not held.paged.sum():
        return {"kv_not_measurable": "nothing was held at the times of the samples"}
    return {
        "kv_live_share": float(held.live.sum() / samples["pool_tokens"].sum()),
        "kv_fragmentation": float(1 - held.live.sum() / allocated.sum()),
        "kv_paging_bound": float(1 - held.live.sum() / held.paged.sum()),
    }
