import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scenarios.load import ScenarioError, load_scenario, scenario_from_wire, scenario_of, scenario_to_wire
from scenarios.wrong import Wrong

PRESETS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.toml"))

ONE = '[arms.a]\nurl = "http://localhost:1"\n'
TWO = ONE + '[arms.b]\nurl = "http://localhost:2"\n'

DESIGN = """
name = "llama-3.1-8b: speculative decoding"
seed = 7
record = "requests"
[arms.baseline]
url = "http://llm-a:8000"
api = "openai-chat"
model = "llama-3.1-8b"
api_key_env = "LLM_API_KEY"
extra_body = { temperature = 0 }
metrics = ["http://llm-a:8000/metrics"]
gpu = ["http://gpu-node-a:9400/metrics"]
[arms.candidate]
url = "http://llm-b:8000"
model = [{ model = "llama-3.1-8b", weight = 3 }, { model = "draft" }]
[arms.candidate.cost.gpu]
hourly = 2.0
[ladder]
concurrency = "1..32"
at = 8
[matrix]
input  = { short = 128, medium = 1024, long = 4096 }
output = { short = 32, medium = 256, long = 1024 }
cells  = "all"
output_jitter = 0.0
[tasks]
concurrency = 8
requests = 200
max_tokens = 2048
responses = 200
[plan]
design = "cross"
cell = "medium/medium"
blocks = 6
[prompts]
tokenizer = "auto"
shared_prefix = 0.0
[window]
duration = "30s"
turns = 3
min_requests = 20
max = "5m"
retries = 1
[request]
stream = true
timeout = "120s"
first_token_timeout = "60s"
[limits]
max_cost = 25.0
max_duration = "4h"
max_errors = 0.5
worker_grace = "30s"
[slo]
ttft = "500ms"
tpot = "50ms"
attain = 0.95
error_rate = 0.01
[slo.cells."long/*"]
ttft = "2s"
[compare]
baseline = "baseline"
candidate = "candidate"
order = "abba"
threshold = { ttft = 0.10, tpot = 0.05 }
[cost]
currency = "USD"
requests_per_month = 3_000_000
peak_factor = 3
value_per_month = 40_000
max_monthly_cost = 20_000
max_cost_increase = 0.10
weights = { tokens = 1, waste = 1, gpu = 2, energy = 1, people = 1 }
[cost.api]
input = 0.15
cached_input = 0.075
output = 0.60
date = 2026-11-01
[cost.gpu]
hourly = 2.50
gpus_per_replica = 1
replicas = 1
min_replicas = 1
headroom = 0.7
autoscale = false
owned = false
host_watts = 300
[cost.electricity]
per_kwh = 0.15
pue = 1.3
[cost.people]
hourly = 90
adopt_hours = 16
keep_hours_per_month = 4
[cost.other]
once = 0
monthly = 0
"""


@pytest.fixture
def write(tmp_path: Path):
    """Writes a scenario's text (or bytes) and returns its path."""

    def _write(content: str | bytes) -> Path:
        path = tmp_path / "x.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return _write


def line_of(path: Path, overrides: tuple[str, ...] = ()) -> str:
    """The one line that a scenario is refused with, after the file's folder."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path, overrides)
    text = str(caught.value)
    assert "\n" not in text
    assert text.isprintable()
    return text.removeprefix(f"{path.parent}/")


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_every_preset_loads_without_anything_set(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Presets need no environment, point at this machine, take other URLs and begin by teaching."""
    monkeypatch.setattr("os.environ", {})
    scenario = load_scenario(path)
    for name, arm in scenario.arms.items():
        assert arm.url.startswith(("http://localhost:", "http://127.0.0.1:"))
        assert load_scenario(path, [f"arms.{name}.url=https://llm:1"]).arms[name].url == "https://llm:1"
    assert path.read_text().startswith("# ")


def test_the_documented_scenario_loads_with_every_key(write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Format 1 as the design writes it: durations in seconds, rungs doubled, cells crossed, dates as text."""
    monkeypatch.setenv("LLM_API_KEY", "x")
    scenario = load_scenario(write(DESIGN))
    assert scenario.ladder.concurrency == (1, 2, 4, 8, 16, 32)
    assert (scenario.window.duration, scenario.window.max, scenario.limits.max_duration) == (30.0, 300.0, 14400.0)
    assert (scenario.slo.ttft, scenario.slo.cells["long/*"].ttft) == (0.5, 2.0)
    assert [cell.name for cell in scenario.matrix.cells][:2] == ["short/short", "short/medium"]
    assert scenario.cost.api.date == "2026-11-01"
    assert scenario.arms["candidate"].cost.gpu.hourly == 2.0
    assert [model.weight for model in scenario.arms["candidate"].model] == [3.0, 1.0]


def test_defaults_depend_on_the_number_of_arms(write) -> None:
    """One arm: one block and nobody to compare with; two: six blocks, the first is the baseline."""
    one, two = load_scenario(write(ONE)), load_scenario(write(TWO))
    assert (one.plan.blocks, one.compare.baseline, one.compare.candidate) == (1, "", "")
    assert (two.plan.blocks, two.compare.baseline, two.compare.candidate) == (6, "a", "b")
    assert load_scenario(write(ONE), ["plan.blocks=3"]).plan.blocks == 3
    assert load_scenario(write(TWO), ["compare.candidate=a"]).compare.baseline == "b"
    assert load_scenario(write(TWO), ["compare.baseline=b"]).compare.candidate == "a"
    assert one.name == "x"
    assert load_scenario(write(ONE), ["ladder.concurrency=[16, 1, 4]"]).ladder.concurrency == (1, 4, 16)


@pytest.mark.parametrize(
    ("rungs", "at"), [("1..32", 8), ("1..6", 6), ("[16, 32]", 16), ("[3, 7, 9]", 7), ("5", 5), ("12", 12)]
)
def test_the_operating_point_is_the_highest_rung_up_to_8_else_the_lowest(write, rungs: str, at: int) -> None:
    """`at` is always a rung."""
    assert load_scenario(write(ONE), [f"ladder.concurrency={rungs}"]).ladder.at == at


def test_given_sizes_replace_the_defaults_whole(write) -> None:
    """A table of sizes is not merged; the ladder's cell is then the middle one."""
    scenario = load_scenario(write(ONE + "[matrix]\ninput = { tiny = 16, huge = 9000 }\n"))
    assert scenario.matrix.input == {"tiny": 16, "huge": 9000}
    assert len(scenario.matrix.cells) == 6
    assert scenario.plan.cell in {cell.name for cell in scenario.matrix.cells}


def test_chosen_cells_come_in_the_order_of_the_sizes(write) -> None:
    """The order of writing and blanks do not matter; tokens come from the sizes."""
    cells = load_scenario(write(ONE), ['matrix.cells=["long/short", "short / long"]']).matrix.cells
    assert [(cell.name, cell.input_tokens, cell.output_tokens) for cell in cells] == [
        ("short/long", 128, 1024),
        ("long/short", 4096, 32),
    ]


MISTAKES = {
    "typo": (ONE + 'modl = "m"', 'x.toml: arms.a.modl = "m": unknown key; did you mean model? accepted here: url, '),
    "typo above": ("[ladderr]\nat = 1\n" + ONE, 'x.toml: ladderr = {"at": 1}: unknown key; did you mean ladder? '),
    "wrong table": ("blocks = 3\n" + ONE, "x.toml: blocks = 3: unknown key; did you mean plan.blocks? "),
    "wrong type": ("[arms.a]\nurl = 3", "x.toml: arms.a.url = 3: expected a string"),
    "no url": ("[arms.a]\nmodel = 'm'", "x.toml: arms.a.url is missing: expected a string"),
    "no arms": ("name = 'n'", "x.toml: arms is missing: expected a table"),
    "empty arms": ("[arms]", "x.toml: arms = {}: expected at least one entry"),
    "arm is no table": (
        "[arms]\nurl = 'http://x'",
        'x.toml: arms.url = "http://x": expected a table of its own, [arms.NAME]',
    ),
    "item": (
        ONE + "model = [{model = 'm', weight = -1}]",
        "x.toml: arms.a.model[0].weight = -1: expected a number above 0",
    ),
    "pattern's key": (
        ONE + '[slo.cells."long/*"]\nttft = 0',
        'x.toml: slo.cells."long/*".ttft = 0: expected a number of seconds',
    ),
    "duration": (
        ONE + "[window]\nduration = '5 days'",
        'x.toml: window.duration = "5 days": expected a number of seconds',
    ),
    "infinite": (ONE + "[window]\nduration = inf", "x.toml: window.duration = Infinity: expected a number of seconds"),
    "choice": (ONE + "[plan]\ndesign = 'crss'", 'x.toml: plan.design = "crss": expected "cross", "full"'),
    "format": ("format = 2\n" + ONE, "x.toml: format = 2: expected 1"),
    "share": (ONE + "[slo]\nattain = 95", "x.toml: slo.attain = 95: expected a number above 0 to 1"),
    "huge": (
        "seed = 99999999999999999999\n" + ONE,
        "x.toml: seed = 99999999999999999999: expected a whole number from 0 ",
    ),
    "rung": (
        ONE + "[ladder]\nconcurrency = [1, 0]",
        "x.toml: ladder.concurrency[1] = 0: expected a whole number from 1 ",
    ),
    "rung twice": (ONE + "[ladder]\nconcurrency = [4, 4]", "x.toml: ladder.concurrency = [4, 4]: a rung stands "),
    "at": (ONE + "[ladder]\nat = 3", "x.toml: ladder.at = 3: not a rung; accepted here: 1, 2, 4, 8, 16, 32"),
    "scheme": (
        "[arms.a]\nurl = 'ftp://x'",
        'x.toml: arms.a.url = "ftp://x": expected a base URL: "http://HOST:PORT", ',
    ),
    "no scheme": ("[arms.a]\nurl = 'localhost:80'", 'x.toml: arms.a.url = "localhost:80": expected a base URL'),
    "port": ("[arms.a]\nurl = 'http://x:99999'", 'x.toml: arms.a.url = "http://x:99999": expected a base URL'),
    "query": ("[arms.a]\nurl = 'http://x/?a=1'", 'x.toml: arms.a.url = "http://x/?a=1": expected a base URL'),
    "split": (
        '[arms.a]\nurl = "http://x\\r\\nHost: y"',
        'x.toml: arms.a.url = "http://x\\r\\nHost: y": expected a base URL',
    ),
    "api": (ONE + "api = 'openai-chta'", 'x.toml: arms.a.api = "openai-chta": unknown API; did you mean openai-chat? '),
    "header": (ONE + 'headers = { X = "a\\nb" }', "x.toml: arms.a.headers.X: expected printable ASCII on one line"),
    "path": (ONE + "path = 'v1'", 'x.toml: arms.a.path = "v1": expected a path such as "/v1/chat/completions"'),
    "cell": (
        ONE + "[matrix]\ncells = ['short/shrt']",
        'x.toml: matrix.cells[0] = "short/shrt": no such cell; did you mean',
    ),
    "cell twice": (
        ONE + "[matrix]\ncells = ['long/long', 'long/ long']",
        'x.toml: matrix.cells[1] = "long/ long": stands',
    ),
    "no cells": (ONE + "[matrix]\ncells = []", 'x.toml: matrix.cells = []: expected "all", or a list'),
    "cells": (ONE + "[matrix]\ncells = 3", 'x.toml: matrix.cells = 3: expected "all", or a list'),
    "plan cell": (
        ONE + "[plan]\ncell = 'a/b'",
        'x.toml: plan.cell = "a/b": no such cell; accepted here: short/short, ',
    ),
    "size": (ONE + "[matrix]\ninput = { 'a/b' = 100 }", 'x.toml: matrix.input."a/b": a name is 1 to 40 of letters'),
    "no room": (ONE + "[matrix]\ninput = { a = 8 }", "x.toml: matrix.input.a = 8: expected at least 9 tokens"),
    "same in a file name": (
        ONE + "[matrix]\ninput = { a_b = 64, a = 64 }\noutput = { c = 8, b_c = 8 }",
        "x.toml: matrix.cells: a_b/c reads the same as another cell",
    ),
    "arm's case": (ONE + "[arms.A]\nurl = 'http://x'", 'x.toml: arms.A: differs from "a" only in upper and lower case'),
    "arm's name": ("[arms.'../a']\nurl = 'http://x'", 'x.toml: arms."../a": a name is 1 to 40 of letters'),
    "slo pattern": (
        ONE + "[slo.cells.'lng/*']\nttft = 1",
        'x.toml: slo.cells."lng/*": matches no cell; accepted here: ',
    ),
    "arm": (TWO + "[compare]\ncandidate = 'c'", 'x.toml: compare.candidate = "c": no such arm; accepted here: a, b'),
    "one twice": (
        TWO + "[compare]\nbaseline = 'a'\ncandidate = 'a'",
        'x.toml: compare.candidate = "a": is the baseline too',
    ),
    "metric": (
        TWO + "[compare.threshold]\ntfft = 0.1",
        "x.toml: compare.threshold.tfft = 0.1: unknown metric; did you mean ttft? accepted here: ttft, tpot, e2e, good",
    ),
    "threshold": (
        TWO + "[compare]\nthreshold = 5",
        "x.toml: compare.threshold = 5: expected a number above 0 to below 1",
    ),
    "window": (
        ONE + "[window]\nduration = '6m'",
        "x.toml: window.max = 300.0 (the default): expected at least window.duration",
    ),
    "as given": (
        ONE + "[window]\nmax = '10s'",
        'x.toml: window.max = "10s": expected at least window.duration, 30 s',
    ),
    "few tasks": (TWO + "[tasks]\nrequests = 5", "x.toml: tasks.requests = 5: expected at least 6: one for each of"),
    "no file": (
        ONE + "[tasks]\nfile = 'no.jsonl'",
        'x.toml: tasks.file = "no.jsonl": expected a file that can be read (',
    ),
    "key file": (ONE + "api_key_file = 'no'", 'x.toml: arms.a.api_key_file = "no": expected a file that can be read ('),
    "unset": (
        ONE + "api_key_env = 'NO_SUCH_KEY'",
        'x.toml: arms.a.api_key_env = "NO_SUCH_KEY": this environment variable',
    ),
    "max_cost": (
        ONE + "[limits]\nmax_cost = 3",
        "x.toml: limits.max_cost = 3: cannot be held without prices: add [cost.api]",
    ),
    "weight": (
        ONE + "[cost]\nweights = { gpus = 1 }",
        "x.toml: cost.weights.gpus = 1: unknown part; did you mean gpu? ",
    ),
    "arm's cost": (
        ONE + "[arms.a.cost]\ncurrency = 'EUR'",
        'x.toml: arms.a.cost.currency = "EUR": belongs in [cost]; ',
    ),
    "body": (ONE + "extra_body = { a = [nan] }", "x.toml: arms.a.extra_body.a[0] = NaN: expected a finite number"),
    "name": ('name = "a\\nb"\n' + ONE, 'x.toml: name = "a\\nb": expected a printable name'),
    "syntax": ("[arms", "x.toml: not TOML: "),
    "twice": (ONE + ONE, "x.toml: not TOML: Cannot declare ('arms', 'a') twice"),
    "digits": (f"seed = {'9' * 5000}", "x.toml: cannot be read: "),
    "listed price": (
        ONE + "[cost.api]\nsource = 'genai-prices'\nmodel = 'm'",
        "x.toml: cost.api.provider is missing: ",
    ),
    "nesting": ("a = " + "[" * 5000, "x.toml: cannot be read: "),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line_with_key_value_and_what_is_accepted(write, mistake: tuple[str, str]) -> None:
    """Every mistake: one printable line that begins with the file, the dotted key and the value as it was given."""
    text, beginning = mistake
    found = line_of(write(text))
    assert found.startswith(beginning), found


@pytest.mark.parametrize(
    "text",
    [
        ONE + "api_key = 'sk-hush'",
        ONE + "API-Key = 'sk-hush'",
        ONE + "headers = { Authorization = 'Bearer sk-hush' }",
        ONE + "headers = { x-api-key = 'sk-hush' }",
        ONE + "extra_body = { api_key = 'sk-hush' }",
        "[arms.a]\nurl = 'http://me:sk-hush@x'",
        "[arms.a]\nurl = 'http://me:sk-hush@[x'",
        ONE + "proxy = 'http://me:sk-hush@x'",
        "api_key = 'sk-hush'\n" + ONE,
    ],
)
def test_a_literal_secret_is_refused_and_never_shown(write, text: str) -> None:
    """The line names the key and the two ways to give a secret, not the secret."""
    found = line_of(write(text))
    assert "sk-hush" not in found
    assert "api_key_env" in found
    assert "api_key_file" in found


def test_a_secret_on_the_command_line_is_not_shown_either(write) -> None:
    """An override's value is no part of its message."""
    assert line_of(write(ONE), ("arms.a.api_key=sk-hush",)).startswith("--set arms.a.api_key: a secret")


def test_the_value_of_a_key_is_never_in_a_scenario(write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wire has the variable's name only."""
    monkeypatch.setenv("SOME_KEY", "sk-hush")
    wire = json.dumps(scenario_to_wire(load_scenario(write(ONE + "api_key_env = 'SOME_KEY'"))))
    assert "SOME_KEY" in wire
    assert "sk-hush" not in wire


def test_a_mistake_in_an_override_names_the_override(write) -> None:
    """What --set broke is not blamed on the file, and the other way round."""
    assert line_of(write(ONE), ("ladder.at=3",)).startswith("--set ladder.at = 3: not a rung")
    assert line_of(write(ONE), ("laddr.at=3",)).startswith('--set laddr = {"at": 3}: unknown key; did you mean ladder?')
    assert line_of(write(ONE + "[plan]\ncell = 'x/y'"), ("ladder.at=4",)).startswith("x.toml: plan.cell")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"\xff\xfe", "not UTF-8 (byte 1)"), (b"name = '\xe9'", "not UTF-8 (byte 9)")],
)
def test_a_file_that_is_not_utf8_says_so(write, content: bytes, says: str) -> None:
    """The line names the byte."""
    assert line_of(write(content)).startswith(f"x.toml: {says}")


def test_a_byte_order_mark_is_no_mistake(write) -> None:
    """Editors write it; it means nothing."""
    assert load_scenario(write(b"\xef\xbb\xbf" + ONE.encode())).arms["a"].url == "http://localhost:1"


def test_a_missing_file_names_the_presets(tmp_path: Path) -> None:
    """No such file, a folder and an impossible name are a line each."""
    assert "quick.toml" in line_of(tmp_path / "no.toml")
    assert "cannot be read: Is a directory" in line_of(tmp_path)
    assert "cannot be read: " in line_of(tmp_path / "\0")


def test_files_are_found_from_the_scenarios_folder_or_from_here(write, tmp_path, monkeypatch) -> None:
    """A path in the file starts at the file's folder, a path in --set where the command runs; both become absolute."""
    (tmp_path / "mine.jsonl").write_text("{}")
    here = tmp_path / "here"
    here.mkdir()
    (here / "other.jsonl").write_text("{}")
    monkeypatch.chdir(here)
    path = write(ONE + "[tasks]\nfile = 'mine.jsonl'")
    assert load_scenario(path).tasks.file == str(tmp_path / "mine.jsonl")
    assert load_scenario(path, ["tasks.file=other.jsonl"]).tasks.file == str(here / "other.jsonl")


@pytest.mark.parametrize("url", ["http://h", "https://h:8443/v1", "http://[::1]:8000", "unix:/run/llm.sock"])
def test_http_https_and_unix_addresses_are_taken(write, url: str) -> None:
    """What the wire can reach is accepted as it stands."""
    assert load_scenario(write(ONE), [f"arms.a.url={url}"]).arms["a"].url == url


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.dates(),
    st.just("1..8"),
    st.just("30s"),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([
    "name", "seed", "format", "arms.a", "arms.a.url", "arms.a.model", "arms.a.headers", "arms.a.extra_body",
    "arms.a.cost.gpu", "ladder", "ladder.concurrency", "ladder.at", "matrix", "matrix.cells", "matrix.input",
    "matrix.output", "plan", "plan.cell", "plan.blocks", "window.max", "tasks", "tasks.file", "slo", "slo.cells",
    "slo.cells.x", "compare.threshold", "compare.baseline", "cost.api", "cost.requests_per_month",
])  # fmt: skip


def outcome(data: dict[str, Any], path: Path) -> tuple[str | None, Any]:
    """The line that data is refused with, or its scenario."""
    try:
        return None, scenario_of(data, path, [], {})
    except Wrong as wrong:
        return wrong.line("x.toml: ", data), None


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(KEYS, ANYTHING, max_size=3))
def test_whatever_stands_in_a_file_it_loads_or_is_one_line(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Any value anywhere ends in a scenario that survives the wire, or in one printable line."""
    data: dict[str, Any] = {"arms": {"a": {"url": "http://x"}}}
    for key, value in changes.items():
        table, *inner = key.split(".")
        place = data
        for part in inner:
            place = place.setdefault(table, {}) if isinstance(place.get(table, {}), dict) else {}
            table = part
        place[table] = value
    refused, scenario = outcome(data, tmp_path / "x.toml")
    assert refused is None or refused.isprintable()
    if scenario is not None:
        assert scenario_from_wire(json.loads(json.dumps(scenario_to_wire(scenario)))) == scenario


def test_a_wire_of_another_version_is_one_line() -> None:
    """A run written by a version that knows more cannot be read, and says so."""
    with pytest.raises(ScenarioError, match="cannot be read by this version"):
        scenario_from_wire({"name": "x", "arms": {}, "tomorrow": 1})
