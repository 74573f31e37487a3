"""The dashboard of cost per hour, by prices that are typed in at its top."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from exporters.dashboards.gpu import HOSTS, WATTS
from exporters.dashboards.panels import Choice, Page, Panel, Row
from exporters.dashboards.queries import ARM, SWARM, THE_RUN, kept, rate, series
from exporters.dashboards.swarm import ARMS, OK, OUTPUT, RUN, STEP

PRICES: Final = (
    Choice("gpu_hourly", "A GPU, per hour", number="2.50"),
    Choice("gpus", "GPUs", number="1"),
    Choice("input_price", "1M input tokens", number="0.15"),
    Choice("cached_price", "1M cached tokens", number="0.075"),
    Choice("output_price", "1M output tokens", number="0.60"),
    Choice("kwh_price", "A kWh", number="0.15"),
    Choice("host_watts", "Hosts, W", number="300"),
    Choice("pue", "PUE", number="1.3"),
)
HOUR_S: Final = 3600
GPUS: Final = "$gpu_hourly * $gpus"
ELECTRICITY: Final = f"({WATTS} + $host_watts) / 1000 * $pue * $kwh_price"
STEP_OUTPUT: Final = f"""sum by (arm, cell, rung) {rate(SWARM.tokens, 'type="output"')}"""


def api(tokens: Callable[[str], str]) -> str:
    """What tokens cost by arm, given those of a type. Cached ones are among the input; a type that nobody told is 0
    of it here, so that cached tokens that the service keeps to itself are priced as input."""
    sums = {kind: f"""sum by (arm) {tokens(f'type="{kind}"')}""" for kind in ("input", "cached", "output")}
    cached, output = (f"({sums[kind]} or {sums['input']} * 0)" for kind in ("cached", "output"))
    plain = f"({sums['input']} - {cached})"
    return f"({plain} * $input_price + {cached} * $cached_price + {output} * $output_price) / 1e6"


PER_S: Final = api(lambda kind: rate(SWARM.tokens, kind))
SO_FAR: Final = api(lambda kind: kept(series(SWARM.tokens, ARM, kind)))
RENTED: Final = "A rented GPU's price includes its electricity: add it only to GPUs that you own."
ALONE: Final = "As if the GPUs served this arm alone."

_HOUR: Final = Row(
    "Per hour, in the currency of the prices above",
    (
        Panel("API", "short", "Tokens x their prices, at the present rate.", {"{{arm}}": f"{PER_S} * {HOUR_S}"}),
        Panel(
            "GPU",
            "short",
            "GPUs x their price, idle or not, while the run lasts.",
            {"GPUs": f"{GPUS} * max by (run) ({THE_RUN})"},
        ),
        Panel("Electricity", "short", f"(GPUs + hosts) x PUE x price. {RENTED}", {"electricity": ELECTRICITY}),
    ),
)

_UNIT: Final = Row(
    "Per unit of work",
    (
        Panel(
            "GPU cost of 1M output tokens",
            "short",
            ALONE,
            {"{{arm}}": f"{GPUS} / ({OUTPUT} * {HOUR_S} > 0) * 1e6"},
        ),
        Panel("GPU cost of 1,000 ok requests", "short", ALONE, {"{{arm}}": f"{GPUS} / ({OK} * {HOUR_S} > 0) * 1000"}),
        Panel(
            "Electricity of 1M output tokens",
            "short",
            RENTED,
            {"all arms": f"{ELECTRICITY} / (sum({OUTPUT}) * {HOUR_S} > 0) * 1e6"},
        ),
        Panel(
            "GPU cost of 1M output tokens, by step",
            "short",
            "It falls with the rung until the batch is full.",
            {STEP: f"{GPUS} / ({STEP_OUTPUT} * {HOUR_S} > 0) * 1e6"},
        ),
        Panel(
            "API cost of 1,000 ok requests",
            "short",
            "All tokens / requests that were ok.",
            {"{{arm}}": f"{PER_S} / ({OK} > 0) * 1000"},
        ),
        Panel("API cost of the run so far", "short", "All its tokens, warm-ups too.", {"{{arm}}": SO_FAR}),
    ),
)

PAGE: Final = Page(
    uid="tokenswarm-cost",
    title="tokenswarm: cost per hour",
    what="What a run costs while it lasts, by prices that you type in. The report has the cost of production.",
    choices=(RUN, ARMS, HOSTS, *PRICES),
    rows=(_HOUR, _UNIT),
)
