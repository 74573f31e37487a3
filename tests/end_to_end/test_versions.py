"""Workers of another version: refused in words on both sides, before they do anything."""

from __future__ import annotations

from pathlib import Path

from exporters.fleet import VERSION
from simulator.llamacpp import free_port
from simulator.process import served
from tests.end_to_end.fleet import LADDER, accounted, asked, ended, locust, stop, worker
from tests.end_to_end.service import read

OTHER = """
import importlib.metadata as metadata
installed = metadata.version
metadata.version = lambda name: "9.9.9" if name == "tokenswarm" else installed(name)
"""


def test_a_worker_of_another_version_is_refused_and_the_right_one_is_waited_for(tmp_path: Path) -> None:
    """It ends with exit code 2; it and the master name both versions in one line; the run takes who comes next."""
    (tmp_path / "sitecustomize.py").write_text(OTHER)
    at, out = ("127.0.0.1", free_port()), tmp_path / "run"
    with served("simulator", ("--profile", "small")) as url:
        master = locust(
            "--scenario", str(asked(tmp_path, url, blocks=1)), "--out", str(out), *LADDER, "--headless", "--master",
            "--expect-workers", "1", "--master-bind-host", at[0], "--master-bind-port", str(at[1]),
        )  # fmt: skip
        stranger = worker(at, prefix=("env", f"PYTHONPATH={tmp_path}"))
        crew = [master, stranger]
        try:
            said = stranger.communicate(timeout=60)[1]
            crew.append(worker(at))
            heard = ended(master)
        finally:
            stop(*crew)

    assert (stranger.returncode, master.returncode) == (2, 0), heard
    theirs = VERSION.replace(VERSION.split()[0], "9.9.9")
    for stderr in (said, heard):
        [line] = [line for line in stderr.splitlines() if line.startswith("tokenswarm: ")]
        assert theirs in line
        assert VERSION in line
    assert len(read(out / "run.json")["fleet"]["workers"]) == 1
    accounted(out)
