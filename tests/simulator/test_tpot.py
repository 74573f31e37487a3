"""How TPOT depends on batch and on KV: measured in virtual time, drawn, and held to its shape."""

from __future__ import annotations

from pathlib import Path

import altair as alt
import pandas as pd
import pytest
import vl_convert

from simulator.engine import Engine
from simulator.profiles import PROFILES
from tests.simulator.engines import job, run, tpot

BATCHES, HELD = (1, 2, 4, 8, 12), (64, 256, 512, 1024)


def full_tpot(profile: str, batch: int, held: int) -> float:
    """Of the last sequence to start: it decodes beside all others, each over about `held` tokens."""
    engine = Engine(PROFILES[profile])
    jobs = [job(number, held, 48) for number in range(batch)]
    run(engine, [(0.0, one) for one in jobs])
    return tpot(jobs[-1])


@pytest.mark.parametrize("profile", ["small", "llama-3.1-8b-a10g"])
def test_tpot_grows_with_batch_and_with_kv(profile: str, tmp_path: Path) -> None:
    """The drawing's surface rises along both axes: every larger batch and every longer context is slower."""
    surface = {(batch, held): full_tpot(profile, batch, held) for batch in BATCHES for held in HELD}
    picture = draw(surface, tmp_path / f"{profile}.svg")

    for held in HELD:
        column = [surface[batch, held] for batch in BATCHES]
        assert column == sorted(column)
        assert column[-1] > column[0] * 1.001
    for batch in BATCHES[2:]:
        assert surface[batch, HELD[-1]] > surface[batch, HELD[0]]
    assert picture.startswith("<svg")
    assert "batch" in picture


def draw(surface: dict[tuple[int, int], float], path: Path) -> str:
    rows = [{"batch": batch, "held": held, "tpot": 1e3 * value} for (batch, held), value in surface.items()]
    chart = (
        alt.Chart(pd.DataFrame(rows))
        .mark_line(point=True)
        .encode(
            x=alt.X("batch:Q", title="batch"),
            y=alt.Y("tpot:Q", title="TPOT (ms)", scale=alt.Scale(zero=False)),
            color=alt.Color("held:O", title="KV tokens each"),
        )
    )
    svg = vl_convert.vegalite_to_svg(chart.to_json())
    path.write_text(svg, encoding="utf-8")
    return svg
