"""The rules that ship: promtool's unit tests of them, and that none lacks one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tests.exporters.names import KNOWN, names_in, ranges_in

ROOT = Path(__file__).resolve().parent.parent.parent
SHIPPED = ROOT / "helm" / "tokenswarm" / "rules" / "tokenswarm.yml"
TESTS = Path(__file__).with_name("rules_test.yml")
LONGEST_SCRAPE_S = 30
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(SHIPPED.read_text())["groups"] for rule in group["rules"]
]
NAMES = [rule.get("record") or rule["alert"] for rule in RULES]


@pytest.mark.parametrize("words", [("check", "rules", SHIPPED), ("test", "rules", TESTS)], ids=["check", "test"])
def test_promtool_is_content(words: tuple[str | Path, ...]) -> None:
    """`promtool check rules` and `promtool test rules`: each rule gives what its unit tests say."""
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_a_unit_test() -> None:
    """Each alert is tested when it fires and when it does not; each recorded series has values."""
    tests = yaml.safe_load(TESTS.read_text())["tests"]
    alerts = [(one["alertname"], bool(one["exp_alerts"])) for test in tests for one in test.get("alert_rule_test", ())]
    recorded = " ".join(one["expr"] for test in tests for one in test.get("promql_expr_test", ()) if one["exp_samples"])

    assert {(rule["alert"], fires) for rule in RULES if "alert" in rule for fires in (True, False)} == set(alerts)
    assert [rule["record"] for rule in RULES if "record" in rule and rule["record"] not in recorded] == []


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_rule_asks_for_what_there_is_over_four_scrapes(rule: dict[str, Any]) -> None:
    """Every name is one that we, an engine or dcgm-exporter expose, or a rule records; ranges hold four scrapes."""
    tree = promql_parser.parse(rule["expr"])

    assert names_in(tree) <= KNOWN | set(NAMES)
    assert min(ranges_in(tree), default=4 * LONGEST_SCRAPE_S) >= 4 * LONGEST_SCRAPE_S


@pytest.mark.parametrize("rule", [rule for rule in RULES if "alert" in rule], ids=lambda rule: rule["alert"])
def test_an_alert_says_what_happened_and_what_to_do(rule: dict[str, Any]) -> None:
    """A severity, who and what in the summary, and in the description what to do next."""
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert re.search(r"\{\{ \$(labels|value)", rule["annotations"]["summary"])
    assert len(rule["annotations"]["description"]) > 40
