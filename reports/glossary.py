"""All definitions as one glossary, and which of its entries a printed name belongs to."""

from __future__ import annotations

import re

from reports.cost_definitions import COST_DEFINITIONS
from reports.definitions import DEFINITIONS, Definition
from reports.run_definitions import RUN_DEFINITIONS
from reports.table_definitions import TABLE_DEFINITIONS
from reports.unusual_definitions import UNUSUAL_DEFINITIONS

GLOSSARY: dict[str, Definition] = {
    **DEFINITIONS, **RUN_DEFINITIONS, **TABLE_DEFINITIONS, **UNUSUAL_DEFINITIONS, **COST_DEFINITIONS,
}  # fmt: skip
_ALSO = {  # names that are not their entry's own
    "arm": ("baseline", "candidate", "base"),
    "blocks": ("blocks",),
    "recovery": ("E2E after / before",),
    "rung": ("users",),
    "load": ("at load", "requests/s"),
    "requests": ("sent", "share of sent", "of"),
    "outcome": ("ok", "failed", "aborted"),
    "good": ("share of good requests", "bad"),
    "step": ("in step",),
    "bounds": ("at least", "at most"),
    "tokens": ("input tokens", "of the whole run"),
    "worker": ("users at most", "CPU", "longest stall", "clock ahead by", "on each worker", "most uneven step"),
    "life": ("visits", "after idle", "first request", "those after it", "times", "sampled every"),
    "knee": ("meets", "does not", "probe", "probes", "against the baseline"),
    "efficiency": ("load per replica",),
    "imbalance": ("replicas seen", "requests by replica", "without a name"),
    "fan_out": ("most", "told by"),
    "anomaly": ("the step's median", "modified z"),
    "score": ("weight", "compared"),
}
_KEYS = {definition.name.casefold(): key for key, definition in GLOSSARY.items()} | {
    name.casefold(): key for key, names in _ALSO.items() for name in names
}


_STATISTIC = re.compile(r" (mean|median|p\d+)$")


def key_of(title: str) -> str | None:
    """The entry of a head's or a caption's name, without statistic and unit ("TTFT mean, ms"); None for other words."""
    name = title.casefold()
    alone = name.partition(",")[0]
    return next((_KEYS[one] for one in (name, alone, _STATISTIC.sub("", alone)) if one in _KEYS), None)
