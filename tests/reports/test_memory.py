"""Levels and fragmentation of KV memory against an engine of known truth; where it cannot be known, the reason."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from exporters.files import StepRecord
from exporters.record import Run
from exporters.samples import SampleLog, finish
from exporters.server import ENGINE, MEMORY
from reports.backend import backend_table
from reports.memory import Held, allocated_share, fragmentation, measurable
from reports.sampled import Sampled, sampled_steps
from tests.exporters.runs import begun, record
from tests.reports.measurements import scenario

S = 1_000_000_000
OPEN, CLOSE, POOL, BLOCK = 1_000 * S, 1_010 * S, 4096.0, 16.0


def engine(count: int = 21, **columns: Any) -> pd.DataFrame:
    """Samples of one calm engine over the window."""
    frame = pd.DataFrame({name: np.full(count, np.nan) for name in (*ENGINE, *MEMORY)})
    frame["at_ns"] = np.linspace(OPEN, CLOSE, count).astype("int64")
    known = {"pool_tokens": POOL, "block_tokens": BLOCK, "kv_used_share": 0.5, "waiting": 0.0, "running": 2.0}
    return frame.assign(**{**known, **columns})


@pytest.mark.parametrize(
    ("engines", "figures", "why"),
    [
        ([engine()], {}, None),
        ([engine()], {"preemptions": 0.0, "prefix_hit_share": 0.009}, None),
        ([engine(), engine()], {}, "2 engines were sampled"),
        ([], {}, "0 engines were sampled"),
        ([engine(pool_tokens=np.nan)], {}, "does not tell its pool"),
        ([engine(kv_used_share=np.nan)], {}, "does not tell its pool"),
        ([engine(kv_used_share=np.nan, slots=2.0)], {}, None),
        ([engine()], {"preemptions": 1.0}, "preempted"),
        ([engine(9)], {}, "9 samples in which nothing waited, 10 are needed"),
        ([engine(waiting=[1.0] * 12 + [0.0] * 9)], {}, "9 samples in which nothing waited"),
        ([engine()], {"prefix_hit_share": 0.01}, "1% of the prefix queries hit"),
    ],
)
def test_fragmentation_is_printed_only_where_it_can_be_known(
    engines: Sequence[pd.DataFrame], figures: dict[str, float], why: str | None
) -> None:
    """One engine that tells its pool, nothing waiting, preempted or shared, ten samples; else the reason."""
    found = measurable(list(engines), figures)

    assert found is None if why is None else why in (found or "")


@pytest.mark.parametrize("spare", [0, 1, 3])
def test_fragmentation_is_what_the_engine_really_wastes(spare: int) -> None:
    """40 requests of random lengths on an engine that pages in blocks of 16 and keeps `spare` empty ones for each: its
    waste is found to 1e-9, and the bound that paging alone implies beside it."""
    draw = random.Random(spare)
    samples, rows = engine(), []
    for _ in range(40):
        sent, ttft = draw.uniform(995, 1008), draw.uniform(0.01, 0.5)
        rows.append((sent, ttft, ttft + draw.uniform(0.5, 6), draw.randrange(1, 400), draw.randrange(2, 200)))
    allocated, live, paged, flying = (np.zeros(len(samples)) for _ in range(4))
    for number, at in enumerate(samples["at_ns"] / S):
        for sent, ttft, e2e, given, made in rows:
            flying[number] += sent <= at < sent + e2e
            if sent + ttft <= at < sent + e2e:
                length = given + made * (at - sent - ttft) / (e2e - ttft)
                live[number] += length
                paged[number] += np.ceil(length / BLOCK) * BLOCK
                allocated[number] += (np.ceil(length / BLOCK) + spare) * BLOCK
    samples = samples.assign(kv_used_share=allocated / POOL, running=flying)
    held = Held.at(samples["at_ns"].to_numpy(dtype=float), BLOCK)
    sent, ttft, e2e, given, made = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    held.add({"sent_ns": sent * S, "ttft_s": ttft, "e2e_s": e2e, "end_s": e2e, "input_tokens": given,
              "output_tokens": made})  # fmt: skip
    found = fragmentation(samples, held)

    assert found["kv_fragmentation"] == pytest.approx(1 - live.sum() / allocated.sum(), abs=1e-6)
    assert found["kv_paging_bound"] == pytest.approx(1 - live.sum() / paged.sum(), abs=1e-6)
    assert found["kv_live_share"] == pytest.approx(live.mean() / POOL, abs=1e-6)
    assert (found["kv_fragmentation"] - found["kv_paging_bound"] < 1e-6) == (spare == 0)


def test_a_slot_engine_wastes_all_that_its_slots_do_not_hold() -> None:
    """4 slots of 1024 tokens, two busy with 100 and 300: 1 - 400 / 4096 of the pool is waste, of the busy slots
    1 - 400 / 2048; what a page says of use beside it does not matter, and the whole pool is allocated."""
    samples = engine(slots=4.0, block_tokens=POOL / 4, kv_used_share=np.nan)
    at_ns = samples["at_ns"].to_numpy(dtype=float)
    held = Held.at(at_ns, POOL / 4)
    before, long = np.full(2, OPEN - S, dtype=float), np.full(2, 1e6)
    held.add({"sent_ns": before, "ttft_s": np.full(2, 0.5), "e2e_s": long, "end_s": long,
              "input_tokens": np.array([100.0, 300.0]), "output_tokens": np.zeros(2)})  # fmt: skip

    for told in (samples, samples.assign(kv_used_share=0.1)):
        found = fragmentation(told, held)
        assert found["kv_fragmentation"] == pytest.approx(1 - 400 / 4096, abs=1e-9)
        assert found["kv_paging_bound"] == pytest.approx(1 - 400 / 2048, abs=1e-9)
        assert found["kv_live_share"] == pytest.approx(400 / 4096, abs=1e-9)
        assert set(allocated_share(told)) == {1.0}


@pytest.mark.parametrize(
    ("arm", "instance", "since_ns", "why"),
    [
        ("baseline", "h:1", OPEN - S, "the engine does not tell its pool of KV blocks: /props answered 401"),
        ("candidate", "h:1", OPEN - S, "the engine does not tell its pool of KV blocks"),
        ("baseline", "h:2", OPEN - S, "the engine does not tell its pool of KV blocks"),
        ("baseline", "h:1", CLOSE + S, "the engine does not tell its pool of KV blocks"),
    ],
)
def test_why_a_slot_engines_pool_is_not_known_is_said(
    tmp_path: Path, arm: str, instance: str, since_ns: int, why: str
) -> None:
    """What the sampler told of this engine until then is the reason; what it told of another or later is not."""
    event = {"what": "without pool", "arm": arm, "instance": instance, "since_ns": since_ns, "until_ns": since_ns,
             "why": "/props answered 401"}  # fmt: skip
    found = sampled(tmp_path, np.linspace(0.1, 9.9, 20).tolist(), "server", lambda _: {"running": 1.0}, event)

    assert found.server["kv_not_measurable"] == why


def test_slots_are_told_with_the_levels_of_their_memory(tmp_path: Path) -> None:
    """A step's figures of a slot engine: its slots, all of the pool allocated; the table's remark names the engine."""
    pool = {"slots": 4.0, "pool_tokens": POOL, "block_tokens": POOL / 4, "running": 0.0, "waiting": 0.0}
    found = sampled(tmp_path, np.linspace(0.1, 9.9, 20).tolist(), "server", lambda _: pool)
    levels = {name: figure for name, figure in found.server.items() if name.startswith("kv_")}
    point = {"cell": None, "concurrency": 1, "arm": "baseline", "server": found.server, "gpu": levels}
    table = backend_table([point])

    assert levels == {
        "kv_slots": 4.0, "kv_used_share": 1.0, "kv_used_share_max": 1.0,
        "kv_not_measurable": "nothing was held at the times of the samples",
    }  # fmt: skip
    assert table is not None
    assert "slot engine (4 slots)" in (table.remark or "")


def test_others_requests_and_an_empty_engine_are_no_fragmentation() -> None:
    """More running than we have in flight: not ours alone; nothing held at any sample: nothing to divide by."""
    held = Held.at(engine()["at_ns"].to_numpy(dtype=float), BLOCK)

    assert fragmentation(engine(), held) == {"kv_not_measurable": "the engine served others' requests, too"}
    assert "nothing was held" in fragmentation(engine(running=0.0), held)["kv_not_measurable"]


def step() -> StepRecord:
    found = record(open_ns=OPEN, close_ns=CLOSE, window_s=10.0)
    return msgspec.structs.replace(found, step=msgspec.structs.replace(found.step, arm="baseline"))


def sampled(folder: Path, times_s: Sequence[float], kind: str, figures: Any, *told: Any) -> Sampled:
    """One step, sampled at these seconds of its window: what the report gets of it."""
    begun(folder / "run", scenario=msgspec.to_builtins(scenario()), sampler=told)
    log = SampleLog(folder / "run", kind)
    place = {"error_s": 0.001, "arm": "baseline", "instance": "h:1", **({"gpu": "GPU-a"} if kind == "gpu" else {})}
    log.append([{"at_ns": OPEN + int(second * S), **place, **figures(second)} for second in times_s])
    log.close()
    finish(folder / "run", kind)
    return sampled_steps(Run.open(folder / "run"), [step()])["s"]


@pytest.mark.parametrize(("count", "there"), [(4, False), (5, True)])
@pytest.mark.parametrize("kind", ["gpu", "server"])
def test_fewer_than_five_distinct_samples_are_no_figure(tmp_path: Path, kind: str, count: int, there: bool) -> None:
    """A GPU that is renewed 4 times in a window and read 20 times, an engine that is read 4 times: absent, and said."""

    def figures(second: float) -> dict[str, float]:
        return {"power_w": 100 + second // (10 / count), "busy": 0.5} if kind == "gpu" else {"running": 3.0}

    times = np.linspace(0.1, 9.9, 20 if kind == "gpu" else count).tolist()
    found = sampled(tmp_path, times, kind, figures)
    part = getattr(found, kind)

    assert bool(part) == there
    assert not there or part["samples"] == 5
    said = f"only {count} distinct samples of a {'GPU' if kind == 'gpu' else kind} in a window of 10.0 s, where 5 are"
    assert [text.startswith(said) for text in found.why] == ([] if there else [True])
