"""What panels show, by known samples: promtool evaluates their queries as a Prometheus would."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.exporters.grafana import asked

PROMQL = {query.where: query.promql for query in asked("r", "2m")}
RUN = {'tokenswarm_run_info{job="t",instance="m",run="r"}': "1x20"}
API, SO_FAR = "cost.json: API A", "cost.json: API cost of the run so far A"


def tokens(kind: str, each_30_s: int, more: str = "") -> dict[str, str]:
    name = f'tokenswarm_tokens_total{{job="t",instance="m",arm="a",cell="x/y",rung="4",type="{kind}"{more}}}'
    return {name: f"0+{each_30_s}x20"}


def requests(outcome: str, each_30_s: int, arm: str = "a", instance: str = "m", more: str = "") -> dict[str, str]:
    place = f'job="t",instance="{instance}",arm="{arm}",cell="x/y",rung="4"'
    return {f'tokenswarm_requests_total{{{place},outcome="{outcome}"{more}}}': f"0+{each_30_s}x20"}


def shows(folder: Path, given: dict[str, str], where: str, expected: dict[str, float]) -> None:
    """Assert what a query gives after five minutes of samples, one each 30 s: labels -> value, to a 2^-30th, of which
    multiples are exact where promtool compares."""
    samples = [{"labels": labels, "value": round(value * 2**30) / 2**30} for labels, value in expected.items()]
    expression = f"round({PROMQL[where]}, {2**-30})"
    test = {
        "interval": "30s",
        "input_series": [{"series": name, "values": values} for name, values in given.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": "5m", "exp_samples": samples}],
    }
    (folder / "test.yml").write_text(json.dumps({"tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", folder / "test.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


WORK = {**RUN, **tokens("input", 600), **tokens("output", 300), **requests("ok", 15)}  # 20, 10 and 0.5 a second
WATTS = {
    'DCGM_FI_DEV_POWER_USAGE{gpu="0",Hostname="h"}': "150x20",
    'DCGM_FI_DEV_POWER_USAGE{gpu="1",Hostname="h"}': "50x20",
}


@pytest.mark.parametrize(
    ("given", "where", "expected"),
    [
        (WORK, API, {'{arm="a"}': (20 * 0.15 + 10 * 0.60) * 3600 / 1e6}),  # nobody told what was cached
        ({**WORK, **tokens("cached", 300)}, API, {'{arm="a"}': (10 * 0.15 + 10 * 0.075 + 6) * 3600 / 1e6}),
        ({**RUN, **tokens("input", 600)}, API, {'{arm="a"}': 20 * 0.15 * 3600 / 1e6}),  # embeddings
        (WORK, SO_FAR, {'{arm="a"}': (6000 * 0.15 + 3000 * 0.60) / 1e6}),
        (WORK, "cost.json: API cost of 1,000 ok requests A", {'{arm="a"}': 9 / 1e6 / 0.5 * 1000}),
        (WORK, "cost.json: GPU A", {'{run="r"}': 2.5}),
        (WORK, "cost.json: GPU cost of 1M output tokens A", {'{arm="a"}': 2.5 / 36_000 * 1e6}),
        (WORK, "cost.json: GPU cost of 1,000 ok requests A", {'{arm="a"}': 2.5 / 1800 * 1000}),
        (WATTS, "cost.json: Electricity A", {"{}": (200 + 300) / 1000 * 1.3 * 0.15}),
        ({**WORK, **WATTS}, "cost.json: Electricity of 1M output tokens A", {"{}": 0.0975 / 36_000 * 1e6}),
        ({**WORK, **WATTS}, "gpu.json: Energy per output token A", {"{}": 20.0}),
        ({**RUN, **tokens("output", 0), **WATTS}, "gpu.json: Energy per output token A", {}),  # not infinite
    ],
)  # fmt: skip
def test_money_and_energy(tmp_path: Path, given: dict[str, str], where: str, expected: dict[str, float]) -> None:
    """Price x what was used, per hour, token and request; what nobody told costs what it would otherwise."""
    shows(tmp_path, given, where, expected)


def test_failures_are_a_share_also_where_nothing_is_ok(tmp_path: Path) -> None:
    """One of four by arm a, all of arm b."""
    given = {**RUN, **requests("ok", 90), **requests("timeout", 30), **requests("http_error", 30, arm="b")}
    shows(tmp_path, given, "swarm.json: Not ok A", {'{arm="a"}': 0.25, '{arm="b"}': 1.0})


def test_of_two_runs_the_chosen_one_is_shown(tmp_path: Path) -> None:
    """Scraped, a run is known by its process; pushed, by its label, also where both runs share an instance."""
    scraped = {
        **RUN, **requests("ok", 30), **requests("ok", 3000, instance="other"),
        'tokenswarm_run_info{job="t",instance="other",run="q"}': "1x20",
    }  # fmt: skip
    pushed = {
        **RUN, **requests("ok", 30, more=',run="r"'), **requests("ok", 3000, more=',run="q"'),
        'tokenswarm_run_info{job="t",instance="m",run="q"}': "1x20",
    }  # fmt: skip
    for given in (scraped, pushed):
        shows(tmp_path, given, "swarm.json: Requests by outcome A", {'{arm="a",outcome="ok"}': 1.0})


def test_a_gpu_is_joined_with_every_lane_of_a_window(tmp_path: Path) -> None:
    """Two arms measured at once get the same mean of all GPUs; outside of a window there is nothing to join with."""
    lanes = {
        f'tokenswarm_step_info{{job="t",instance="m",arm="{arm}",cell="x/y",rung="4",step="{arm}1"}}': "1x20"
        for arm in "ab"
    }
    given = {**RUN, **lanes, 'DCGM_FI_DEV_GPU_UTIL{gpu="0"}': "80x20", 'DCGM_FI_DEV_GPU_UTIL{gpu="1"}': "60x20"}
    window, tail = (
        {f'tokenswarm_phase_info{{job="t",instance="m",phase="{phase}"}}': "1x20"} for phase in ("window", "tail")
    )
    both = {f'{{arm="{arm}",cell="x/y",rung="4"}}': 70.0 for arm in "ab"}

    shows(tmp_path, given | window, "gpu.json: GPU busy A", both)
    shows(tmp_path, given | tail, "gpu.json: GPU busy A", {})
