"""Nothing hangs: a run that was told to leave, and has not after a while, is ended as it stands."""

from __future__ import annotations

import os

from gevent import monkey

LONGEST_END_S = 900.0  # drain, report and the last copy of the largest run take less

_start_thread = monkey.get_original("_thread", "start_new_thread")
_sleep = monkey.get_original("time", "sleep")


def leave_within(seconds: float, code: int) -> None:
    """End this process after so many seconds, if it is still there: by a thread that no greenlet can hold up.

    Rows and steps are on disk as they come, so that `tokenswarm report` reads what was measured.
    """

    def end() -> None:
        _sleep(seconds)
        os.write(2, b"tokenswarm: the run did not end when it was told to; what was measured is kept\n")
        os._exit(code)

    _start_thread(end, ())
