"""What the names of the cost section mean (METRICS, cost)."""

from __future__ import annotations

from reports.definitions import Definition

COST_DEFINITIONS: dict[str, Definition] = {
    "month": Definition(
        "bill of a month",
        "API + GPUs + electricity + people + other",
        "730 hours at the scenario's traffic. The ends below it are of the capacity (from the measured rung to the "
        "next one) and of the tokens' 95 % interval. A kind that has no figure is left out and named: it is not free.",
    ),
    "replicas": Definition(
        "replicas",
        "requests per month / (730 × 3600) × peak factor / (capacity × headroom)",
        "What the peak takes. A change is judged on the fraction: rounding up may hide 20 % or turn 1 % into 50 %. "
        "The bill is of whole ones, min_replicas or more; with autoscaling those of the mean rate are paid for.",
    ),
    "replica_capacity": Definition(
        "capacity of a replica",
        "good requests per second at the highest rung that meets the SLO / replicas",
        "Below it: from the 95 % lower bound over blocks to the rate of the next rung, where the SLO is no longer met; "
        "unknown where no higher rung was measured.",
    ),
    "used_share": Definition(
        "used share",
        "good requests per second at the operating point / capacity",
        "How much of what is paid for works at the operating point; idle is the money of the rest. It is not what a "
        "GPU calls utilization, which is near 100 % with a single request.",
    ),
    "api_cost": Definition(
        "API money",
        "input × price + cached input × its price + output × price + requests × price",
        "Of tasks alone, failed requests included; per good request it is the same money over fewer requests. Cached "
        "tokens without a price of their own cost as others do. Reasoning is output.",
    ),
    "gpu_cost": Definition(
        "money per request",
        "price of all GPUs per second / requests per second",
        "GPUs are paid for whether they work or not, so a busier replica's requests are cheaper. Of owned GPUs the "
        "electricity is added; tasks have their API money added.",
    ),
    "energy": Definition(
        "energy",
        "(GPUs + host) × PUE",
        "The GPUs' joules are their counters', else their integrated power, else limit × busy, else what the scenario "
        "states; the last two are assumed, and said to be. The host's watts are the scenario's. A rent includes it.",
    ),
    "cost_increase": Definition(
        "cost of the change",
        "candidate / baseline − 1, of the months that are judged",
        "The interval is Student's t over pairs of blocks where both capacities were measured at the same loads; else "
        "it is made of both capacities' intervals.",
    ),
    "payback": Definition("payback", "once / saved a month", "How long until what is saved has paid for adopting it."),
    "break_even": Definition(
        "break-even",
        "difference of fixed money / difference of money per request",
        "The traffic at which both arms cost the same, on fractional replicas.",
    ),
    "sensitivity": Definition(
        "sensitivity",
        "",
        "By how much an assumption would have to differ to make a claim false. A factor near 1 is a claim to doubt.",
    ),
}
