"""Search: the highest load that meets the SLO, by probes: `locust -f locustfiles/chat.py,shapes/search.py`."""

from shapes._shape import PlannedShape


class Search(PlannedShape):
    """Probes one load after the other, each chosen by what the ones before it have shown (shapes._search)."""
