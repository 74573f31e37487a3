"""The words of the front door: arguments and options of its verbs, with their help. Imports nothing but typer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

ScenarioFile = Annotated[
    Path, typer.Argument(help="Scenario file (TOML); presets are in scenarios/.", metavar="SCENARIO")
]
ScenarioOrNone = Annotated[Path | None, typer.Argument(help="Scenario file; none with --resume.", metavar="[SCENARIO]")]
Overrides = Annotated[
    list[str],
    typer.Option("--set", help="Override one dotted key: arms.baseline.url=http://host:8000.", metavar="KEY=VALUE"),
]
Real = Annotated[
    bool, typer.Option("--real", help="A small real model on llama.cpp (extra `engine`) instead of the simulator.")
]
Out = Annotated[Path | None, typer.Option(help="The run directory; default runs/<UTC time>-<scenario>.")]
Resume = Annotated[Path | None, typer.Option(help="Do what is left of an earlier run; takes no SCENARIO.")]
CopyTo = Annotated[
    str, typer.Option(help="Copy the run there, e.g. s3://bucket/runs; credentials come from the environment.")
]

# A swarm
Processes = Annotated[int, typer.Option(min=1, help="Worker processes; 1 = one process does it all.")]
WorkersHere = Annotated[int, typer.Option("--processes", min=1, help="Worker processes here; the master counts each.")]
WorkersAll = Annotated[int, typer.Option("--workers", min=1, help="Worker processes to wait for, of all machines.")]
Patience = Annotated[int, typer.Option(min=0, help="Seconds to wait for them; 0 = for ever.")]
ListenAt = Annotated[str, typer.Option(help="Where to listen for workers; * = everywhere.")]
MasterAt = Annotated[str, typer.Option(help="The master's.")]
Port = Annotated[int, typer.Option(min=1, max=65535)]
WebPort = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Serve Locust's page, which starts runs, instead of one run.")
]

# Its metrics, and those of GPUs
MetricsPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, envvar="TOKENSWARM_METRICS_PORT", help="Serve /metrics there while it lasts."),
]
Pushgateway = Annotated[
    str,
    typer.Option(envvar="TOKENSWARM_PUSHGATEWAY", help="Push metrics to this Pushgateway; TOKENSWARM_PUSH_* say how."),
]
RemoteWrite = Annotated[
    str, typer.Option(envvar="TOKENSWARM_REMOTE_WRITE", help="Send metrics to this Prometheus by remote-write.")
]
Engine = Annotated[str, typer.Argument(help="With --simulated: the engine's URL.", metavar="[URL]")]
Host = Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 = for other machines too.")]
FreePort = Annotated[int, typer.Option(min=0, max=65535, help="0 = a free one.")]
Once = Annotated[bool, typer.Option("--once", help="Print the metrics and exit.")]
Simulated = Annotated[bool, typer.Option("--simulated", help="A simulated GPU under the load of the simulator at URL.")]
FastHz = Annotated[float, typer.Option(min=0.1, max=20, help="Utilization, memory, power, clocks: per second.")]
SlowHz = Annotated[float, typer.Option(min=0.01, max=5, help="PCIe, NVLink, ECC, processes: per second.")]

# Reports
Runs = Annotated[list[Path], typer.Argument(help="Run directories.", metavar="RUN...")]
RunDirectory = Annotated[Path, typer.Argument(help="A run directory.", metavar="RUN")]
Base = Annotated[Path, typer.Argument(help="A run directory.", metavar="BASE")]
Candidate = Annotated[Path, typer.Argument(help="Another one.", metavar="CANDIDATE")]
ArmOf = Annotated[str | None, typer.Option(help="Which arm of both, where they have several in common.")]
Differs = Annotated[
    list[str],
    typer.Option(help="What is under test: scenario, server, gpu, clock, generator, or a key.", metavar="KIND"),
]
To = Annotated[
    Literal["csv", "xlsx", "parquet", "llm-d"],
    typer.Option(help="A file (or sheet) for each table, or a Benchmark Report v0.2 of llm-d for each point."),
]
ExportOut = Annotated[
    Path | None, typer.Option("--out", help="The folder; default RUN/export/FORMAT.", metavar="FOLDER")
]
Markdown = Annotated[
    Path | None, typer.Option(help="Write it there too: Markdown, or a page where it ends in .html.", metavar="FILE")
]
RunsDirectory = Annotated[Path, typer.Argument(help="Where the runs are, at any depth.", metavar="DIR")]
VerdictFile = Annotated[
    Path | None,
    typer.Option(
        envvar="TOKENSWARM_VERDICT_FILE", help="Write the (last run's) verdict there, in a few lines.", metavar="FILE"
    ),
]
Keep = Annotated[int, typer.Option(min=1, help="How many of the newest runs stay.")]
NightRuns = Annotated[Path, typer.Option(help="The directory of all nights' runs.")]

# The client's own error
Streams = Annotated[int, typer.Option(min=1, help="Streams at once.")]
GapMs = Annotated[float, typer.Option(min=0.1, help="Milliseconds between the tokens of a stream.")]
Seconds = Annotated[float, typer.Option(min=1, help="Length of each measurement.")]
