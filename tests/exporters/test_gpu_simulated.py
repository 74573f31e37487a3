"""`gpu-exporter --simulated`: the real pipeline over a simulated GPU, driven by a simulated engine that is asked."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

from exporters.server import gpu_figures
from simulator.gpu import HALF_LOAD, IDLE_W, LIMIT_W
from simulator.process import served
from tests.exporters.nvml import exporting, samples, value

BODY = {"messages": [{"role": "user", "content": "How are you?"}], "max_tokens": 400, "ignore_eos": True}


def ask(url: str) -> None:
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(BODY).encode())
    with urllib.request.urlopen(request, timeout=60) as reply:
        reply.read()


def absent_calls(page: str) -> set[str]:
    """Calls that this GPU does not answer; told by its slow tier, which may come after the first page."""
    return {one.labels["call"] for one in samples(page, "tokenswarm_gpu_read_absent")}


def test_the_engine_s_load_is_the_gpu_s(tmp_path: Path) -> None:
    """One request that runs: 100 % busy, power by the rule, more memory; none: idle again. What it lacks is absent."""
    with served("simulator", ("--profile", "small")) as url:
        options = ("--simulated", url, "--slow-hz", "5")
        with exporting(None, tmp_path, options=options) as exporter:
            idle = exporter.until(lambda page: value(page, "DCGM_FI_DEV_POWER_USAGE") == IDLE_W)
            asking = threading.Thread(target=ask, args=(url,))
            asking.start()
            busy = exporter.until(lambda page: (value(page, "DCGM_FI_DEV_POWER_USAGE") or 0) > IDLE_W)
            asking.join()
            last = exporter.until(lambda page: value(page, "DCGM_FI_DEV_GPU_UTIL") == 0 and absent_calls(page))
    (figures,) = gpu_figures(busy).values()

    assert value(idle, "DCGM_FI_DEV_GPU_UTIL") == 0
    assert figures["busy"] == 1
    assert figures["power_w"] == round(IDLE_W + (LIMIT_W - IDLE_W) * (1 + 1 / (1 + HALF_LOAD)) / 2, 3)
    assert figures["memory_used_bytes"] > 16 * 2**30
    assert "nvlink" in absent_calls(last)
    assert samples(busy, "DCGM_FI_DEV_GPU_UTIL")[0].labels["modelName"] == "Simulated GPU"


def test_a_url_without_simulated_is_one_clear_line() -> None:
    """The URL of an engine means nothing to a real GPU."""
    words = [sys.executable, "-m", "tokenswarm", "gpu-exporter", "http://127.0.0.1:1"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert done.stderr == "tokenswarm: URL is the engine of a simulated GPU: add --simulated\n"
