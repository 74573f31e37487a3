"""What every name in a report means: one place, from METRICS; a page links each name to its entry here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Definition:
    """A name as the report prints it, its formula where it has one, and what to know when reading it."""

    name: str
    formula: str
    meaning: str


DEFINITIONS: dict[str, Definition] = {
    "ttft_s": Definition(
        "TTFT",
        "first − sent",
        "Time to first token: from just before the first byte of the request is written to the arrival of the first "
        "chunk with content, reasoning or a tool call. DNS, connect and TLS are not part of it.",
    ),
    "tpot_s": Definition(
        "TPOT",
        "(last − first) / (n − n_first)",
        "Time per output token after the first: n is the number of output tokens, n_first those of the first chunk. "
        "Absent for replies of one token or that came in one piece.",
    ),
    "s_per_1k_chars": Definition(
        "time per 1,000 characters",
        "1000 × (last − first) / output characters",
        "Mean over ok requests of the time in which a reply of 1,000 characters (text, reasoning, tool calls) would be "
        "written. It is compared in place of TPOT, and of E2E of forced lengths, where two arms count the same text "
        "differently by more than 1 %: their tokens are not of one size. The count for equal text is the server's own "
        "for the same prompts; a template that adds as many tokens to each of them is no other tokenizer. Not "
        "streamed: E2E stands for last − first, so the prompt's time is part of it.",
    ),
    "text_dependent": Definition(
        "speed that depends on the text",
        "",
        "Speculative decoding is as fast as the text is predictable, a prefix cache as the prompts repeat: the "
        "matrix's prose, new in every prompt, is not yours. Seen by tokens per chunk of one arm above 1.2 while the "
        "other's are not, or 20 % more; and by cached shares of the input that differ by more than a point. Then TTFT, "
        "TPOT and E2E of the matrix carry a warning, and are gated on tasks where those can be compared. Mixtures of "
        "experts also depend on the text, and cannot be seen from outside: judge them by tasks yourself.",
    ),
    "gap_s": Definition(
        "gap",
        "time between consecutive content chunks",
        "Inter-chunk latency, one value per chunk (others call it ITL). Gaps inside a read that came late are counted "
        "as censored and left out, never invented. Quantiles have a relative error of at most 0.5 %.",
    ),
    "efficiency": Definition(
        "efficiency",
        "(capacity / replicas) / (capacity / replicas of the arm with the fewest)",
        "What a replica carries beside others, against one of the smallest arm; 100 % is perfect. Without a search it "
        "is of the ok requests per second at the same load per replica. The interval is of the mean over blocks; of a "
        "single block it is made of the intervals of both knees, and without those there is none.",
    ),
    "imbalance": Definition(
        "busiest / mean",
        "requests of the busiest replica / (requests / replicas)",
        "1 is even. Replicas that served nothing count as well, when the scenario says how many there are. Marked when "
        "above 1.2 and beyond what an even balancer does once in a thousand times (chi-squared).",
    ),
    "knee": Definition(
        "knee",
        "chance to meet the SLO at load x = 1 / (1 + exp(−1.7 ln(knee / x) / s))",
        "The load up to which a service meets its SLO, as a search finds it. The same service meets it at one load in "
        "one minute and misses it in the next, so the knee is estimated together with the noise s between probes (the "
        "standard deviation of its logarithm); the interval holds it with 90 %. A load is met, or missed, when all "
        "probes together make that 95 % certain; what a probe says counts by how sure its own requests make it. A "
        "probe that was invalid says nothing.",
    ),
    "recovery": Definition(
        "recovery",
        "from what was done to the first bin from which all are well for [soak] hold",
        "Time is cut into bins of about 20 requests. A bin is ill when its requests prove (95 %) that fewer are good "
        "than must be; without an SLO when fewer are ok than before, or its mean E2E is beyond the median of the bins "
        "before by four robust standard deviations; and when nothing was sent in it, since all users hang. An illness "
        "that begins later than hold after something was done is not put down to it.",
    ),
    "budget": Definition(
        "error budget",
        "requests that are not good / (requests sent × (1 − attain))",
        "100 % is all that the SLO allows for the time of the soak.",
    ),
    "drift": Definition(
        "drift",
        "slope of ln(mean of a block) over time, as a change per hour",
        "Of ten blocks of the time in which the service was not recovering from anything, with the 95 % interval of "
        "the slope. It needs two minutes or more.",
    ),
    "cached_share": Definition(
        "cached",
        "cached input tokens / input tokens",
        "Share of a prompt that the service had from earlier ones, by its usage. Uncached: the same turn of "
        "conversations that begin anew in every turn, so that nothing of them can be cached. Saved: the difference of "
        "their mean TTFTs in the same step, with its interval over blocks.",
    ),
    "switching": Definition(
        "switching cost",
        "TTFT after another model’s request − TTFT after its own",
        "What it takes an endpoint with several models or adapters to change between them: within each model, by the "
        "order of sending, averaged by how often it was switched to; the interval is over blocks. Exact where one user "
        "sends one request after the other; with more users their requests run side by side, and it is marked so.",
    ),
    "server_running": Definition(
        "requests in the engine",
        "",
        "Running, waiting and preempted as the engine's own /metrics tells them, over all its instances; means over "
        "the samples of a window. Requests of others are among them.",
    ),
    "prefix_hits": Definition(
        "prefix hits", "Δ hits / Δ queries", "Share of the tokens looked up in the engine's prefix cache that it had."
    ),
    "kv_used": Definition(
        "KV used",
        "blocks in use / blocks of the pool",
        "The engine's KV memory that is allocated to sequences: the mean over a window's samples and the highest. "
        "A slot engine (llama.cpp) allocates all of it: slots × context. "
        "Reserved: what the engine takes of the GPU's memory for weights and pool, as it is configured.",
    ),
    "kv_fragmentation": Definition(
        "internal fragmentation",
        "1 − live / allocated",
        "Part of the allocated KV memory that holds no token. Live, as a share of the pool: prompt and what was "
        "generated so far, of our requests past their first token. Only where nothing waited, was preempted or shared, "
        "on one engine, from 10 samples on. Beside it what paging implies: the unused ends of last blocks, "
        "Σ(⌈L/b⌉·b − L) / Σ⌈L/b⌉·b. A slot engine's blocks are its slots: b is the context of one.",
    ),
    "gpu_busy": Definition(
        "GPU busy",
        "",
        "Share of time in which any kernel ran (NVML's utilization): near 100 % at one request, so it is no measure of "
        "use. Memory is the highest share of the fullest GPU; clocks are held down by power, heat or their limits.",
    ),
    "gpu_energy": Definition(
        "GPU energy",
        "counter at the window's end − at its begin",
        "Joules of all GPUs in the window from their energy counters, else the integral of their power; the host's own "
        "is not in it. Per output token that arrived in the window.",
    ),
    "e2e_s": Definition("E2E", "last − sent", "From sending the request to its last content chunk."),
    "stages": Definition(
        "stages",
        "end − sent = sum of the stages + unexplained",
        "Parts of a request's time as the service tells them: Server-Timing (header or trailer), named headers, fields "
        "of the reply. Figures are of the ok replies that tell the stage; shares are of the whole time of the replies "
        "that lost none on the way. The rest is unexplained: the network, a proxy, work that nobody timed. Stages that "
        "overlap or contain each other add up to more than the whole; that is said and not clipped.",
    ),
    "isolation": Definition(
        "processing time",
        "end of the service’s reply − end of the model’s, same prompt",
        "Pairs of the same turn of the same block and cell at 1 user, where nobody else’s request is in the way; the "
        "interval is 95 %, Student t over block means. More input tokens: what the service adds to the prompt (by "
        "usage, of all its calls) × the model’s time for an input token, the slope of its TTFT between input sizes. "
        "More output tokens: likewise × the model’s TPOT. Own work is the rest. At higher rungs other requests wait in "
        "the same queue: there the difference is called service effect. Nothing of this is gated.",
    ),
    "life": Definition(
        "warm-up, cool-down, clean-up",
        "",
        "Warm-up: how much longer the first request of a visit takes, which is alone and comes after idle, than the "
        "median of those after it at 1 user; 95 % interval over visits. Cool-down: at most so long after the last "
        "request of a visit nothing ran or waited in the engine (the first sample that shows it). Clean-up: KV memory "
        "in use at rest, at the end against before the first request; more of it is not given back.",
    ),
    "fan_out": Definition(
        "model calls",
        "",
        "Calls that the service makes to models for one request, with the tokens of all of them, as each reply tells; "
        "or as the engine's counters grew in the windows, divided by our requests, when nobody else was served. At "
        "once: calls in the engine (running and waiting, sampled) per request in flight; above 1: side by side.",
    ),
    "schedule_lag_s": Definition(
        "schedule lag", "sent − due", "Open loop: how late the generator itself sent a request. Never called queue."
    ),
    "output_tokens": Definition(
        "output tokens/s",
        "tokens that arrived in the window / window",
        "Tokens are credited at their time of arrival, so requests that span the window's edges count in part.",
    ),
    "good": Definition(
        "good share",
        "good / sent",
        "A request is good when it is ok and within every limit of the SLO. Failed and aborted requests stay in the "
        "denominator.",
    ),
    "good_per_s": Definition("good requests/s", "good requests / window", "Goodput: what the service did in time."),
    "mean": Definition(
        "mean",
        "",
        "Mean over ok requests; ± is half its 95 % interval over blocks (Student t), when there are several.",
    ),
    "quantile": Definition(
        "p50, p95, p99",
        "",
        "Quantiles over all requests sent in the window, blocks pooled. Failed, timed out and aborted requests count "
        "as infinitely slow: a quantile that falls there is printed “> timeout”. Printed only if n(1 − q) ≥ 5: "
        "p95 needs 100 requests, p99 needs 500.",
    ),
    "cell": Definition("cell", "", "One input size crossed with one output size, written input/output."),
    "rung": Definition("rung", "", "A number of users at once on the ladder; each user waits for its reply."),
    "at": Definition("operating point", "", "The rung at which limits are judged and cells are compared."),
    "blocks": Definition(
        "valid blocks",
        "",
        "A block visits every point once; blocks are the unit of analysis. An invalid step leaves its block out.",
    ),
    "ratio": Definition(
        "change",
        "exp(mean over pairs of ln(candidate / baseline)) − 1",
        "A pair is the same point measured on both arms minutes apart. The interval is 95 %, Student t on pairs − 1.",
    ),
    "p_adjusted": Definition(
        "p",
        "",
        "One-sided p in the direction of the change, of a moderated t (Smyth 2004: the spread of few blocks is weighed "
        "with those of the metric's other points, where there are four or more), Holm-adjusted over all gated ones.",
    ),
    "mde": Definition(
        "detectable",
        "",
        "The smallest change that these pairs show with a probability of 0.8; beside it, where they settled nothing, "
        "how many pairs of this spread would show the threshold.",
    ),
    "verdict": Definition(
        "verdict",
        "",
        "worse: proven, and larger than the threshold. better: the mirror image. same: the 90 % interval lies inside "
        "the threshold band. inconclusive: none of these. A run fails by what is worse at p < 0.001 with every pair "
        "beyond the threshold (of ten or more, nine in ten); worse but short of that, it neither passes nor fails. Of "
        "runs of identical arms about one in ten thousand fails.",
    ),
    "capacity": Definition(
        "capacity", "", "The highest rung that meets the SLO, printed as the interval from that rung to the next."
    ),
    "slo": Definition(
        "SLO",
        "",
        "Met when the lower 95 % bound of good / sent reaches the share asked for; breached when the upper bound is "
        "below it; otherwise undecided. Judged at rungs up to the operating point only.",
    ),
    "clock": Definition(
        "clock",
        "",
        "Where receive times come from: kernel (stamped when the segment arrived), user (when we read it), or mixed.",
    ),
    "lag": Definition("lag", "read − kernel stamp", "How long a segment waited for us. It is not part of any latency."),
    "uncertainty": Definition(
        "uncertainty", "", "How much earlier the first token may have arrived than its stamp says; 99th percentile."
    ),
    "coalesced_share": Definition(
        "censored gaps", "", "Share of gaps inside reads that came so late that the gap is not known to 1 ms."
    ),
    "in_flight": Definition(
        "in flight",
        "sum of overlaps of [sent, end] with the window / window",
        "Mean number of requests in flight; in closed loop within 2 % of the target.",
    ),
    "bunching": Definition(
        "bunching",
        "",
        "Share of requests sent within one TTFT of at least a quarter of the others. Above 0.5: lockstep.",
    ),
    "tokens": Definition(
        "tokens", "", "As counted by the server's usage, or by the client's tokenizer where the report says so."
    ),
    "identity": Definition(
        "accounting", "sent = ok + failed + aborted", "Every request sent in a window is accounted for."
    ),
}


def name_of(metric: str) -> str:
    """The printed name of a metric of summary.json."""
    return DEFINITIONS[metric].name if metric in DEFINITIONS else metric
