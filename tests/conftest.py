"""What tests of several rooms ask for, and which of them run alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.busy import pytest_runtest_protocol, pytest_runtest_teardown, pytest_terminal_summary
from tests.end_to_end.disk import small_disk, tiny_disk

__all__ = ["pytest_runtest_protocol", "pytest_runtest_teardown", "pytest_terminal_summary", "small_disk", "tiny_disk"]

TESTS = Path(__file__).parent
# They start processes, or compare times: beside others on the same cores they would measure those.
ALONE = (
    "end_to_end", "test_readme.py", "simulator/test_scripted.py", "simulator/test_server.py", "simulator/test_slots.py",
    "simulator/test_process.py", "simulator/test_around.py", "simulator/test_faults.py", "locustfiles/test_texts.py",
    "locustfiles/test_wire_connect.py", "locustfiles/test_wire_hostile.py", "locustfiles/test_wire_tls.py",
    "locustfiles/test_said.py", "shapes/test_switch.py", "shapes/test_disturb.py", "shapes/test_locust_facts.py",
    "shapes/test_crew.py", "exporters/test_gpu.py", "exporters/test_gpu_simulated.py", "exporters/test_sampler.py",
    "exporters/test_push.py", "reports/test_browser.py", "helm/test_commands.py",
)  # fmt: skip

settings.register_profile("shared cores", deadline=None)  # how long an example takes says what else runs here
settings.load_profile("shared cores")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark those that run alone: `make test` runs the others first, on all cores."""
    for item in items:
        if any(item.path == TESTS / place or TESTS / place in item.path.parents for place in ALONE):
            item.add_marker("alone")
