"""PromQL as text, of what a run, an engine and a GPU expose. Pure.

Names come from the exporters' own tables, so that a metric cannot change its name without its panels. The label `run`
is there on pushed series alone; on scraped ones the run is what their process says at that time.
"""

from __future__ import annotations

from typing import Final

from exporters.exposition import Field
from exporters.server import ENGINE
from exporters.swarm_fields import MASTER, swarm_fields

SWARM: Final = swarm_fields(MASTER)
OF_RUN: Final = 'run=~"$run|"'
ARM: Final = 'arm=~"$arm"'
HOST: Final = 'Hostname=~"$host"'
RATE: Final = "[$__rate_interval]"  # Grafana's: at least four scrape intervals
THE_RUN: Final = f'{SWARM.run.name}{{run=~"$run"}}'


def series(field: Field | str, *matchers: str) -> str:
    """The series of a name in the chosen run, if they say so."""
    name = field if isinstance(field, str) else field.name
    return name + "{" + ",".join((*matchers, OF_RUN)) + "}"


def kept(vector: str) -> str:
    """Of a vector, what was exposed by the chosen run's processes while it lasted."""
    return f"({vector} and on(job, instance) {THE_RUN})"


def rate(field: Field | str, *matchers: str) -> str:
    """A counter of the chosen run and arms, per second."""
    return kept(f"rate({series(field, ARM, *matchers)}{RATE})")


def quantile(q: float, field: Field) -> str:
    """A quantile of a histogram by arm, over the last scrapes."""
    return f"histogram_quantile({q:g}, sum by (arm, le) {rate(f'{field.name}_bucket')})"


def measured(vector: str) -> str:
    """One value, at each step in whose window it was taken. Lanes that are measured at once get the same value."""
    window = series(SWARM.phase, 'phase="window"')
    step = kept(f"({series(SWARM.step, ARM)} and on(job, instance) {window})")
    return f"{vector} * on() group_right() max by (arm, cell, rung) {step}"


def engine(figure: str) -> str:
    """A figure of the engines now, by instance, whichever of the names that the sampler knows they use."""
    wanted = ENGINE[figure]
    together = "avg" if wanted.together == "mean" else "sum"
    return f'{together} by (instance) ({{__name__=~"{"|".join(wanted.names)}",instance=~"$engine"}})'


def engine_rate(figure: str) -> str:
    """A counter of the engines per second, by instance, likewise."""
    one = 'sum by (instance) (rate({name}{{instance=~"$engine"}}{rate}))'
    return "(" + " or ".join(one.format(name=name, rate=RATE) for name in ENGINE[figure].names) + ")"


def gpu(field: Field) -> str:
    """A reading of each GPU and MIG slice."""
    return f"max by (Hostname, gpu, GPU_I_ID) ({field.name}{{{HOST}}})"
