"""What if a price, the traffic, the use of a replica or the length of replies were otherwise; and what would flip.

Everything is recomputed by `cost_model.month` from the same measurements. Longer replies are assumed to take TTFT and
TPOT as measured; the capacity is what the run's is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np

from reports.cost_arm import Priced
from reports.cost_model import Assumed, Model, month
from scenarios.prices import Cost

FACTORS = {"gpu_price": (0.5, 2.0), "traffic": (0.5, 2.0, 10.0), "output": (0.5, 2.0)}
HEADROOMS = (0.5, 0.9)  # how far a replica is used
FURTHEST, TRIES = 10.0, 240  # factors that are tried, on either side
Holds = Callable[[Assumed], bool | None]


def what_if(arms: Mapping[str, Priced]) -> list[dict[str, Any]]:
    """The bill of each arm that has one, as it is and under each assumption."""
    models = _whole(arms)
    if not models:
        return []
    rented = any(model.served for model in models.values())
    rows: list[tuple[str, float, Assumed]] = [("as stated", 1.0, Assumed())]
    for name, factors in FACTORS.items():
        if name != "gpu_price" or rented:
            rows += [(name, factor, Assumed(**{name: factor})) for factor in factors]
    rows += [("headroom", share, Assumed(headroom=share)) for share in HEADROOMS if rented]
    return [{"assumption": name, "value": value, **_months(models, what)} for name, value, what in rows]


def _whole(arms: Mapping[str, Priced]) -> dict[str, Model]:
    return {arm: priced.model for arm, priced in arms.items() if priced.whole}


def _months(models: Mapping[str, Model], what: Assumed) -> dict[str, Any]:
    found = {arm: one for arm, model in models.items() if (one := month(model, what)) is not None}
    return {
        "bill": {arm: one.total for arm, one in found.items()},
        "judged": {arm: one.judged_total for arm, one in found.items()},
    }


def sensitivity(arms: Mapping[str, Priced], baseline: str, cost: Cost | None) -> list[dict[str, Any]]:
    """For each limit and each comparison the nearest factor on an assumption that would flip it; null: none up to 10.

    On what the run estimates, not on the ends of its intervals.
    """
    models = _whole(arms)
    return [
        {"arm": arm, "question": question, "holds": bool(holds(Assumed())), "flips": _flips(model, holds)}
        for arm, model in models.items()
        for question, holds in _questions(model, models.get(baseline), cost)
    ]


def _questions(model: Model, other: Model | None, cost: Cost | None) -> Iterator[tuple[str, Holds]]:
    """What is claimed of an arm, as a function of the assumptions."""
    limit = cost.max_monthly_cost if cost else None
    if limit is not None:
        yield "max_monthly_cost", lambda what: _below(model, what, limit)
    if other is None or other.arm == model.arm:
        return
    yield "cheaper than the baseline", lambda what: _dearer(model, other, what, 0.0)
    allowed = cost.max_cost_increase if cost else None
    if allowed is not None:
        yield "max_cost_increase", lambda what: _dearer(model, other, what, allowed)


def _below(model: Model, what: Assumed, limit: float) -> bool | None:
    found = month(model, what)
    return None if found is None else found.total <= limit


def _dearer(model: Model, other: Model, what: Assumed, by: float) -> bool | None:
    """Whether the arm costs at most so much more than the other."""
    ours, theirs = month(model, what), month(other, what)
    return None if ours is None or theirs is None else ours.judged_total <= theirs.judged_total * (1 + by)


def _flips(model: Model, holds: Holds) -> dict[str, float | None]:
    """By assumption, the factor nearest to 1 with which the answer is another one."""
    names = ["traffic", "output", *(["gpu_price", "headroom"] if model.served else [])]
    stated = month(model)
    names += ["power"] if stated is not None and "electricity" in stated.bill else []
    return {name: _flip(model, name, holds) for name in names}


def _flip(model: Model, name: str, holds: Holds) -> float | None:
    stated = holds(Assumed())
    for factor in np.geomspace(1, FURTHEST, TRIES)[1:].tolist():
        for one in (float(factor), 1 / float(factor)):
            what = _assumed(model, name, one)
            if what is not None and (found := holds(what)) is not None and found != stated:
                return one
    return None


def _assumed(model: Model, name: str, factor: float) -> Assumed | None:
    """The assumption with this factor; a replica cannot be used beyond all of it."""
    if name != "headroom":
        return msgspec.structs.replace(Assumed(), **{name: factor})
    gpu = model.prices.gpu
    return Assumed(headroom=gpu.headroom * factor) if gpu is not None and gpu.headroom * factor <= 1 else None
