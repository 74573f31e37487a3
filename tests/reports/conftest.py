"""Makes the room's hand-made summaries importable: importlib mode leaves a test's folder off the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
