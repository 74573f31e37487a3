"""A power that is assumed decides nothing: what has to hold with none of it, and with twice as much."""

from __future__ import annotations

import msgspec

from reports.cost_arm import Priced
from reports.cost_model import Model, month

replace = msgspec.structs.replace
FACTORS = (0.0, 1.0, 2.0)


def is_assumed(priced: Priced) -> bool:
    """Whether money of electricity rests on a power that was not measured."""
    found = month(priced.model)
    return found is not None and "electricity" in found.bill and bool(priced.figures["power"]["assumed"])


def powers(priced: Priced) -> list[Model]:
    """The arm as it is; where its power is assumed also without any, and with twice as much."""
    if not is_assumed(priced) or priced.model.watts is None:
        return [priced.model]
    return [replace(priced.model, watts=priced.model.watts * factor) for factor in FACTORS]
