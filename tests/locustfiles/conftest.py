"""The servers of this room's tests are modules beside them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from wire_servers import serve, trust

__all__ = ["serve", "trust"]
