"""A search end to end: a service of known capacity is found, also after an interruption; who served is in the rows."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema

import reports.summary
from exporters.record import Run
from simulator.process import served
from tests.end_to_end.fleet import stop
from tests.end_to_end.service import interrupt, no_traceback, read, scenario, start, wait_for

SLOTS = 6
# A stream takes 80 ms; one user beyond the slots waits about 13 ms for a slot, and the SLO allows 6 ms.
SCRIPT = ("--scripted", "--ttft-ms", "20", "--gap-ms", "20", "--tokens", "4", "--slots", str(SLOTS), "--name", "only")
SEARCH = '[search]\nmax = 16\n[slo]\nttft = "26ms"\n'
CONTRACT = json.loads((Path(reports.summary.__file__).parent / "summary.schema.json").read_text(encoding="utf-8"))


def asked(folder: Path, url: str) -> Path:
    path = scenario(folder, url, duration="0.4s", more=SEARCH)
    text = (
        path.read_text().replace("[ladder]\nconcurrency = [1, 2]\nat = 2\n", "").replace("retries = 2", "retries = 6")
    )
    text = text.replace("short = 24", "short = 4").replace("min_requests = 6", "min_requests = 30")
    path.write_text(text.replace('model = "simulated-small"', 'replica_header = "X-Served-By"'))
    return path


def found(out: Path) -> dict[str, Any]:
    """The one search of a run; its summary obeys the contract."""
    summary = read(out / "summary.json")
    assert list(jsonschema.Draft202012Validator(CONTRACT).iter_errors(summary)) == []
    (entry,) = summary["search"]
    return dict(entry)


def test_a_known_capacity_is_found_also_after_an_interruption(tmp_path: Path) -> None:
    """6 slots: 6 users meet the SLO and 7 do not. Ctrl-C after some probes is exit 4; --resume, by plain Locust with
    its own entry, makes the others. Each probe is a step with its rows, each row says who served."""
    out = tmp_path / "run"
    with served("simulator", SCRIPT) as url:
        command = [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py,shapes/search.py", "--headless"]
        process = start("run", asked(tmp_path, url), "--out", out)
        try:
            wait_for(out / "steps.json")
            deadline = time.monotonic() + 40
            while len(read(out / "steps.json")["steps"]) < 3:
                assert time.monotonic() < deadline, "no third probe"
                time.sleep(0.05)
            texts = interrupt(process)
        finally:
            stop(process)
        assert process.returncode == 4
        assert no_traceback(texts)
        assert found(out)["state"] == "open"
        before = [probe["step"] for probe in found(out)["probes"]]
        done = subprocess.run(
            [*command, "--resume", str(out)], capture_output=True, text=True, timeout=120, check=False
        )
    entry = found(out)
    assert (entry["state"], entry["meets"], entry["misses"]) == ("found", 6, 7), (entry, done.stderr)
    assert [probe["step"] for probe in entry["probes"]][: len(before)] == before
    assert [probe["probe"] for probe in entry["probes"]] == list(range(1, len(entry["probes"]) + 1))
    assert done.returncode == 0
    rows = [row for row in Run.open(out).requests().to_pylist() if row["phase"] == "window"]
    sent = Counter(row["step"] for row in rows)
    tallies = {record.step.id: record.tally for record in Run.open(out).steps}
    assert all(sent[probe["step"]] == probe["sent"] for probe in entry["probes"])
    assert all(
        tallies[probe["step"]]["good"] == probe["good"] for probe in entry["probes"]
    )  # counted live, and from rows
    assert {row["replica"] for row in rows} == {"only"}
    said = read(out / "summary.json")["verdict"]["reasons"]
    assert "6 users meet the SLO and 7 do not" in said[0]
    assert "6 users meet the SLO and 7 do not" in (out / "report.html").read_text()
