"""What the names around the measurements mean: arms, levels, outcomes, the parts of a request's time, of a run's."""

from __future__ import annotations

from reports.definitions import Definition

RUN_DEFINITIONS: dict[str, Definition] = {
    "arm": Definition(
        "arm", "", "One of the services, or versions of one, that are compared; the first is the baseline."
    ),
    "level": Definition(
        "level",
        "",
        "cell: a size of prompt and reply, its rungs averaged. rung: one load in it. tasks: your own prompts.",
    ),
    "per_good_request": Definition(
        "cost per 1,000 good requests",
        "1000 × cost of a second / good requests per second",
        "What the GPUs cost at that point, and their electricity where they are owned, over the requests that were ok "
        "and within every limit. API money is of tasks only; people are not in it.",
    ),
    "time": Definition(
        "parts of a request's time",
        "sending + queue + prefill + decode + ending + unexplained = end − sent",
        "Means over the ok requests. Sending: until the kernel took the last byte. Queue and prefill: by the engine's "
        "counters, of the requests that ended in the windows. Decode: last − first. Ending: what came after the last "
        "token (usage, [DONE]). Unexplained: the rest of the time before the first token: the network, what is around "
        "the engine, and the queue where no engine tells of it. Negative: more was told than there was.",
    ),
    "ecdf": Definition(
        "distribution",
        "share of the requests sent with a latency of at most x",
        "From every request, at every fortieth of them. Failed and aborted requests are infinitely slow. For the eye: "
        "only quantiles that stand in a table have enough requests beyond them to be quoted.",
    ),
    "waste": Definition(
        "useless tokens",
        "",
        "Tokens of the tasks that were spent for nothing, by category; the rule of each stands with its examples. The "
        "interval is 95 %, over prompts. No token is counted twice: of a text each rule is credited with what it saves "
        "beyond those before it, in their order; of a request that came to nothing everything is useless, and nothing "
        "within it is counted again. So the categories add up to the sum.",
    ),
    "waste_share": Definition(
        "share of useless tokens", "", "Of all tokens of the requests, or of their input or output where it says so."
    ),
    "score": Definition(
        "score",
        "50 − 50 × ln(candidate / baseline) / ln 1.2, clipped to 0 … 100; the weighted mean of the parts",
        "50 is unchanged, 100 a fifth cheaper. Parts that were not measured are left out and named; below 60 % of the "
        "weight there is no score. Gates outrank it: it decides nothing.",
    ),
    "outcome": Definition(
        "outcome",
        "",
        "How a request ended: ok, http_error, rate_limited, server_oom, context_overflow, timeout, connection, "
        "stream_broken, error_in_stream, empty, truncated (by a limit that was not asked for), aborted.",
    ),
}
