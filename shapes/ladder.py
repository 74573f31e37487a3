"""The ladder: 1 2 4 8 ... users, cell by cell, arm against arm: `locust -f locustfiles/chat.py,shapes/ladder.py`."""

from shapes._shape import PlannedShape


class Ladder(PlannedShape):
    """Climbs the scenario's rungs in each cell, block by block (DESIGN 4)."""
