"""Facts about Locust that the swarm rests on: an upgrade that changes one of them fails here, with what to do.

Their numbers are those of the appendix of docs/DESIGN.md, which says what follows from each.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

FACTS = """
import inspect, json, time
import gevent, locust
from locust import LoadTestShape, User, argument_parser, runners, task
from locust.env import Environment
from locust.user.task import LOCUST_STATE_WAITING
from locustfiles._enlist import quiet_spawns

facts = {}

began = time.perf_counter()
for _ in range(5):
    argument_parser.default_args_dict()
facts["default_args_s"] = (time.perf_counter() - began) / 5
quiet_spawns()
argument_parser.default_args_dict()
began = time.perf_counter()
for _ in range(100):
    argument_parser.default_args_dict()
facts["quiet_args_s"] = (time.perf_counter() - began) / 100
facts["asked_by_workers"] = "argument_parser.default_args_dict()" in inspect.getsource(runners.WorkerRunner)


class Parked(User):
    seen = []

    def wait_time(self):
        Parked.seen.append(self._state)
        gevent.sleep(60)
        return 0

    @task
    def nothing(self):
        pass


environment = Environment(user_classes=[Parked])
runner = environment.create_local_runner()
environment.stop_timeout = 30
runner.start(4, spawn_rate=4)
gevent.sleep(0.2)
facts["users"] = runner.user_count
facts["state_in_wait_time"] = Parked.seen[0] == LOCUST_STATE_WAITING
began = time.perf_counter()
runner.start(0, spawn_rate=4)
while runner.user_count:
    gevent.sleep(0.005)
facts["stopped_in_s"] = time.perf_counter() - began

heard = []
runner.register_message("question", lambda environment, msg: heard.append((msg.node_id, msg.data)))
runner.send_message("question", {"a": 1})
facts["heard"] = heard
print(json.dumps(facts))
"""


@cache
def facts() -> dict:
    done = subprocess.run([sys.executable, "-c", FACTS], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def test_the_runner_does_what_the_swarm_needs() -> None:
    """Facts 11, 12: wait_time runs while Locust may end the user, a stop ends who waits at once, messages are local."""
    seen = facts()

    assert seen["users"] == 4
    assert seen["state_in_wait_time"] is True
    assert seen["stopped_in_s"] < 2
    assert seen["heard"] == [["local", {"a": 1}]]


def test_spawn_messages_still_stall_workers_upstream() -> None:
    """Fact 2: it builds its parser anew in default_args_dict; when this fails, upstream is fixed: drop quiet_spawns."""
    assert facts()["default_args_s"] > 0.0002


def test_our_workers_do_not_stall_at_a_spawn_message() -> None:
    """What a worker asks for once per option costs nothing after the first time, and it is ours that it asks."""
    assert facts()["asked_by_workers"]
    assert facts()["quiet_args_s"] < 0.00002


def test_headless_shapes_still_quit_by_themselves() -> None:
    """Facts 1, 13: a tick of None quits a headless run, SIGTERM is taken after it: PlannedShape rests on both."""
    package = Path(importlib.util.find_spec("locust").origin).parent
    worker = (package / "runners.py").read_text(encoding="utf-8").split("def shape_worker")[1].split("    def ")[0]
    main = (package / "main.py").read_text(encoding="utf-8").split("def main()")[1]

    assert "self.quit()" in worker
    assert main.index("        start_automatic_run()") < main.index("gevent.signal_handler(signal.SIGTERM")
