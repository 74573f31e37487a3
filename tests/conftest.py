"""What tests of several rooms ask for."""

from __future__ import annotations

from tests.end_to_end.disk import small_disk

__all__ = ["small_disk"]
