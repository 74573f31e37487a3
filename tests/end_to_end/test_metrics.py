"""The swarm's own metrics, scraped by a real Prometheus from a real run."""

from __future__ import annotations

import socket
from pathlib import Path

from exporters.record import Run
from simulator.llamacpp import free_port
from tests.end_to_end.fleet import locust, stop
from tests.end_to_end.prometheus import Prometheus, answers, running, until
from tests.end_to_end.service import front_door, scenario, start

LONG = "[5m]"
MASTER, WORKER = "tokenswarm_", "tokenswarm_worker_"
JOINED = """
avg(up) * on() group_left(arm, rung, step) (tokenswarm_step_info and on() tokenswarm_phase_info{phase="window"})
"""


def test_a_scraped_run_is_the_run_on_disk(tmp_path: Path, simulated: str) -> None:
    """A master and its two workers: Prometheus ends with the rows' own sums, and joins other samples with steps."""
    out, port = tmp_path / "run", free_port()
    ports = [port, port + 1, port + 2]
    asked = scenario(tmp_path, simulated, duration="2s")
    store = Prometheus(tmp_path, [f"127.0.0.1:{each}" for each in ports])
    with running(store):
        run = start("run", asked, "--out", out, "--processes", "2", "--metrics-port", str(port))
        until(lambda: bool(store.query(JOINED)), "a step can be joined with")
        step = store.query(JOINED)[0]["metric"]
        _, stderr = run.communicate(timeout=60)
        assert run.returncode == 0, stderr
        last = {side: store.value(f"sum(max_over_time({side}requests_total{LONG}))") for side in (MASTER, WORKER)}
        tokens = store.value(f'sum(max_over_time(tokenswarm_tokens_total{{type="output"}}{LONG}))')
        first = store.value(f"max(max_over_time(tokenswarm_time_to_first_token_seconds_count{LONG}))")
        workers = store.value(f"max(max_over_time(tokenswarm_workers{LONG}))")
        users = store.value(f"max(max_over_time(tokenswarm_users{LONG}))")

    rows = [row for row in Run.open(out).requests().to_pylist() if row["phase"] != "check"]
    assert last == {MASTER: len(rows), WORKER: len(rows)}
    assert tokens == sum(row["output_tokens"] or 0 for row in rows)
    assert first == sum(row["phase"] == "window" and row["outcome"] == "ok" for row in rows)
    assert (workers, users) == (2, 2)
    assert step["arm"] == "baseline"
    assert step["step"] in {record.step.id for record in Run.open(out).steps}
    assert f"metrics: http://127.0.0.1:{port}/metrics" in (out / "locust.log").read_text()


def test_a_port_that_is_taken_is_said_before_any_request(tmp_path: Path, simulated: str) -> None:
    """One line and exit code 2 for the master; nothing was measured."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = front_door("run", scenario(tmp_path, simulated), "--out", tmp_path / "run", "--metrics-port", str(port))

    assert done.returncode == 2
    said = f"tokenswarm: --metrics-port {port}: Address already in use (on 127.0.0.1)"
    assert done.stderr.strip().splitlines()[-1] == said
    assert not (tmp_path / "run" / "run.json").exists()


def test_locust_s_web_page_has_the_master_s_metrics(tmp_path: Path) -> None:
    """Where there is a web UI there is /metrics, without another port; nothing listens on one that nobody asked for."""
    port = free_port()
    process = locust("--web-host", "127.0.0.1", "--web-port", str(port))
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/metrics"), "the web UI serves /metrics")
    finally:
        stop(process)
