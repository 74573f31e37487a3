"""Charts as inline SVG."""

import re
import xml.etree.ElementTree as ET

import pytest
import samples

from reports import charts, effects
from reports.heat import heat_maps
from reports.law_line import law_lines
from reports.prominent import prominent

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


def grown(*arms):
    """What a ladder of these arms tells of its growth: one law for all."""
    known = {"lambda": 0.4, "sigma": 0.03, "kappa": 0.0002}
    return [{"arm": arm, "cell": samples.cell("medium/medium"), "gains": [], "law": known} for arm in arms]


def test_the_law_is_drawn_in_the_unit_of_its_chart():
    """The law is of requests, the chart of their tokens: at each load 256 tokens times the law, from end to end."""
    points = ladder(["service"])
    (line,) = law_lines(points, {"service": grown("service")[0]["law"], "gone": {}}).values()

    assert (line[0][0], line[-1][0]) == (pytest.approx(1), pytest.approx(32))
    assert line[0][1] == pytest.approx(256 * 0.4)
    assert line[-1][1] == pytest.approx(256 * 0.4 * 32 / (1 + 0.03 * 31 + 0.0002 * 32 * 31))
    assert law_lines([{**points[0], "throughput": {"requests": 0.0, "output_tokens": 5.0}}], {"service": {}}) == {}


@pytest.mark.parametrize(("arms", "lines"), [(("a",), 1), (("a", "b"), 2), (("a", "b", "c"), 0)])
def test_the_law_is_drawn_for_two_arms_at_most(arms, lines):
    """A thin line for each of one or two arms, named in the caption; none where it would hide what was measured."""
    ((_, drawn),) = charts.ladders(ladder(arms), samples.manifest(), grown(*arms))

    assert [chart.svg.count('stroke-width="0.8"') for chart in drawn] == [0, 0, 0, lines]
    assert ("Gunther" in drawn[3].title) == bool(lines)


# ---- many arms ----------------------------------------------------------------------------------------------------


def test_of_forty_arms_six_have_a_look_of_their_own():
    """The first, the two fastest and the three slowest are told apart; the others are faint lines behind them."""
    summary = samples.forty_arms()
    shown = prominent(summary["points"], list(samples.FORTY))

    ((_, drawn),) = charts.ladders(summary["points"], samples.manifest(samples.FORTY))
    names = [name for name, _ in charts.legend(shown, 34)]

    assert shown == ["baseline", *(f"quantized-{i}" for i in ("01", "02", "37", "38", "39"))]
    assert names[-1] == "34 other arms"
    assert drawn[0].svg.count('stroke-width="0.8"') == 34
    assert len(drawn[0].svg) < 80_000


def test_every_candidate_has_its_own_effects():
    """Three candidates have a grid each per metric; of forty arms each is a row of one table. None hides another."""
    rows = samples.forty_arms()["comparisons"]
    few = [row for row in rows if row["arms"][1] in samples.FORTY[1:4]]

    grids, tables = effects.effect_maps(few), effects.effect_maps(rows)

    assert [grid.caption for grid in grids[:3]] == [f"TTFT, {arm}" for arm in samples.FORTY[1:4]]
    assert [table.caption for table in tables] == ["TTFT", "TPOT", "E2E", "good requests/s"]
    assert [row[0].text for row in tables[0].rows] == list(samples.FORTY[1:])
    assert tables[0].rows[0][1].text == "−10.0 %"
    assert tables[0].rows[-1][1].tone == "bad"


def test_of_many_comparisons_the_proven_come_first():
    """A table of comparisons is never endless: losses first, then gains, and how many are left out is said."""
    rows = samples.forty_arms()["comparisons"]
    table = effects.comparisons_table(rows)
    words = [row[-1].text for row in table.rows]

    assert len(words) == effects.MOST_ROWS
    assert words == sorted(words, key=["worse", "better", "inconclusive", "same"].index)
    assert table.remark.startswith(f"{len(rows) - effects.MOST_ROWS:,} more")


@pytest.mark.parametrize(
    ("said", "verdict", "shown"),
    [(12, "inconclusive", "12 pairs needed"), (None, "inconclusive", "more than 200 pairs needed"), (12, "same", None)],
)
def test_what_is_undecided_says_how_many_pairs_would_settle_it(said, verdict, shown):
    """Beside the smallest change that would have been seen; what is decided needs no more."""
    row = {**samples.forty_arms()["comparisons"][0], "verdict": verdict, "pairs_needed": said}
    table = effects.comparisons_table([row])
    at = [column.title for column in table.columns].index("detectable")

    assert table.rows[0][at].detail == shown


def test_costs_have_a_heat_map():
    """Where points have a price, the money per 1,000 good requests has a map beside latency and throughput."""
    summary = samples.ab()
    for point in summary["points"]:
        point["cost"] = {"total": {"per_good_request": 0.002 * point["cell"]["output_tokens"]}}

    maps = heat_maps(summary["points"], 8, "EUR")

    assert maps[-1].title == "EUR per 1,000 good requests"
    assert [row[1].text for row in maps[-1].tables[0].rows] == ["64.0", "64.0", "64.0"]
    assert [shown.shade for shown in maps[-1].tables[0].rows[0][1:]] == [0, 5, 8]
