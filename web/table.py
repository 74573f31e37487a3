"""Finished steps as a table: for Locust's own page, and as CSV."""

from __future__ import annotations

from typing import Any

from web.live import SHOWN, Live

TITLE = "LLM steps"
COLUMNS = {
    "step": "Step", "load": "Load", "counts": "Counts", "sent": "Sent", "failed": "Failed",
    "ttft_p50_ms": "TTFT p50 (ms)", "ttft_p95_ms": "TTFT p95 (ms)", "tpot_p50_ms": "TPOT p50 (ms)",
    "tpot_p95_ms": "TPOT p95 (ms)", "e2e_p50_ms": "E2E p50 (ms)", "e2e_p95_ms": "E2E p95 (ms)",
    "output_per_s": "Output tokens/s",
}  # fmt: skip


def rows_of(live: Live) -> list[dict[str, Any]]:
    """One row for each step that is over; milliseconds, as Locust's tables have them."""
    return [_row(step) for step in live.steps]


def _row(step: dict[str, Any]) -> dict[str, Any]:
    latencies = {f"{name}_{q}_ms": _ms(step[name][q]) for name in SHOWN for q in ("p50", "p95", "p99")}
    plain = {key: step[key] for key in ("arm", "cell", "block", "sent", "failed", "good", "output_per_s")}
    counts = "yes" if step["valid"] else "no"
    return {"step": step["id"], "load": step["load"], "counts": counts, "marks": " ".join(step["marks"]), **plain,
            **latencies}  # fmt: skip


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def beside_locust(web_ui: Any, base: str) -> None:
    """What Locust's own page is to show of it: a tab with a table, a file to download, and the way to our page."""
    web_ui.template_args = {
        **web_ui.template_args,
        "extended_tabs": [{"title": TITLE, "key": "llm-steps"}],
        "extended_tables": [
            {"key": "llm-steps", "structure": [{"key": key, "title": title} for key, title in COLUMNS.items()]}
        ],
        "extended_csv_files": [{"href": f"{base}/llm/steps.csv", "title": "Download the steps of the run (CSV)"}],
    }
