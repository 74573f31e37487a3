"""The crew against a real master and real workers of Locust, in one process: who is there, and how many users run."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

START = """
import json, sys
import gevent, locust
from types import SimpleNamespace
from locust import User, task
from locust.env import Environment
sys.path.insert(0, ".")
from exporters.fleet import Order, Outbox
from shapes._crew import Crew, REPAIR_EVERY_S

class Slow(User):
    @task
    def work(self):
        gevent.sleep(LONG)

LONG = 1.5
master = Environment(user_classes=[Slow])
master.parsed_options = SimpleNamespace(expect_workers=2, enable_rebalancing=False, headless=True)
master.create_master_runner("127.0.0.1", 0 or PORT)
crew = Crew(master)

class Member:
    def __init__(self):
        self.environment = Environment(user_classes=[Slow])
        self.runner = self.environment.create_worker_runner("127.0.0.1", PORT)
        self.outbox = Outbox(self.runner, self.runner.client_id)
        self.orders = []
        self.runner.register_message("tokenswarm_order", self.on_order)
        self.outbox.hello()

    def on_order(self, environment, msg):
        self.orders.append((msg.data["phase"], msg.data["seq"]))
        if msg.data["phase"] == "prepare":
            self.outbox.begin(msg.data["run"]["id"])
        self.outbox.answer(Order(seq=msg.data["seq"], phase=msg.data["phase"]), {"wall_s": 0.0})

found = {}
members = [Member(), Member()]
found["mustered"] = crew.muster(10)
"""

UNDERSHOOT = """
master.stop_timeout = 30
runner = master.runner
runner.start(8, spawn_rate=8)
gevent.sleep(0.3)
runner.start(2, spawn_rate=8)  # six of them finish their work, and are still counted
runner.start(8, spawn_rate=8)
gevent.sleep(LONG + 1.0)
found["left_alone"] = runner.user_count
found["repaired"] = crew.users(8)
found["users"] = runner.user_count
found["firsts"] = sorted(crew.firsts().values())
print(json.dumps(found))
"""

LATE = """
crew.begin({"id": "r1"}, lambda delta: None)
found["prepared"] = crew.wait(crew.answered, 5)
found["complete"] = crew.complete()
crew.command("idle")
late = Member()
found["waits"] = crew.complete()
found["joined"] = crew.wait(lambda: len(crew.workers()) == 3, 5)
found["told"] = [phase for phase, _ in late.orders[:2]]
found["changes"] = [change.what for change in crew.changes]
clocks = crew.clocks(tries=2)
found["clocks"] = len(clocks), all(clock["error_s"] < 0.5 for clock in clocks.values())
late.runner.client.send(__import__("locust.rpc").rpc.Message("quit", None, late.runner.client_id))
found["left"] = crew.wait(lambda: len(crew.workers()) == 2, 5)
found["changes"] += [change.what for change in crew.changes[1:]]
print(json.dumps(found))
"""


SILENT = """
locust.runners.HEARTBEAT_INTERVAL = 0.05
for runner in [member.runner for member in members]:
    send = runner.client.send
    runner.client.send = lambda message, send=send: None if message.type == "heartbeat" else send(message)
crew.begin({"id": "r1"}, lambda delta: None)
gevent.sleep(0.8)
found["preparing"] = len(crew.present())
crew.command("idle")
gevent.sleep(0.8)
found["measuring"] = len(crew.present())
print(json.dumps(found))
"""


TOLD_TWICE = """
from locustfiles._swarm import Swarm
local = Environment(user_classes=[Slow])
local.create_local_runner()
swarm = Swarm(local)
found["built"], found["answered"] = [], []
local.runner.register_message("tokenswarm_answer", lambda environment, msg: found["answered"].append(msg.data["seq"]))

def build(run):
    found["built"].append(run["id"])
    gevent.sleep(0.2)
    swarm.outbox.begin(run["id"])

swarm._build_run = build
for seq in (0, 7, 0):
    swarm.on_order(local, SimpleNamespace(data={"seq": seq, "phase": "prepare", "run": {"id": "r1"}}))
    gevent.sleep(0.05)
gevent.sleep(0.5)
print(json.dumps(found))
"""


def lead(story: str) -> dict:
    """What a story finds, in a process of its own."""
    free = "import socket\nwith socket.create_server(('127.0.0.1', 0)) as s: PORT = s.getsockname()[1]\n"
    done = subprocess.run(
        [sys.executable, "-c", free + START + story], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_users_that_never_came_back_to_target_are_sent_for_again() -> None:
    """Locust counts users that are stopping as running and leaves the next level short; the crew repairs that.

    When `left_alone` is 8, upstream is fixed: Crew.users needs to ask once only.
    """
    found = lead(UNDERSHOOT)

    assert found["mustered"]
    assert found["left_alone"] < 8
    assert (found["repaired"], found["users"]) == (True, 8)
    assert found["firsts"] == [0, 4]


def test_a_silent_worker_is_lost_unless_it_prepares() -> None:
    """Building prompts leaves no turn for heartbeats on a busy machine; from the next order on, silence is a loss."""
    found = lead(SILENT)

    assert found["preparing"] == 2
    assert found["measuring"] == 0


def test_a_worker_that_comes_while_others_prepare_answers_what_the_master_waits_for() -> None:
    """Told to catch up and then to prepare, it builds once and answers the order itself: nobody waits for ever."""
    found = lead(TOLD_TWICE)

    assert found["built"] == ["r1"]
    assert found["answered"] == [7]


@pytest.mark.parametrize("key", ["prepared", "complete", "joined", "left"])
def test_a_worker_that_comes_late_is_prepared_and_told_the_present_order(key: str, late: dict) -> None:
    """Two prepared, a third joins and leaves: each step of it holds."""
    assert late[key] is True


def test_what_came_and_went_is_known(late: dict) -> None:
    """The late one is told to prepare, then the order that holds; it counts only once it has prepared."""
    assert late["waits"] is False
    assert late["told"] == ["prepare", "idle"]
    assert late["changes"] == ["joined", "lost"]
    assert late["clocks"] == [3, True]


@pytest.fixture(scope="module")
def late() -> dict:
    return lead(LATE)
