"""Arms with api = "json": the template and the paths are checked before anything is sent; APIs without output."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.load import ScenarioError, load_scenario, scenario_from_wire, scenario_to_wire

ARM = """
[arms.a]
url = "http://127.0.0.1:1/predict"
api = "json"
"""
BODY = 'body = \'{"q": "{{prompt}}", "n": {{max_tokens}}}\'\n'
TABLE = ARM + "[arms.a.json]\n" + BODY


def load(tmp_path: Path, text: str) -> object:
    """The scenario in a file with this text."""
    (tmp_path / "x.toml").write_text(text)
    return load_scenario(tmp_path / "x.toml")


def test_a_mapping_is_kept(tmp_path: Path) -> None:
    """What the file says is in the scenario and survives run.json."""
    scenario = load(tmp_path, TABLE + 'text = "a.0.b"\nstream = "ndjson"\n')
    mapping = scenario.arms["a"].json

    assert (mapping.text, mapping.stream, mapping.error) == ("a.0.b", "ndjson", "error")
    assert scenario_from_wire(scenario_to_wire(scenario)) == scenario


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (ARM, "arms.a.json is missing: expected a table with body and text"),
        (TABLE, "arms.a.json.text is missing"),
        (TABLE + "text = ''", "arms.a.json.text = '': expected where the text is"),
        (TABLE + "text = 'a..b'", "arms.a.json.text = 'a..b': expected keys with dots between"),
        (TABLE + "text = 'a'\nfinish = '.'", "arms.a.json.finish = '.': expected keys with dots between"),
        (TABLE.replace("{{prompt}}", "hello") + "text = 'a'", 'expected a JSON text with "{{prompt}}" in it'),
        (
            TABLE.replace("max_tokens", "max_token") + "text = 'a'",
            "{{max_token}} is no place; did you mean max_tokens?",
        ),
        (TABLE.replace('"{{prompt}}"', "{{prompt}}") + "text = 'a'", "no JSON once its places are filled"),
        (
            TABLE.replace("[arms.a.json]", "extra_body = {t = 0}\n[arms.a.json]") + "text = 'a'",
            "write it into json.body",
        ),
        (TABLE.replace('"json"', '"openai-chat"') + "text = 'a'", 'goes with api = "json", not with "openai-chat"'),
        (TABLE + "text = 'a'\nstream = 'yes'", "arms.a.json.stream"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused(tmp_path: Path, text: str, line: str) -> None:
    """One line with the key and what is accepted."""
    with pytest.raises(ScenarioError) as refused:
        load(tmp_path, text)

    assert line.replace("'", '"') in str(refused.value).replace("'", '"')
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("api", "cells"), [("rerank", 3), ("openai-embeddings", 3), ("openai-chat", 9)])
def test_apis_without_output_have_one_size_of_it(tmp_path: Path, api: str, cells: int) -> None:
    """Vectors and scores have no length: the matrix is one of input sizes, unless the file gives sizes of output."""
    arm = f'[arms.a]\nurl = "http://127.0.0.1:1"\napi = "{api}"\n'

    assert len(load(tmp_path, arm).matrix.cells) == cells
    assert len(load(tmp_path, arm + "[matrix]\noutput = {a = 1, b = 2}\n").matrix.cells) == 6
