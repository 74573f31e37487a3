"""Soak: one load held for long, spikes and disturbances in it: `locust -f locustfiles/chat.py,shapes/soak.py`."""

from shapes._shape import PlannedShape


class Soak(PlannedShape):
    """Holds the scenario's load and tells how the service recovers from what was done to it (shapes._soak)."""
