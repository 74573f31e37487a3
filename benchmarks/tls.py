"""Our error over TLS, and what TLS costs: the scripted simulator in a process of its own, with and without TLS.

The same load, the same server (Python, slower than the C server of benchmarks.clock), the same columns; error is per
event against the server's own send stamps. The server encrypts between stamp and send: that is part of the error.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import trustme

from benchmarks.clock import describe
from shapes._calibrate import TTFT_MS, measure
from simulator.process import served

STREAMS, GAP_MS, TOKENS, SECONDS = (100, 200), 10.0, 100, 6.0
SCRIPT = ("--scripted", "--ttft-ms", str(TTFT_MS), "--gap-ms", str(GAP_MS), "--tokens", str(TOKENS))


def errors(streams: list[int], folder: Path | None = None) -> dict[str, Any]:
    """Figures by streams; over TLS when there is a folder for its certificates."""
    files: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    if folder is not None:
        authority, ca, cert = trustme.CA(), folder / "ca.pem", folder / "server.pem"
        authority.cert_pem.write_to_path(ca)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(cert)
        files, sets = ("--tls-cert", str(cert)), (f"arms.scripted.ca_file={ca}",)
    with served("simulator", (*SCRIPT, *files)) as url:
        return measure(url, streams, SECONDS, TOKENS, sets)


def main() -> None:
    """Both, rung by rung, and CPU per chunk over TLS by that without: `python -m benchmarks.tls 100 200`."""
    streams = [int(word) for word in sys.argv[1:]] or list(STREAMS)
    cycle_s = (TTFT_MS + GAP_MS * (TOKENS - 1)) / 1000
    with tempfile.TemporaryDirectory() as folder:
        plain, secure = errors(streams), errors(streams, Path(folder))
    for rung in map(str, streams):
        due = int(rung) * TOKENS / cycle_s
        print("plain:", describe(rung, plain[rung], due))
        print("TLS:  ", describe(rung, secure[rung], due))
        ours, theirs = (found["cpu"] / found["chunks_per_s"] for found in (secure[rung], plain[rung]))
        print(f"       {1 / ours:,.0f} chunks/s per core over TLS: {ours / theirs:.2f} times the CPU per chunk")


if __name__ == "__main__":
    main()
