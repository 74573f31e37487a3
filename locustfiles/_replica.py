"""Who served a reply, as a header says that the service or its balancer adds. Foreign text: bounded and cleaned."""

from __future__ import annotations

from collections.abc import Mapping

LONGEST = 60  # characters of a name that a row keeps


def served_by(headers: Mapping[str, str], name: str | None) -> str | None:
    """The replica's name on one printable line; None where no header was asked for, or none has come."""
    text = headers.get(name.lower()) if name is not None else None
    if text is None:
        return None
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * LONGEST])
    return " ".join(printable.split())[:LONGEST] or None
