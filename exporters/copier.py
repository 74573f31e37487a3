"""The copier: a process beside the master that keeps a run's copy up to date (exporters.copies).

It begins with one line of JSON on stdin, `{"directory", "uri"}`, and answers each line: that one, and `{"sizes": ...}`
after every step, by `{"error": null}` or why not. When stdin ends it copies the final files, unless it was only to look
(`"look": true`); its exit code says whether the copy is complete.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from exporters.copies import Copy, CopyError


def main() -> int:
    """Copy until stdin ends; 1 when the copy is not complete."""
    work = json.loads(sys.stdin.readline() or "null")
    if work is None:
        return 1
    try:
        copy = Copy(Path(work["directory"]), work["uri"])
    except CopyError as error:
        answer(str(error))
        return 1
    answer(None)
    if work.get("look"):
        return 0
    for line in sys.stdin:
        try:
            copy.step(json.loads(line)["sizes"])
        except CopyError as error:
            answer(str(error))
        else:
            answer(None)
    try:
        copy.finish()
    except CopyError as error:
        answer(str(error))
        return 1
    return 0


def answer(error: str | None) -> None:
    """Tell the master, if it is still there."""
    try:
        print(json.dumps({"error": error}), flush=True)  # noqa: T201 (the master reads it)
    except BrokenPipeError:
        sys.stderr.write(f"{error}\n" if error else "")


if __name__ == "__main__":
    sys.exit(main())
