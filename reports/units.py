"""How numbers and foreign text are written: the only place in the suite that turns a value into characters.

A number carries as many digits as its uncertainty allows: an uncertain digit is not information. Without a known
uncertainty it carries three. What was not measured is written as an en dash, never as 0 or NaN.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

ABSENT = "–"
BEYOND = "> timeout"  # a quantile that falls among requests that failed: they count as infinitely slow (METRICS)
MINUS = "−"

_UNIT = re.compile(r"(\d) (%|µs|ms|s|min|h|d)(?!\w)")
_STEPS = (("µs", 1e-6), ("ms", 1e-3), ("s", 1.0))
_LONGER = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def decimals(value: float, uncertainty: float | None = None, digits: int = 3) -> int:
    """Decimal places worth printing: down to the first digit of the uncertainty (second, if the first is 1)."""
    if uncertainty and math.isfinite(uncertainty):
        place = math.floor(math.log10(uncertainty))
        leading_one = uncertainty / 10.0**place < 2
        return max(0, -place + (1 if leading_one else 0))
    if value == 0:
        return 0
    exponent = int(f"{value:.{digits - 1}e}".split("e")[1])  # of the rounded value: 0.9999 is written 1.00
    return max(0, digits - 1 - exponent)


def number(value: float | None, uncertainty: float | None = None, digits: int = 3) -> str:
    """A number with the digits it deserves, thousands separated by commas: "1,240", "50.05", "–"."""
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{value:,.{min(decimals(value, uncertainty, digits), 6)}f}"
    return text.replace("-", MINUS) if text.strip("-0.,") else text.lstrip("-")


@dataclass(frozen=True, slots=True)
class Scale:
    """One unit of time for a whole column or axis, so that its digits line up; `seconds` is what one unit lasts."""

    unit: str
    seconds: float

    def bare(self, value: float | None, uncertainty: float | None = None) -> str:
        """The duration (seconds) as a number in this unit, without the unit."""
        if value is None:
            return ABSENT
        scaled = None if uncertainty is None else uncertainty / self.seconds
        return number(value / self.seconds, scaled)


def duration_scale(values: Iterable[float | None]) -> Scale:
    """The unit that suits these durations (seconds), judged by their geometric mean; ms when there are none."""
    logs = [math.log(v) for v in values if v is not None and 0 < v < math.inf]
    typical = math.exp(sum(logs) / len(logs)) if logs else 0.1
    return Scale(*_STEPS[0 if typical < 0.9995e-3 else 1 if typical < 0.9995 else 2])


def duration(seconds: float | None, uncertainty: float | None = None) -> str:
    """A duration with its own unit: "340 µs", "52.3 ms", "1.24 s"."""
    if seconds is None or not math.isfinite(seconds):
        return ABSENT
    if seconds == 0:
        return "0 s"
    scale = duration_scale([abs(seconds)])
    return f"{scale.bare(seconds, uncertainty)} {scale.unit}"


def span(seconds: float | None) -> str:
    """A long time in its two largest units: "45 s", "12 min", "2 h 24 min"."""
    if seconds is None or not math.isfinite(seconds):
        return ABSENT
    left = round(seconds)
    parts: list[str] = []
    for unit, size in _LONGER:
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts) or "0 s"


def count(value: float | None) -> str:
    """A count: "12,300"; a fractional count keeps three digits."""
    if value is None:
        return ABSENT
    return f"{value:,.0f}" if float(value).is_integer() else number(value)


def rate(per_second: float | None, what: str = "") -> str:
    """A rate: "1,240 tok/s" for `what` = "tok"; "3.1 /s" without a word."""
    return ABSENT if per_second is None else f"{number(per_second)} {what}/s"


def in_unit(metric: str, value: float) -> str:
    """A value of a compared metric: all are durations but the rate of good requests."""
    return rate(value, "req") if metric.endswith("_per_s") else duration(value)


def share(fraction: float | None, places: int = 1) -> str:
    """A share in per cent; only all is written 100 % and only none is written 0 %."""
    if fraction is None or math.isnan(fraction):
        return ABSENT
    if fraction in (0, 1):
        return f"{fraction * 100:.0f} %"
    smallest = 10.0**-places
    if fraction > 0 and fraction * 100 < smallest:
        return f"< {smallest:.{places}f} %"
    if fraction < 1 and 100 - fraction * 100 < smallest:
        return f"> {100 - smallest:.{places}f} %"
    return f"{fraction * 100:.{places}f} %"


def change(ratio: float | None, interval: tuple[float, float] | None = None) -> str:
    """A ratio as a change: 1.042 is "+4.2 %"; from a factor of 3 on it is "×3.4"."""
    if ratio is None or not math.isfinite(ratio):
        return ABSENT
    if ratio >= 3:
        return f"×{number(ratio, digits=2)}"
    return f"{_signed(ratio, _places(interval))} %"


def change_interval(low: float | None, high: float | None) -> str:
    """An interval of ratios as changes: "−0.5 to +2.9 %"."""
    if low is None or high is None or not math.isfinite(low) or not math.isfinite(high):
        return ABSENT
    if high >= 3:
        return f"×{number(low, digits=2)} to ×{number(high, digits=2)}"
    places = _places((low, high))
    return f"{_signed(low, places)} to {_signed(high, places)} %"


def _places(interval: tuple[float, float] | None) -> int:
    """Decimals of a change in per cent: one, none when the interval is wider than 20 points, two when under 0.2."""
    if interval is None:
        return 1
    width = abs(interval[1] - interval[0]) * 100
    return 0 if width >= 20 else 2 if width < 0.2 else 1


def _signed(ratio: float, places: int) -> str:
    text = f"{(ratio - 1) * 100:+.{places}f}"
    return text[1:] if not text.strip("+-0.") else text.replace("-", MINUS)


def money(value: float | None, currency: str = "") -> str:
    """Money: cents from one unit on, thousands separated; below that three digits. The currency is foreign text."""
    if value is None or not math.isfinite(value):
        return ABSENT
    small = 0 < abs(value) < 0.995
    text = number(value) if small else f"{value:,.2f}".replace("-", MINUS)
    return f"{text} {plain(currency, 12)}".strip()


def plain(text: object, limit: int = 300) -> str:
    """Foreign text made safe to print anywhere: one line, no control or bidirectional characters, bounded."""
    kept = "".join(" " if c.isspace() else c for c in str(text)[: 4 * limit] if _printable(c))
    line = " ".join(kept.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def gist(reason: str) -> str:
    """What a reason says before its figures (": ...") and its advice ("; ...")."""
    return reason.partition(";")[0].partition(":")[0]


def kind(reason: str) -> str:
    """What reasons that differ in their numbers alone have in common."""
    return re.sub(r"[-+]?\d[\d.,]*", "N", gist(reason))


def held(text: str) -> str:
    """The text with its units held to their numbers by no-break spaces, so that no line ends between them."""
    return _UNIT.sub("\\1\u00a0\\2", text)


def _printable(character: str) -> bool:
    # Cc, Cf hold terminal escapes and direction overrides; Co, Cs and Cn have no agreed look
    return character.isspace() or unicodedata.category(character) not in {"Cc", "Cf", "Co", "Cs", "Cn"}
