"""Charts as inline SVG."""

import re
import xml.etree.ElementTree as ET

import pytest
import samples

from reports import charts

RULES = charts.Rules({"ttft_s": 0.5}, 8)


def ladder(arms=("baseline", "candidate")):
    """A ladder of one cell on these arms."""
    return [samples.point(arm, "medium/medium", c, 1.0) for c in samples.RUNGS for arm in arms]


def test_a_chart_is_well_formed_and_small():
    """Every chart is well-formed XML of at most 50 kB with a fixed view box and no size of its own."""
    for _, drawn in charts.ladders(samples.ab()["points"], samples.manifest()):
        assert [c.title.split(",")[0] for c in drawn] == ["TTFT mean", "TPOT mean", "E2E mean", "Output tokens/s"]
        for chart in drawn:
            root = ET.fromstring(chart.svg)
            assert len(chart.svg) < 50_000
            assert root.attrib["viewBox"] == "0 0 420 260"
            assert "width" not in root.attrib


def test_every_colour_is_the_pages_own():
    """Fills and strokes are CSS variables or nothing, so that a chart follows light, dark and print."""
    chart = charts.latency_chart(ladder(), ["baseline", "candidate"], "ttft_s", RULES)

    colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', chart.svg))

    assert {c for c in colours if not c.startswith("var(--")} <= {"none", "transparent"}
    assert {"var(--arm-1)", "var(--arm-2)", "var(--bad)"} <= colours


def test_arms_differ_without_colour():
    """Two arms have different dashes and different marks."""
    names = ["a", "b", "c", "d", "e", "f"]

    looks = {(str(charts.DASHES[i]), charts.SHAPES[i]) for i in range(len(names))}
    swatches = {re.sub(r"var\(--arm-\d\)", "", svg) for _, svg in charts.legend(names)}

    assert len(looks) == len(swatches) == len(names)


def test_the_axis_is_log_two():
    """Doubling the users moves a mark by the same distance everywhere."""
    chart = charts.latency_chart(ladder(("service",)), ["service"], "ttft_s", charts.Rules({}, None))

    marks = re.findall(r'transform="translate\(([\d.]+),[\d.]+\)" d="M', chart.svg)
    steps = [b - a for a, b in zip(map(float, marks), map(float, marks[1:]), strict=False)]

    assert len(steps) == len(samples.RUNGS) - 1
    assert max(steps) - min(steps) < 0.5


@pytest.mark.parametrize(("limit", "drawn"), [(0.5, True), (60.0, False)])
def test_a_limit_is_drawn_where_it_is_near(limit, drawn):
    """A limit far above the data would flatten it: it is told in words, and drawn only when near."""
    chart = charts.latency_chart(ladder(), ["baseline", "candidate"], "ttft_s", charts.Rules({"ttft_s": limit}, 8))

    assert (">SLO limit<" in chart.svg) == drawn
    assert "SLO limit" in chart.words


def test_the_last_matching_limit_wins_key_by_key():
    """A pattern overrides only the limits that it names."""
    rules = charts.rules_for(samples.manifest(), samples.cell("long/short"))

    assert rules.limits == {"ttft_s": 2.0, "tpot_s": 0.05}
    assert charts.rules_for(samples.manifest(), samples.cell("short/long")).limits["ttft_s"] == 0.5


def test_hostile_arm_names_stay_text():
    """An arm's name cannot end the SVG or start an element, and two names that look equal stay two arms."""
    arms = [samples.INJECTION, samples.INJECTION + "\u200b"]
    points = ladder(tuple(arms))

    chart = charts.latency_chart(points, arms, "ttft_s", RULES)

    ET.fromstring(chart.svg)
    assert "<script" not in chart.svg
    assert len({name for name, _ in charts.legend(arms)}) == 2


def test_nothing_measured_draws_nothing():
    """A metric without a single value has no chart; a cell with one rung has no ladder."""
    assert charts.latency_chart(samples.all_failed()["points"], ["service"], "ttft_s", RULES) is None
    assert charts.ladders(samples.one_step()["points"], samples.manifest()) == []
    assert charts.ladders([], samples.manifest()) == []
    assert charts.ladders(samples.all_failed()["points"], samples.manifest()) == []


def test_a_chart_in_words_says_both_ends():
    """The words name for each arm the first and the last rung with their values."""
    points = [samples.point("service", "medium/medium", c, 1.0) for c in (1, 32)]

    chart = charts.throughput_chart(points, ["service"], RULES)

    assert re.fullmatch(r"service: 107 at 1 to 1,7\d\d at 32\.", chart.words)
