"""Manual: ramps by hand, each level a rung of its own: `locust -f locustfiles/chat.py,shapes/manual.py`."""

from scenarios.scenario import Scenario
from shapes._plan import Plan
from shapes._shape import PlannedShape
from shapes._steering import manual_plan


class Manual(PlannedShape):
    """Holds as many users as Locust's own box asks for, until it asks for others (shapes._steering)."""

    use_common_options = True

    def plan(self, scenario: Scenario) -> Plan:
        """The plan's cell, at levels that are not known yet."""
        return manual_plan(scenario)
