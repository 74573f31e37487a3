"""Which metrics there are for dashboards and rules to ask for, and what a PromQL expression asks for."""

from __future__ import annotations

from typing import Any

import promql_parser

from exporters import gpu_fields, gpu_health, gpu_integral, gpu_xid, own_process, push, swarm_fields
from exporters.exposition import Field
from exporters.server import ENGINE_NAMES, GPU_NAMES

FIELDS = [
    *(field for side in (swarm_fields.MASTER, swarm_fields.WORKER) for field in swarm_fields.swarm_fields(side)),
    *(field for read in gpu_fields.READS for field in read.gives),
    *(
        field
        for module in (gpu_health, gpu_integral, gpu_xid, own_process, push, swarm_fields)
        for field in vars(module).values()
        if isinstance(field, Field)
    ),
]
BUCKETS = {f"{field.name}_bucket" for field in FIELDS if field.kind == "histogram"}
KNOWN = {field.name for field in FIELDS} | BUCKETS | ENGINE_NAMES | GPU_NAMES


def visited(tree: promql_parser.Expr, kind: type) -> list[Any]:
    """The nodes of a kind."""
    found: list[Any] = []
    promql_parser.walk(tree, lambda node: found.append(node) if isinstance(node, kind) else None)
    return found


def names_in(tree: promql_parser.Expr) -> set[str]:
    """The names that an expression selects, also those of a regular expression of whole names."""
    found: set[str] = set()
    for selector in visited(tree, promql_parser.VectorSelector):
        named = [matcher.value for matcher in selector.matchers.matchers if matcher.name == "__name__"]
        found |= {selector.name} if selector.name else set(named[0].split("|"))
    return found


def ranges_in(tree: promql_parser.Expr) -> list[float]:
    """The lengths of all ranges, in seconds."""
    return [selector.range.total_seconds() for selector in visited(tree, promql_parser.MatrixSelector)]
