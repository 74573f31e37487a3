"""The kinds of value a scenario is made of; what a type's Meta says in `reads` is how the file's value becomes it."""

from __future__ import annotations

from typing import Annotated

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, extra={"reads": "seconds"})]
Delay = Annotated[float, msgspec.Meta(ge=0, extra={"reads": "seconds"})]
Rate = Annotated[float, msgspec.Meta(gt=0, le=100_000)]
Rates = Annotated[tuple[Rate, ...], msgspec.Meta(extra={"reads": "rates"})]
Rungs = Annotated[tuple[Count, ...], msgspec.Meta(min_length=1, extra={"reads": "rungs"})]
Threshold = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Size = Annotated[int | str, msgspec.Meta(extra={"reads": "size"})]  # tokens: a number, or how they are drawn
Sizes = Annotated[dict[str, Size], msgspec.Meta(min_length=1)]


class Frozen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen struct that refuses unknown keys: the one ancestor of everything in a scenario."""
