"""The real exporter over a double of NVML: a library in C, built here against the official header."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

HERE = Path(__file__).resolve().parent
HEADER = Path(sysconfig.get_paths()["purelib"]) / "nvidia" / "cu13" / "include"
QUICK = ("--slow-hz", "5")


def build(folder: Path, *defines: str) -> Path:
    """A folder with libnvidia-ml.so.1 in it, for LD_LIBRARY_PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", f"-I{HEADER}", *defines]
    library = str(folder / "libnvidia-ml.so.1")
    subprocess.run([*words, "-o", library, str(HERE / "nvml_double.c"), "-lm", "-lpthread"], check=True, timeout=60)
    return folder


class Exporting:
    """An exporter that runs: its page, and what its NVML answers."""

    def __init__(self, url: str, values: Path) -> None:
        parts = urlsplit(url)
        self.url, self._values = url, values
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)

    def answers(self, *lines: str) -> None:
        """From now on NVML says this."""
        put(self._values, lines)

    def page(self) -> str:
        self._connection.request("GET", "/metrics")
        reply = self._connection.getresponse()
        assert reply.status == 200
        return reply.read().decode()

    def samples(self, name: str = "") -> list[Sample]:
        return samples(self.page(), name)

    def value(self, name: str, **labels: str) -> float | None:
        """The only sample of that name with these labels; None when there is none."""
        return value(self.page(), name, **labels)

    def until(self, done: Callable[[str], bool], within_s: float = 15) -> str:
        """The first page that is as asked."""
        deadline = time.monotonic() + within_s
        while not done(page := self.page()):
            assert time.monotonic() < deadline, page
            time.sleep(0.03)
        return page


def put(values: Path, lines: Sequence[str]) -> None:
    written = values.with_suffix(".new")
    written.write_text("".join(f"{line}\n" for line in lines))
    written.replace(values)


def samples(page: str, name: str = "") -> list[Sample]:
    """The samples as they are written: told the type, the parser appends `_total` to counters of dcgm's."""
    plain = "".join(f"{line}\n" for line in page.splitlines() if not line.startswith("#"))
    found = [sample for family in text_string_to_metric_families(plain) for sample in family.samples]
    return [sample for sample in found if sample.name == name] if name else found


def value(page: str, name: str, **labels: str) -> float | None:
    found = [one for one in samples(page, name) if labels.items() <= one.labels.items()]
    assert len(found) <= 1, found
    return found[0].value if found else None


def environment(library: Path | None, values: Path) -> dict[str, str]:
    return {
        **os.environ,
        "LD_LIBRARY_PATH": str(library) if library else "",
        "NVML_DOUBLE": str(values),
        "NODE_NAME": "node-a",
    }


@contextmanager
def exporting(library: Path | None, folder: Path, *lines: str, options: Sequence[str] = QUICK) -> Iterator[Exporting]:
    """`tokenswarm gpu-exporter` over a library, whose NVML answers by `lines`; it has read every GPU once."""
    values = folder / "values"
    put(values, lines)
    process = subprocess.Popen(
        [sys.executable, "-m", "tokenswarm", "gpu-exporter", "--port", "0", *options],
        stdout=subprocess.PIPE,
        env=environment(library, values),
        cwd=HERE.parent.parent,
    )
    try:
        exporter = Exporting(json.loads(process.stdout.readline())["url"], values)
        if library and not any("error.nvmlInit" in line for line in lines):
            exporter.until(lambda page: all(value(page, TIER_AGE, tier=name) is not None for name in TIERS))
        yield exporter
    finally:
        process.terminate()
        assert process.wait(10) == 0


TIERS, TIER_AGE = ("fast", "steady", "slow"), "tokenswarm_gpu_tier_age_seconds"
