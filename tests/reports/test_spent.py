"""Where the time goes, and how latencies are distributed: from rows of a run whose answers are known."""

import math

import numpy as np
import pytest
from measurements import measured

from exporters.record import Run
from reports import where
from reports.ecdf import PARTS, ecdf_figures
from reports.spent import Spent, spent_by_step, spent_figures
from tests.exporters.synthetic import synthetic_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run with failures."""
    return Run.open(synthetic_run(tmp_path_factory.mktemp("spent") / "run", blocks=1, rungs=(1, 2), failures=0.1))


def test_the_parts_add_up_to_the_whole(run):
    """Sending, waiting, decode and ending are end - sent on average over the ok requests of a step's window."""
    rows = run.requests().to_pandas()
    for step, spent in spent_by_step(run).items():
        ok = rows[(rows["step"] == step) & (rows["phase"] == "window") & (rows["outcome"] == "ok")]
        time = spent_figures([spent], {})["time"]

        assert time["n"] == len(ok)
        assert time["whole_s"] == pytest.approx(ok["end_s"].mean())
        assert sum(time["parts"].values()) == pytest.approx(time["whole_s"])
        assert time["parts"]["decode_s"] == pytest.approx((ok["e2e_s"] - ok["ttft_s"]).mean())


def test_the_engine_explains_a_part_of_the_wait():
    """What its counters tell of queue and prefill is taken out of the unexplained; more than there was is negative."""
    spent = Spent(2, (0.02, 0.4, 2.0, 2.2))

    told = spent_figures([spent], {"queue_s": 0.05, "prefill_s": 0.10})["time"]["parts"]
    over = spent_figures([spent], {"queue_s": 0.5})["time"]["parts"]

    assert told == pytest.approx({
        "sending_s": 0.01, "queue_s": 0.05, "prefill_s": 0.1, "unexplained_s": 0.04, "decode_s": 0.8, "ending_s": 0.1,
    })  # fmt: skip
    assert over["unexplained_s"] == pytest.approx(-0.31)
    assert spent_figures([None, Spent()], {}) == {}


def test_a_bar_says_every_part():
    """The bar of a point has one piece for each part, its words the share of each, its title the whole."""
    point = {"arm": "a", "cell": None, "concurrency": 8, **spent_figures([Spent(1, (0.1, 0.4, 0.9, 1.0))], {})}

    (bar,) = where.bars(where.clocked([point]))

    assert bar.title == "a, tasks, 8 at once: 1.00 s"
    assert bar.words == "sending 10.0 %, unexplained 30.0 %, decode 50.0 %, ending 10.0 %."
    assert bar.svg.count("<rect") == 4


def test_a_curve_ends_where_the_failed_begin():
    """Every fortieth of all requests sent, failed ones infinitely slow: nine of twelve are ok, three quarters known."""
    curve = ecdf_figures([measured(ttft=np.arange(1, 10) / 10, failed=3)])["ecdf"]["ttft_s"]

    assert len(curve) == PARTS + 1
    assert curve[0] == 0.1
    assert curve[math.floor(0.75 * PARTS)] == 0.9
    assert curve[math.floor(0.75 * PARTS) + 1 :] == [None] * 10
    assert ecdf_figures([measured(ttft=[0.1] * 9)]) == {}
