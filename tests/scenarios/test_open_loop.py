"""A ladder of rates in a scenario: what is understood, and what is refused in one line."""

from pathlib import Path

import pytest

from scenarios.load import ScenarioError, load_scenario, scenario_from_wire, scenario_to_wire

ARM = '[arms.a]\nurl = "http://localhost:1"\n'
TRACE = "timestamp,input_tokens,output_tokens\n0,100,10\n0.5,200,20\n2,300,60\n"


def written(folder: Path, ladder: str, more: str = "") -> Path:
    path = folder / "x.toml"
    path.write_text(f"[ladder]\n{ladder}\n{ARM}{more}")
    (folder / "t.csv").write_text(TRACE)
    return path


@pytest.mark.parametrize(
    ("rate", "rungs", "at"),
    [
        ('"1..64"', (1, 2, 4, 8, 16, 32, 64), 8),
        ('"0.5..3"', (0.5, 1, 2, 3), 3),
        ("[20, 0.25]", (0.25, 20), 0.25),
        ("12", (12,), 12),
    ],
)
def test_rates_are_rungs(tmp_path: Path, rate: str, rungs: tuple[float, ...], at: float) -> None:
    """A range doubles, a list is sorted, `at` is the highest rate up to 8; the scenario survives its wire form."""
    scenario = load_scenario(written(tmp_path, f"rate = {rate}"))
    assert (scenario.ladder.rungs, scenario.ladder.at, scenario.ladder.arrival) == (rungs, at, "poisson")
    assert scenario_from_wire(scenario_to_wire(scenario)) == scenario


def test_without_a_rate_the_ladder_is_closed(tmp_path: Path) -> None:
    """Users at once, as ever."""
    ladder = load_scenario(written(tmp_path, "concurrency = [1, 4]")).ladder
    assert (ladder.rungs, ladder.rate) == ((1, 4), ())


def test_a_trace_brings_its_sizes_and_its_rate(tmp_path: Path) -> None:
    """One cell of the mean sizes, prompts of each input size, the trace's own mean rate unless another is given."""
    scenario = load_scenario(written(tmp_path, 'arrival = "trace"\ntrace = "t.csv"'))
    assert scenario.ladder.rungs == (1.0,)
    assert scenario.ladder.trace == str(tmp_path / "t.csv")
    assert [(c.name, c.input_tokens, c.output_tokens) for c in scenario.matrix.cells] == [("trace/trace", 200, 30)]
    assert sorted(scenario.matrix.input.values()) == [100, 200, 300]
    assert scenario.plan.cell == "trace/trace"
    faster = load_scenario(written(tmp_path, 'arrival = "trace"\ntrace = "t.csv"\nrate = [2, 4]'))
    assert faster.ladder.rungs == (2, 4)


@pytest.mark.parametrize(
    ("ladder", "said"),
    [
        ("rate = 1\nconcurrency = 4", "ladder.concurrency = 4: goes without rate"),
        ("rate = 0", "expected a number above 0"),
        ('rate = "8..1"', 'ladder.rate = "8..1": a ladder climbs'),
        ("rate = [1, 1]", "ladder.rate = [1, 1]: a rate stands in the list twice"),
        ("rate = []", "ladder.rate = []: expected requests per second"),
        ('rate = "fast"', 'ladder.rate = "fast": expected requests per second'),
        ("rate = [1, 2]\nat = 3", "ladder.at = 3: not a rung; accepted here: 1, 2"),
        ('arrival = "constant"', "ladder.rate is missing: arrival is given"),
        ("senders = 5", "ladder.rate is missing: senders is given"),
        ("rate = 1\nburstiness = 2", 'ladder.burstiness = 2: goes with arrival = "gamma"'),
        ('rate = 1\narrival = "gamma"\nburstiness = 0', "ladder.burstiness = 0: expected a number from 0.01"),
        (
            'rate = 1\narrival = "uniform"',
            'ladder.arrival = "uniform": expected "constant", "gamma", "poisson", "trace"',
        ),
        ('arrival = "trace"', "ladder.trace is missing: expected a CSV or JSONL file"),
        ('rate = 1\ntrace = "t.csv"', 'ladder.trace = "t.csv": goes with arrival = "trace"'),
        ('rate = 1\non_bad = "skip"', 'ladder.on_bad = "skip": goes with a trace'),
        ('arrival = "trace"\ntrace = "none.csv"', 'ladder.trace = "none.csv": expected a file that can be read'),
        ('arrival = "trace"\ntrace = "x.toml"', 'ladder.trace = "x.toml": line 2: no column timestamp'),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(tmp_path: Path, ladder: str, said: str) -> None:
    """Key, value, what is expected; a trace's own line too."""
    with pytest.raises(ScenarioError) as found:
        load_scenario(written(tmp_path, ladder))
    assert said in str(found.value)
    assert "\n" not in str(found.value)


def test_sizes_beside_a_trace_are_refused(tmp_path: Path) -> None:
    """They would not be honoured."""
    with pytest.raises(ScenarioError, match=r"matrix\.input .*the trace brings its own sizes"):
        load_scenario(written(tmp_path, 'arrival = "trace"\ntrace = "t.csv"', "[matrix]\ninput = { s = 32 }\n"))
