"""What goes wrong on purpose: by share of the requests, or asked for by one request. Pure."""

from __future__ import annotations

import random

import msgspec

HEADER = b"x-simulator-fault"
FAULTS = {
    "429": "rate limited, with Retry-After",
    "500": "internal error",
    "stall": "stop in the middle of the reply, for ever or for --stall-s",
    "reset": "reset the connection in the middle of the reply",
    "malformed": "an event (or a reply) that is no JSON",
    "stream-error": "an error object in the stream, under 200",
    "empty": "a reply without a token",
    "slow-start": "begin --slow-start-s late",
}


class Fault(msgspec.Struct, frozen=True):
    """One fault; `seconds` is the length of a stall (None: for ever) or of a slow start."""

    name: str
    seconds: float | None = None


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the requests that go wrong, by name; the first `after` requests are spared."""

    shares: dict[str, float] = {}
    after: int = 0
    stall_s: float | None = None
    slow_start_s: float = 2.0

    def __post_init__(self) -> None:
        wrong = [f"{name} = {share}" for name, share in self.shares.items() if not 0 <= share <= 1]
        if wrong or sum(self.shares.values()) > 1 + 1e-9:
            raise ValueError(f"shares of faults are 0 to 1, and 1 at most together: {', '.join(wrong) or self.shares}")

    def named(self, name: str) -> Fault:
        """This fault, as long as the options say; ValueError names what is accepted."""
        if name not in FAULTS:
            raise ValueError(f"fault {name!r} is unknown: {', '.join(FAULTS)} are accepted")
        return Fault(name, {"stall": self.stall_s, "slow-start": self.slow_start_s}.get(name))

    def parsed(self, text: str) -> Fault:
        """`name` or `name=seconds`; ValueError for anything else."""
        name, given, seconds = text.strip().partition("=")
        fault = self.named(name)
        if not given:
            return fault
        length = float(seconds)
        if not 0 <= length < 86_400:
            raise ValueError(f"fault {name!r} for {seconds} s: 0 to 86400 is accepted")
        return Fault(name, length)


class Draw:
    """Which requests go wrong: a seeded draw for each."""

    def __init__(self, faults: Faults, random_: random.Random) -> None:
        self._faults, self._random, self._seen = faults, random_, 0

    def next(self) -> Fault | None:
        """What goes wrong with the next request, if anything."""
        self._seen += 1
        if self._seen <= self._faults.after:
            return None
        draw = self._random.random()
        for name, share in self._faults.shares.items():
            draw -= share
            if draw < 0:
                return self._faults.named(name)
        return None


def split_model(model: str, faults: Faults) -> tuple[str, Fault | None]:
    """A model name without its fault: "llama+stall=2" asks llama for a stall. Other plus signs are the name's own."""
    name, plus, suffix = model.rpartition("+")
    if plus and suffix.partition("=")[0] in FAULTS:
        return name, faults.parsed(suffix)
    return model, None
