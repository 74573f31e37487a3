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
    "outcome": Definition(
        "outcome",
        "",
        "How a request ended: ok, http_error, rate_limited, server_oom, context_overflow, timeout, connection, "
        "stream_broken, error_in_stream, empty, truncated (by a limit that was not asked for), aborted.",
    ),
}
