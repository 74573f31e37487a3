"""Unusual requests and gains per doubling as people read them."""

from __future__ import annotations

from reports.unusual_tables import unusual_tables

CELL = {"input": "short", "output": "long", "input_tokens": 128, "output_tokens": 1024}
LATE = {"step": "b1-c8", "arm": "a", "metric": "ttft_s", "value": 1.0, "typical": 0.05, "z": 41.0, "request_id": "0-7"}
LONG = {"step": "b1-tasks", "arm": "a", "metric": "output_tokens", "value": 900.0, "typical": 30.0, "text": "a\u202eb"}
KNEE = {"rung": 2, "gain": 1.1, "ci": [1.0, 1.2]}
GROWN = {"arm": "a", "cell": CELL, "gains": [{"from": 1, "to": 2, "gain": 1.9}, {"from": 2, "to": 8, "gain": 1.1}]}


def rows(summary: dict[str, object]) -> dict[str, list[list[str]]]:
    whole = {"anomalies": [], "growth": [], **summary}
    return {table.caption: [[shown.text for shown in row] for row in table.rows] for table in unusual_tables(whole)}


def test_an_unusual_request_is_told_with_what_is_usual() -> None:
    """Durations and token counts in their units, an infinite score as such, foreign text without its controls."""
    counts = {"looked": 4300, "found": 2, "expected": 2.0}
    (found,) = rows({"anomalies": [LATE, LONG], "anomaly_counts": counts}).values()

    assert found[0] == ["0-7", "b1-c8", "TTFT", "1.00 s", "50.0 ms", "×20.0", "41.0", "–"]
    assert found[1] == ["–", "b1-tasks", "output tokens", "900", "30", "×30.0", "∞", "ab"]
    (table,) = unusual_tables({"anomalies": [LATE], "anomaly_counts": counts})
    assert table.remark == (
        "2 of 4,300 values are unlike the others of their step; chance alone shows about 2.0 where logs are normal."
    )


def test_a_ladder_says_where_its_knee_is_or_that_it_has_none() -> None:
    """The rung and the gain there with its interval, then every doubling."""
    (found,) = rows({"growth": [{**GROWN, "knee": KNEE}, GROWN]}).values()

    assert found[0] == ["short/long", "a", "2 users", "×1.10", "1 to 2: ×1.90, 2 to 8: ×1.10"]
    assert found[1][2:4] == ["beyond the ladder", "–"]
    assert rows({}) == {}
