"""Why a value is there or is not: the exporter's own state, as series beside the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exporters.exposition import Field, Reading, labels
from exporters.gpu_roster import READY, Roster
from exporters.gpu_tier import Tier
from exporters.gpu_xid import Xids

STALLS_AFTER_S = 1.0

UNLISTED = Field("tokenswarm_gpu_unlisted", "gauge", "1 for a GPU that does not tell who it is.")
NVML_UP = Field("tokenswarm_gpu_nvml_up", "gauge", "Whether NVML is open.")
NVML_STATE = Field("tokenswarm_gpu_nvml_state", "gauge", "1 for what NVML is now: ready, or why it is not open.")
LISTED = Field("tokenswarm_gpu_listed", "gauge", "GPUs that answer NVML, MIG slices not counted.")
UP = Field("tokenswarm_gpu_up", "gauge", "Whether the fast tier has a fresh reading of this GPU.")
ERRORS = Field("tokenswarm_gpu_read_errors_total", "counter", "Calls that failed, by reason.")
ABSENT_CALL = Field("tokenswarm_gpu_read_absent", "gauge", "1 for a call that this GPU or driver does not answer.")
AGE = Field("tokenswarm_gpu_tier_age_seconds", "gauge", "Time since the tier had read all GPUs.")
SWEEP = Field("tokenswarm_gpu_tier_sweep_seconds", "gauge", "How long the tier's last round over all GPUs took.")
SWEEPS = Field("tokenswarm_gpu_tier_sweeps_total", "counter", "Rounds over all GPUs.")
MISSED = Field("tokenswarm_gpu_tier_missed_total", "counter", "Rounds left out because one took too long.")
STALLED = Field(
    "tokenswarm_gpu_call_stalled_seconds", "gauge", "How long a call of NVML has not returned (beyond 1 s)."
)
XID_STATE = Field("tokenswarm_gpu_xid_state", "gauge", "1 for what watching XID events is now: ready, or why not.")


def nvml_health(roster: Roster, xids: Xids) -> Iterator[Reading]:
    """Whether NVML is open, or why it is not, and how many GPUs it lists."""
    yield NVML_UP, "", int(roster.state == READY)
    yield NVML_STATE, labels(state=roster.state), 1
    yield XID_STATE, labels(state=xids.state), 1
    if roster.state == READY:
        yield LISTED, "", sum(1 for gpu in roster.gpus if not gpu.is_slice and gpu.handle is not None)
    for index, reason in roster.unlisted.items():
        yield UNLISTED, labels(gpu=str(index), reason=reason), 1


def gpu_health(roster: Roster, tiers: Sequence[Tier], now: float) -> Iterator[Reading]:
    """Which GPUs are read, which calls failed, which they do not answer."""
    fast = next(tier for tier in tiers if tier.name == "fast")
    for gpu in roster.gpus:
        taken = fast.latest.get(gpu.key)
        yield UP, gpu.labels, int(taken is not None and now - taken.at <= fast.stale_s)
    here = {gpu.labels for gpu in roster.gpus}
    for tier in tiers:
        for (gpu_labels, call, reason), count in list(tier.errors.items()):
            if gpu_labels in here:
                yield ERRORS, f"{gpu_labels},{labels(tier=tier.name, call=call, reason=reason)}", count
        for (gpu_labels, call), reason in tier.absent.items():
            if gpu_labels in here:
                yield ABSENT_CALL, f"{gpu_labels},{labels(tier=tier.name, call=call, reason=reason)}", 1


def tier_health(tiers: Sequence[Tier], now: float) -> Iterator[Reading]:
    """How old each tier is, what its rounds take, and the call that holds it up."""
    for tier in tiers:
        named = labels(tier=tier.name)
        yield SWEEPS, named, tier.sweeps
        yield MISSED, named, tier.missed
        if tier.swept_at is not None:
            yield AGE, named, now - tier.swept_at
            yield SWEEP, named, tier.sweep_s
        call = tier.calling
        if call is not None and now - call.since > STALLS_AFTER_S:
            yield STALLED, f"{call.gpu.labels},{named},{labels(call=call.name)}", now - call.since
