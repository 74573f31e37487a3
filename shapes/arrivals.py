"""Arrivals: 1 2 4 8 ... requests per second by schedule: `locust -f locustfiles/chat.py,shapes/arrivals.py`."""

from shapes._shape import PlannedShape


class Arrivals(PlannedShape):
    """Climbs the scenario's rates in each cell, block by block, whatever the service does (DESIGN 4)."""
