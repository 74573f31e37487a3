"""What the plain names in the heads of tables mean: those that are no metric, and no part of one."""

from __future__ import annotations

from reports.definitions import Definition

TABLE_DEFINITIONS: dict[str, Definition] = {
    "load": Definition(
        "load", "", "Users at once, each of whom waits for its reply; with an open loop requests per second, as due."
    ),
    "requests": Definition(
        "requests",
        "",
        "Those that were sent in the windows of what the row names, whatever became of them; a share is of those sent.",
    ),
    "metric": Definition("metric", "", "What was measured. Each has an entry here under its own name."),
    "gated": Definition(
        "gated", "", "Whether a change that is proven worse fails the run. Others are shown with their interval only."
    ),
    "step": Definition("step", "", "One visit of a point: an arm, a cell and a load, in one block."),
    "finish": Definition("finished by", "", "The reason that the service gives for the end of a reply."),
    "bounds": Definition(
        "at least, at most",
        "",
        "Bounds of good / sent, each one-sided 95 % and exact (Clopper and Pearson 1934): together a 90 % interval.",
    ),
    "replies": Definition("replies", "", "Ok replies that tell the figure; the row's figures are of them."),
    "turn": Definition(
        "turn", "", "One message of a conversation with its reply. Every turn sends all turns before it again."
    ),
    "worker": Definition(
        "worker",
        "",
        "A process that sends requests. Users: the most that it had. CPU and the longest stall: its worst step. Reads "
        "late by: the median of each request's longest lag. Clock ahead by: against the master's, with its error.",
    ),
    "engine_phases": Definition(
        "queue, prefill",
        "Δ seconds / Δ requests",
        "Mean seconds of a request in the engine's queue and in its prefill, by its own counters over the window: of "
        "the requests that it told of there, those of others among them; averaged over blocks.",
    ),
    "moved": Definition(
        "moved by",
        "level after / level before − 1",
        "A change point of a point's means over the runs (circular binary segmentation, Olshen and others 2004), at "
        "1 %. Only an A/B comparison in one run proves a change.",
    ),
}
