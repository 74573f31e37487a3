"""What a process beside a master says: lines of JSON on stdout, each whole, whichever thread says it."""

from __future__ import annotations

import json
import threading
from typing import Any

_TELLING = threading.Lock()


def tell(message: dict[str, Any]) -> None:
    """Say it; nothing when whom it is for is gone."""
    with _TELLING:  # print writes the line's end apart from the line
        try:
            print(json.dumps(message), flush=True)  # noqa: T201 (the master reads it)
        except BrokenPipeError:
            pass
