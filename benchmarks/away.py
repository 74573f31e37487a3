"""What remote-write loses while its Prometheus is away, and what it says: a real one, really away.

python -m benchmarks.away [--seconds 60] [--series 2000]    must hold: away for 60 s, nothing is lost that the buffer
                                                            holds; beyond it lost + there = sent, and that is said

A page of so many series is offered each second. Prometheus is stopped for `--seconds`, and started again. Then as many
pages, dated a second apart, are offered to a buffer that holds a third of them, while it is away.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from exporters import push as pushing
from exporters.exposition import Field, labels, page
from exporters.push import REMOTE_WRITE, Push, Sending, now_ms
from exporters.remote_write import RemoteWrite
from tests.end_to_end.prometheus import Prometheus, running

LOAD = Field("swarm_load", "gauge", "One of many series.")
GROUP = {"job": "tokenswarm", "run": "away", "instance": "here"}
THERE = '{__name__=~"swarm_load|tokenswarm_push.*"}[1h]'
OWN_SERIES = 3  # that a push adds, of its own health
AROUND_S, PATIENCE_S = 5, 30.0


class Outcome(NamedTuple):
    """What became of the samples of some pages: by our account, and in the store itself."""

    sent: int
    there: int
    account: dict[str, Any]
    said: list[str]
    cpu_ms: float  # of an offer, on average: what the sender pays

    def told(self) -> str:
        """In a line."""
        return (
            f"{self.sent:,} samples sent, {self.there:,} there, {self.account['lost']:,} lost by our account, "
            f"{self.account['failures']} failures; an offer costs {self.cpu_ms:.1f} ms of CPU"
        )


def pushed(store: Prometheus, series: int, times_ms: Iterator[int]) -> Outcome:
    """Pages at the times that come; the store is running when there are no more of them."""
    said: list[str] = []
    push, pages, cpu_s = Push(Sending(remote_write=store.url), GROUP, {}, said.append), 0, 0.0
    push.start()
    for at_ms in times_ms:
        text = page((LOAD, labels(number=str(number)), pages + number) for number in range(series))
        began = time.thread_time()
        push.offer(text, at_ms)
        pages, cpu_s = pages + 1, cpu_s + time.thread_time() - began
    account = push.stop(now_ms(), PATIENCE_S)[REMOTE_WRITE]
    there = sum(len(one["values"]) for one in store.query(THERE))
    return Outcome(pages * (series + OWN_SERIES), there, account, said, cpu_s / pages * 1000)


def each_second(seconds: int) -> Iterator[int]:
    """The time, once a second."""
    for _ in range(seconds):
        yield now_ms()
        time.sleep(1.0)


def around_an_absence(store: Prometheus, seconds: int) -> Iterator[int]:
    """Each second: before the store goes, while it is away, after it has come back."""
    with running(store):
        yield from each_second(AROUND_S)
    yield from each_second(seconds)
    store.start()
    yield from each_second(AROUND_S)


def all_while_away(store: Prometheus, seconds: int) -> Iterator[int]:
    """Dated a second apart; then the store is there."""
    begin = now_ms() - seconds * 1000
    yield from (begin + second * 1000 for second in range(seconds))
    store.start()


def tried(folder: Path, seconds: int, series: int, beyond: bool) -> Outcome:
    """One absence, with the buffer as it is, or with one that holds a third of the pages."""
    folder.mkdir()
    store = Prometheus(folder, options=("--web.enable-remote-write-receiver",))
    try:
        if not beyond:
            return pushed(store, series, around_an_absence(store, seconds))
        one = page((LOAD, labels(number=str(number)), number) for number in range(series))
        letters = RemoteWrite("/", GROUP).letters(one, now_ms())
        pushing.BUFFER_BYTES = sum(len(letter.body) for letter in letters) * seconds // 3  # type: ignore[misc]
        return pushed(store, series, all_while_away(store, seconds))
    finally:
        store.stop()


def main() -> bool:
    """Print the figures; True if they hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--series", type=int, default=2000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tokenswarm-") as place:
        inside = tried(Path(place) / "inside", asked.seconds, asked.series, beyond=False)
        beyond = tried(Path(place) / "beyond", asked.seconds, asked.series, beyond=True)
    marks = asked.series + OWN_SERIES  # the end of each series is a sample too, which no query returns
    print(f"away for {asked.seconds} s: {inside.told()}")
    print(f"a buffer of a third: {beyond.told()}")
    print("it said: " + " | ".join(beyond.said))
    held = {
        "nothing inside the buffer is lost": inside.there == inside.sent and inside.account["lost"] == 0,
        "beyond it something is lost, and counted: lost + there = sent": beyond.account["lost"] > 0
        and beyond.account["lost"] + beyond.there == beyond.sent
        and beyond.account["samples"] == beyond.there + marks,
        "what fell out is said": any("the oldest samples are dropped" in line for line in beyond.said),
    }
    for what, holds in held.items():
        print(f"{'ok  ' if holds else 'FAIL'} {what}")
    return all(held.values())


if __name__ == "__main__":
    sys.exit(not main())
