"""Useless tokens and the score as tables."""

import samples
from pieces import told

from reports.waste_tables import examples, missing, scores_table, waste_table

PART = {
    "name": "gpu",
    "weight": 2.0,
    "of": "GPU per month",
    "baseline": 10.0,
    "candidate": 9.0,
    "ratio": 0.9,
    "score": 79,
}
LEFT = {"name": "energy", "weight": 1.0, "why": "no GPU samples", "advice": "add gpu to the arms"}


def test_what_was_found_stands_above_the_sum():
    """The largest category first, then all together; what has no price says how to give it one."""
    summary = samples.ab() | told()
    table = waste_table(summary)

    assert [(row[0].text, row[1].text) for row in table.rows[:2]] == [
        ("baseline", "over-length"),
        ("baseline", "all together"),
    ]
    assert [shown.text for shown in table.rows[0][3:6]] == ["8 of 200", "31.0", "4.1 %"]
    assert table.rows[0][4].detail == "22.0 to 40.0"
    assert "add [cost.api]" in table.rows[0][6].note
    assert waste_table(samples.one_arm()) is None


def test_a_category_has_its_rule_and_three_examples_of_any_arm():
    """Examples of both arms make one entry, three at most; hostile text is one plain line."""
    summary = samples.ab() | told()
    summary["waste"]["arms"][0]["categories"][0]["examples"] = ["a\x1b[31m\nb\u202ec"]

    ((title, rule, texts),) = examples(summary)

    assert (title, rule) == ("over-length", "ran into max_tokens")
    assert texts == ["a[31m bc"] * 2


def test_what_is_missing_names_the_way():
    """Without tasks there is a sentence in place of the table."""
    summary = samples.one_arm() | {"waste": {"arms": [], "missing": [{"why": "not measured", "advice": "add [tasks]"}]}}

    assert missing(summary) == ["not measured: add [tasks]"]


def test_a_score_shows_its_parts_and_what_is_left_out():
    """The whole with its interval, each part, and each part that was not measured with the way to it."""
    one = {"arms": ["a", "b"], "measured_weight": 0.67, "parts": [PART], "left_out": [LEFT]}

    whole = scores_table([{**one, "score": 79.2, "interval": [70.0, 88.4]}])
    without = scores_table([one])

    assert [row[1].text for row in whole.rows] == ["all together", "gpu", "energy"]
    assert (whole.rows[0][-1].text, whole.rows[0][-1].detail) == ("79", "70 to 88")
    assert "add gpu to the arms" in whole.rows[2][3].text
    assert without.rows[0][-1].note.startswith("only 67 % of the weight")
    assert scores_table([]) is None
