"""What a run needs to know of the services under test; the shapes' room does not import the locustfiles' room."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from exporters.sample import Sample
from scenarios.scenario import Arm, Scenario

BringUp = Callable[[Iterable[str]], float]


class Unusable(Exception):  # noqa: N818 (a configuration that cannot run; the text is one clear line)
    """The run cannot begin: exit code 2."""


class Checked(Protocol):
    """What `locustfiles._check.check` returns (the shapes' room does not import the locustfiles' room)."""

    @property
    def findings(self) -> list[Any]:
        """Structs with name, arm, status and text."""

    @property
    def samples(self) -> list[Sample]:
        """Rows of the requests that were sent for them."""

    @property
    def servers(self) -> dict[str, dict[str, str]]:
        """Who each arm's server says it is."""


class Services(Protocol):
    """What the locustfiles' room knows of the services under test (the shapes' room does not import it)."""

    def check(self, scenario: Scenario, bring_up: BringUp) -> Checked:
        """Ask every arm a few short requests."""

    def is_ready(self, arm: Arm) -> bool:
        """Whether the arm's `ready` URL answers."""

    def texts(self, scenario: Scenario) -> dict[str, Any]:
        """What every worker needs of the run's texts; ValueError, LookupError or OSError when it cannot be had."""
