"""What the names of unusual requests, of growth and of the tokens' two counts mean (METRICS, statistics)."""

from __future__ import annotations

from reports.definitions import Definition

UNUSUAL_DEFINITIONS: dict[str, Definition] = {
    "anomaly": Definition(
        "unusual request",
        "|0.6745 × (ln value − median) / MAD| > 3.5",
        "A value of one ok request against the others of its step (modified z-score of the log, Iglewicz and Hoaglin "
        "1993); MAD is the median distance from the median. Where more than half are equal, any difference is unusual. "
        "Looked at: TTFT, TPOT, E2E, and of tasks the length of the answer, in steps of 20 requests or more. At most "
        "20 are listed. Of normal logs chance alone shows one in 2,150; latencies have heavier tails and show more.",
    ),
    "tokens_sent": Definition(
        "consumption",
        "sum over the rows of requests sent in windows",
        "What the measured requests used, whenever their tokens arrived; cost per request is made of it.",
    ),
    "tokens_arrived": Definition(
        "arrived in windows",
        "output: each chunk's share of its reply's tokens; input: at the first token",
        "What the service did while the windows were open, of any request; throughput is this by the windows' length. "
        "It is more or less than consumption by the requests that span an edge. Added up from the rows and, "
        "independently, by the workers while the run lasted: both must agree within 0.1 %.",
    ),
    "growth": Definition(
        "gain per doubling",
        "(throughput at the next rung / throughput)^(1 / log2(users at the next rung / users))",
        "How many times as many ok requests per second twice as many users bring: 2 is perfect, 1 is saturation. The "
        "interval is 95 %, Student t over the blocks' logs.",
    ),
    "growth_knee": Definition(
        "knee of the ladder",
        "",
        "The first rung from which a doubling of users brings less than 1.2 times the throughput. The thin line "
        "beside it is Gunther's universal scalability law, λn / (1 + σ(n − 1) + κn(n − 1)), fitted to ok requests per "
        "second and drawn at the tokens of a request: it judges nothing. It stands where one or two arms are drawn.",
    ),
}
