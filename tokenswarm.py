"""tokenswarm: load-test an LLM service and learn whether a change may ship. One verb, one room."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import typer

from shapes import _words as asks

app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: tokenswarm demo. Then copy a preset from scenarios/, set your URL, and: tokenswarm run FILE.",
)

HOME = Path(__file__).resolve().parent
USAGE, CRASH = 2, 1


def main() -> None:
    """The console script: every expected failure is one line and an exit code."""
    try:
        app()
    except Exception as error:
        from exporters.files import RecordError  # only now: a sidecar does without the 25 MB that these bring
        from exporters.peer import PushError
        from scenarios.wrong import ScenarioError

        if not isinstance(error, ScenarioError | RecordError | PushError):
            raise
        fail(str(error))


def fail(text: str, code: int = USAGE) -> NoReturn:
    """One clear line on stderr, then the exit code."""
    print(f"tokenswarm: {text}", file=sys.stderr)  # noqa: T201
    sys.exit(code)


@app.command()
def demo(real: asks.Real = False, out: asks.Out = None) -> None:
    """See it work: ladder, matrix, two arms, tasks and a report, in about five minutes, on this machine alone."""
    from shapes._manifest import calibration
    from simulator.demo import run_demo

    if calibration() is None:  # every report carries the client's own error: measure it once per machine
        _calibrate([64], gap_ms=10.0, seconds=1.5)
    sys.exit(run_demo(real, out))


@app.command()
def plan(scenario: asks.ScenarioFile, overrides: asks.Overrides = []) -> None:  # noqa: B006 (typer reads it)
    """What would run: steps, hours, tokens, money, and the smallest effect that it could show."""
    from shapes._preview import show_plan

    refused = show_plan(scenario, overrides)
    if refused:
        fail(refused)


@app.command()
def check(scenario: asks.ScenarioFile, overrides: asks.Overrides = []) -> None:  # noqa: B006 (typer reads it)
    """Ask each arm a few short requests: does it answer, stream, count tokens, honour lengths, cache, show metrics?"""
    import locust  # noqa: F401 (patches sockets for gevent, before ssl is imported)
    from rich.console import Console

    from locustfiles._check import check as check_services
    from locustfiles._services import is_ready
    from shapes._limits import Stopped
    from shapes._prices import asked as asked_by
    from shapes._progress import print_findings
    from shapes._switch import Switch

    try:
        asked = asked_by(scenario, overrides)
        checked = check_services(asked, Switch(asked, is_ready, lambda: None).to)
    except (ValueError, Stopped) as error:  # a tasks file or a prompt size that cannot be used, an arm that is down
        fail(str(error))
    print_findings(Console(), checked.findings)
    if any(finding.status == "fail" for finding in checked.findings):
        fail("an arm cannot be measured: see above", USAGE)


@app.command()
def run(  # noqa: PLR0913 (each is an option)
    scenario: asks.ScenarioOrNone = None,
    out: asks.Out = None,
    processes: asks.Processes = 1,
    resume: asks.Resume = None,
    copy_to: asks.CopyTo = "",
    metrics_port: asks.MetricsPort = None,
    pushgateway: asks.Pushgateway = "",
    remote_write: asks.RemoteWrite = "",
    overrides: asks.Overrides = [],  # noqa: B006 (typer reads it)
) -> None:
    """Measure: check the arms, climb the ladder, write the run directory and its report. Exit code: the verdict's.

    0 pass, 1 crash, 2 usage or configuration, 3 a gate is breached, 4 a gated figure stayed invalid or inconclusive.
    """
    from shapes._launch import Place, launch

    if (scenario is None) == (resume is None):
        fail("give a SCENARIO, or --resume DIR, and not both")
    # Locust's own options read them, in every process.
    told = {"METRICS_PORT": metrics_port, "PUSHGATEWAY": pushgateway, "REMOTE_WRITE": remote_write}
    os.environ |= {f"TOKENSWARM_{name}": str(value) for name, value in told.items() if value not in (None, "")}
    launch(scenario, Place(out, resume, copy_to), processes, overrides)


@app.command()
def master(  # noqa: PLR0913 (each is an option)
    scenario: asks.ScenarioFile,
    out: asks.Out = None,
    workers: asks.WorkersAll = 1,
    patience: asks.Patience = 0,
    web_port: asks.WebPort = None,
    host: asks.ListenAt = "127.0.0.1",
    port: asks.Port = 5557,
    copy_to: asks.CopyTo = "",
    overrides: asks.Overrides = [],  # noqa: B006 (typer reads it)
) -> None:
    """Lead a swarm of workers on other machines (see `worker`). Exit code: as of `run`.

    The port has neither login nor encryption: keep it in a private network.
    """
    from shapes._launch import Place
    from shapes._posts import Post, lead

    try:
        lead(scenario, Place(out, copy_to=copy_to), Post(host, port, workers, patience, web_port), overrides)
    except OSError as error:
        fail(str(error))


@app.command()
def worker(
    scenario: asks.ScenarioFile,
    host: asks.MasterAt = "127.0.0.1",
    port: asks.Port = 5557,
    processes: asks.WorkersHere = 1,
    overrides: asks.Overrides = [],  # noqa: B006 (typer reads it)
) -> None:
    """Send what a master says, with the master's SCENARIO and --set. Ends with the run."""
    from shapes._posts import Post, join

    join(scenario, Post(host, port, processes), overrides)


@app.command()
def report(runs: asks.Runs, copy_to: asks.CopyTo = "", verdict_file: asks.VerdictFile = None) -> None:
    """Summarize runs again: summary.json, report.html, report.md, and a table here. Also after a crash."""
    from exporters.copies import Copy, CopyError
    from reports.announce import write_message
    from reports.write import write_report

    code = max(write_report(directory) for directory in runs)
    if verdict_file:
        write_message(runs[-1], verdict_file)
    try:
        for directory in runs if copy_to else ():
            Copy(directory, copy_to).finish()
    except CopyError as error:
        fail(f"--copy-to: {error}")
    sys.exit(code)


@app.command()
def compare(
    base: asks.Base,
    candidate: asks.Candidate,
    arm: asks.ArmOf = None,
    differs: asks.Differs = [],  # noqa: B006 (typer reads it)
    markdown: asks.Markdown = None,
) -> None:
    """Two runs beside each other, as information: they are at different times, so nothing here proves a change.

    Runs whose scenario, server, GPU, clock or load generator differ are refused, unless that is what is under test.
    """
    from reports.between_tables import compare_runs

    compare_runs(base, candidate, arm, differs, markdown)


@app.command()
def history(directory: asks.RunsDirectory) -> None:
    """The trend over many runs: every point's means, and where their level moved; also as DIR/history.html.

    A move says that something changed around then, not what: only arms of one run, in turns, prove a change.
    """
    from reports.history_page import write_history

    write_history(directory)


@app.command()
def export(run: asks.RunDirectory, to: asks.To = "csv", out: asks.ExportOut = None) -> None:
    """A run for other tools: the tables of its summary.json, or Benchmark Reports. Requests are in requests.parquet."""
    from reports.export import export as write

    print(write(run, to, out))  # noqa: T201 (the last line on stdout is the place)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def nightly(context: typer.Context, scenario: asks.ScenarioFile, runs: asks.NightRuns, keep: asks.Keep = 30) -> None:
    """A run in RUNS, set beside the last good one there, told, added to the trend; then old runs are removed.

    Takes the options of `run` too, or with --workers those of `master`. TOKENSWARM_WEBHOOK in the environment gets the
    report as {"text": Markdown}, GITHUB_STEP_SUMMARY as it is. Exit code: the run's.
    """
    from reports.nightly import Night, run_nightly

    sys.exit(run_nightly(Night(scenario, context.args, runs, keep), os.environ))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def simulate(context: typer.Context) -> None:
    """A stand-in LLM service with known answers (see `tokenswarm simulate --help`)."""
    os.execv(sys.executable, [sys.executable, "-m", "simulator", *context.args])


@app.command(name="gpu-exporter")
def gpu_exporter(  # noqa: PLR0913 (a verb's options)
    engine: asks.Engine = "",
    host: asks.Host = "127.0.0.1",
    port: asks.FreePort = 9400,
    once: asks.Once = False,
    simulated: asks.Simulated = False,
    hz: asks.FastHz = 10,
    slow_hz: asks.SlowHz = 0.2,
    pushgateway: asks.Pushgateway = "",
    remote_write: asks.RemoteWrite = "",
) -> None:
    """GPU metrics for Prometheus: NVML under dcgm-exporter's names at /metrics, and health that says what is missing.

    NVML may be away, hang, or lose a GPU: the endpoint answers, without the values that are not fresh.
    """
    from exporters.gpu import Exporter, Rates, print_once, serve

    if engine and not simulated:
        fail("URL is the engine of a simulated GPU: add --simulated")
    exporter = Exporter(_nvml(simulated, engine), Rates(hz, slow_hz))
    if once:
        away = print_once(exporter)
        if away:
            fail(f"NVML is not there: {away}; does this machine (or container) have NVIDIA's driver?")
        return
    pushing = None
    try:
        if pushgateway or remote_write:  # else the sidecar does without what pushing needs
            from exporters.push import sending_in, sidecar

            pushing = sidecar(sending_in(os.environ, pushgateway, remote_write))
        serve(exporter, host, port, pushing)
    except (OSError, OverflowError) as error:
        fail(f"--host {host} --port {port}: {error}")


def _nvml(simulated: bool, engine: str) -> object:
    """NVML's functions: the driver's, or those of a simulated GPU."""
    if simulated:
        from simulator.gpu import driven_by

        return driven_by(engine or "http://127.0.0.1:8000")
    import pynvml

    return pynvml


@app.command()
def calibrate(streams: asks.Streams = 400, gap_ms: asks.GapMs = 10.0, seconds: asks.Seconds = 5.0) -> None:
    """How wrong this client is on this machine: its TTFT, gap and E2E against the simulator's own send stamps."""
    from shapes._calibrate import rungs_up_to

    _calibrate(rungs_up_to(streams), gap_ms, seconds)


def _calibrate(rungs: list[int], gap_ms: float, seconds: float) -> None:
    from rich.console import Console

    from shapes._calibrate import keep, measure
    from shapes._preview import show_calibration
    from simulator.process import served

    arguments = ("--scripted", "--ttft-ms", "50", "--gap-ms", str(gap_ms), "--tokens", "100")
    with served("simulator", arguments) as url:
        figures = measure(url, rungs, seconds)
    show_calibration(Console(stderr=True), keep(figures, gap_ms))


if __name__ == "__main__":
    main()
