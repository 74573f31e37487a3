"""How often the engines' and the GPUs' own metrics are read during a run."""

from __future__ import annotations

from typing import Annotated

import msgspec

from scenarios.kinds import Frozen


class Sampling(Frozen, frozen=True):
    """Readings per second of every address in an arm's `metrics` and `gpu`."""

    hz: Annotated[float, msgspec.Meta(ge=0.1, le=10)] = 2.0
