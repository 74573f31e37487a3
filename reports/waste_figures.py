"""One category's figures, and the sum of an arm's: per request with an interval, a share, money, a month, examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from reports.stats import Interval
from reports.waste_spread import mean_of
from reports.waste_words import CATEGORIES
from scenarios.prices import ApiPrice

Values = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


class Looked(msgspec.Struct, frozen=True):
    """The requests that a group of categories was looked for in, one entry each."""

    prompts: Numbers
    blocks: Numbers
    input: Values  # tokens; NaN where nobody told
    cached: Values
    output: Values


class Found(msgspec.Struct, frozen=True):
    """One category: of each request its useless tokens of the input and of the output."""

    name: str
    input: Values
    output: Values
    hit: npt.NDArray[np.bool_]  # whether the category was found
    cached: Values | None = None  # of the input
    untold: int = 0  # requests of this category whose tokens nobody told
    examples: Sequence[str] = ()

    @property
    def tokens(self) -> Values:
        """Of input and output together."""
        return self.input + self.output


Group = tuple[Sequence[Found], Looked]  # categories that were looked for in the same requests


class Priced(msgspec.Struct, frozen=True):
    """What a token of an arm costs, where it has an API price, and how many requests like the tasks a month has."""

    price: ApiPrice | None
    traffic: float | None

    def money(self, found: Found) -> Values | None:
        """Of each request what its useless tokens cost; None without a price."""
        if self.price is None:
            return None
        cached = np.zeros(len(found.input)) if found.cached is None else found.cached
        each = [self.price.given(0, given, of) for given, of in zip(found.input, cached, strict=True)]
        return np.array(each) + found.output * self.price.made(1)


def category(found: Found, looked: Looked, priced: Priced) -> dict[str, Any]:
    """One entry of `categories`."""
    words = CATEGORIES[found.name]
    given, made = float(np.nansum(looked.input)), float(np.nansum(looked.output))
    whole = {"request": given + made, "input": given, "output": made}[words.level]
    tokens = float(found.tokens.sum())
    figure = {
        "name": found.name,
        "title": words.title,
        "level": words.level,
        "rule": words.rule,
        "requests": int(found.hit.sum()),
        "of": len(found.input),
        "tokens": tokens,
        "share": tokens / whole if whole else None,
        **_each(found.tokens, looked.prompts, "tokens"),
        "untold": found.untold or None,
        "examples": list(found.examples),
    }
    money = priced.money(found)
    if money is not None:
        figure |= _each(money, looked.prompts, "money")
        figure["money_per_month"] = figure["money_per_request"] * priced.traffic if priced.traffic else None
    return {name: value for name, value in figure.items() if value is not None}


def _each(values: Values, prompts: Numbers, what: str) -> dict[str, Any]:
    spread = mean_of(values, prompts)
    figure: dict[str, Any] = {f"{what}_per_request": spread.mean}
    if spread.low is not None and spread.high is not None:
        figure[f"{what}_ci"] = [max(spread.low, 0.0), spread.high]
    return figure


def total(groups: Sequence[Group], priced: Priced) -> dict[str, Any]:
    """The sum of all categories per request.

    Each group is looked for in requests of its own, so their errors add as squares.
    """
    tokens = _sum([mean_of(_all([one.tokens for one in found]), looked.prompts) for found, looked in groups])
    first = groups[0][1]
    used = float(np.nansum(first.input) + np.nansum(first.output)) / len(first.prompts)
    figure: dict[str, Any] = {"tokens_per_request": tokens.mean, "share": tokens.mean / used if used else None}
    if tokens.low is not None:
        figure["tokens_ci"] = [tokens.low, tokens.high]
    if priced.price is not None:
        money = _sum([mean_of(_all(_money(found, priced)), looked.prompts) for found, looked in groups])
        figure["money_per_request"] = money.mean
        figure["money_ci"] = None if money.low is None else [money.low, money.high]
        figure["money_per_month"] = money.mean * priced.traffic if priced.traffic else None
    return {name: value for name, value in figure.items() if value is not None}


def by_block(groups: Sequence[Group]) -> Mapping[int, float]:
    """Useless tokens of a request in each block that all groups looked at."""
    found: list[dict[int, float]] = []
    for of, looked in groups:
        every = _all([one.tokens for one in of])
        found.append({int(b): float(every[looked.blocks == b].mean()) for b in np.unique(looked.blocks)})
    shared = set.intersection(*(set(one) for one in found)) if found else set()
    return {block: math.fsum(one[block] for one in found) for block in sorted(shared)}


def _all(values: Sequence[Values]) -> Values:
    return np.asarray(np.sum(np.stack(values), axis=0), dtype=np.float64)


def _money(found: Sequence[Found], priced: Priced) -> list[Values]:
    return [money for one in found if (money := priced.money(one)) is not None]


def _sum(parts: Sequence[Interval]) -> Interval:
    mean = math.fsum(part.mean for part in parts)
    if any(part.high is None for part in parts):
        return Interval(mean, None, None)
    half = math.hypot(*((part.high or part.mean) - part.mean for part in parts))
    return Interval(mean, max(mean - half, 0.0), mean + half)
