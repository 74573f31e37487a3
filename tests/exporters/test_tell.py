"""Lines of JSON by many threads at once: each arrives whole."""

from __future__ import annotations

import json
import subprocess
import sys

SAYS = """
import sys, threading
from exporters.tell import tell
sys.setswitchinterval(1e-6)
def say(thread):
    for number in range(200):
        tell({"thread": thread, "number": number, "text": "x" * 50})
threads = [threading.Thread(target=say, args=(thread,)) for thread in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_no_line_is_cut_by_another() -> None:
    """1,600 lines of eight threads: each is JSON, and those of a thread come in their order."""
    done = subprocess.run([sys.executable, "-c", SAYS], capture_output=True, text=True, timeout=60, check=True)
    said = [json.loads(line) for line in done.stdout.splitlines()]

    assert len(said) == 1600
    for thread in range(8):
        assert [one["number"] for one in said if one["thread"] == thread] == list(range(200))
