"""A service in a process of its own: started on a free loopback port, stopped by its id."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence


@contextlib.contextmanager
def served(module: str, arguments: Sequence[str], prefix: Sequence[str] = ()) -> Iterator[str]:
    """A service in a process of its own on a free loopback port: yields its URL, ends the process afterwards."""
    command = [*prefix, sys.executable, "-m", module, *arguments, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if not ready:
            raise RuntimeError(f"`{' '.join(command)}` did not start: run it by hand to see why")
        yield json.loads(ready)["url"]
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
