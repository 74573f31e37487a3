"""Sizes that differ from request to request: a distribution, a list of values, or what a data set holds. Pure.

"normal(480,240)", "lognormal(5.2,0.6)" (of the logarithm), "uniform(100,900)", [100, 200, 4000] (equal parts), "data".
Values below the least that is possible are cut off, not piled up: the distribution is that of the rest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from statistics import NormalDist
from typing import Any, Final, NamedTuple

LONGEST: Final = 10_000_000  # tokens
STEPS: Final = 32  # sizes of input that prompts are made for: quantiles in steps of 1/32
MIDPOINTS: Final = 4096  # of the mean
ACCEPTED: Final = (
    'a whole number from 1, "normal(MEAN,SD)", "lognormal(MU,SIGMA)", "uniform(LOW,HIGH)", "data", or a list of numbers'
)
WRITTEN = re.compile(r"(normal|lognormal|uniform|values)\s*\(([^()]*)\)", re.ASCII)
DATA: Final = "data"  # sizes, and prompts, are those of [data]


class Spread(NamedTuple):
    """A distribution of tokens."""

    kind: str
    parameters: tuple[float, ...]

    def size(self, share: float, least: int = 1) -> int:
        """Its quantile at a share in [0, 1), among the values from `least` on."""
        below = self._below(least)
        value = QUANTILES[self.kind](self.parameters, below + (1 - below) * share)
        return max(least, min(round(value), LONGEST))

    def sizes(self, least: int) -> tuple[int, ...]:
        """As many values as prompts are made for, each as likely: the middles of STEPS equal shares, ascending."""
        return tuple(self.size((step + 0.5) / STEPS, least) for step in range(STEPS))

    def mean(self, least: int = 1) -> float:
        """The mean of what is drawn."""
        return sum(self.size((step + 0.5) / MIDPOINTS, least) for step in range(MIDPOINTS)) / MIDPOINTS

    def _below(self, least: int) -> float:
        """The share of values that are less than the least possible one."""
        edge = least - 0.5  # what is rounded up to it is possible
        if self.kind == "values":
            return sum(value < edge for value in self.parameters) / len(self.parameters)
        if self.kind == "uniform":
            low, high = self.parameters
            return min(max((edge - low) / (high - low), 0.0), 1.0) if high > low else 0.0
        at = math.log(edge) if self.kind == "lognormal" else edge
        return NormalDist(*self.parameters).cdf(at)


def _of_values(values: tuple[float, ...], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _normal(parameters: tuple[float, ...], share: float) -> float:
    return NormalDist(*parameters).inv_cdf(min(max(share, 1e-12), 1 - 1e-12))


QUANTILES: Final[dict[str, Callable[[tuple[float, ...], float], float]]] = {
    "normal": _normal,
    "lognormal": lambda parameters, share: math.exp(min(_normal(parameters, share), 50.0)),
    "uniform": lambda parameters, share: parameters[0] + (parameters[1] - parameters[0]) * share,
    "values": _of_values,
}


@cache
def spread_of(text: str) -> Spread:
    """The distribution that a text names; raises ValueError with what is accepted."""
    match = WRITTEN.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"expected {ACCEPTED}")
    kind = match[1]
    try:
        parameters = tuple(float(part) for part in match[2].split(","))
    except ValueError:
        raise ValueError(f"{kind}(...) takes numbers: expected {ACCEPTED}") from None
    if not all(map(math.isfinite, parameters)) or (kind != "values" and len(parameters) != 2):
        raise ValueError(f"{kind} takes two finite numbers: expected {ACCEPTED}")
    why = _impossible(kind, parameters)
    if why:
        raise ValueError(why)
    return Spread(kind, parameters)


def size(value: Any) -> Any:
    """A size as a scenario holds it: a number as it stands, a distribution as its text, a list as "values(...)"."""
    if isinstance(value, list) and value and all(_is_number(one) for one in value):
        value = f"values({','.join(f'{one:g}' if one < 1e6 else str(int(one)) for one in value)})"
    if isinstance(value, str) and value != DATA:
        spread_of(value)
        return value
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LONGEST):
        return value
    raise ValueError(f"expected {ACCEPTED}")


def _impossible(kind: str, parameters: tuple[float, ...]) -> str:
    """Why no size can be drawn; empty when one can."""
    first, second = parameters[0], parameters[-1]
    if kind in ("normal", "lognormal") and second <= 0:
        return f"{kind}({first:g},{second:g}): the second number is a spread, above 0"
    if kind == "normal" and not 1 <= first <= LONGEST:
        return f"normal({first:g},{second:g}): the mean is from 1 to {LONGEST:,} tokens"
    if kind == "lognormal" and not 0 <= first <= math.log(LONGEST):
        return f"lognormal({first:g},{second:g}): the first number is the logarithm of the median, from 0 to 16.1"
    if kind == "uniform" and not 1 <= first <= second <= LONGEST:
        return f"uniform({first:g},{second:g}): expected 1 <= LOW <= HIGH <= {LONGEST:,}"
    if kind == "values" and not all(1 <= value <= LONGEST for value in parameters):
        return f"a list of sizes: each is from 1 to {LONGEST:,} tokens"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def mean_size(size: int | str, of_data: int) -> int:
    """Tokens of a size on average; `of_data`: what is expected of the data set."""
    if isinstance(size, int):
        return size
    return of_data if size == DATA else round(spread_of(size).mean())
