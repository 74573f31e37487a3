"""Laws of the engine: tokens, memory and time are conserved; load slows everyone; the seed decides everything."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine import Engine, Job
from tests.simulator.engines import closed_loop, engine, job, run, tpot, ttft

loads = st.lists(
    st.tuples(st.floats(0, 2), st.integers(1, 200), st.integers(1, 60), st.integers(0, 3)), min_size=1, max_size=12
)


def jobs_of(load: list[tuple[float, int, int, int]]) -> list[tuple[float, Job]]:
    """Arrivals whose prompts begin alike when their last number is alike."""
    return [
        (at_s, job(number, given_, made, [hash((kind, block)) for block in range(given_ // 16)]))
        for number, (at_s, given_, made, kind) in enumerate(load)
    ]


def within_its_memory(engine_: Engine) -> None:
    held = [one.holding for one in engine_.running]
    shared = {content for holding in held for content in holding.shared}
    assert engine_.pool.used == len(shared) + sum(holding.own for holding in held) <= engine_.pool.blocks
    assert all(one.computed <= one.holding.blocks * 16 for one in engine_.running)
    assert all(one.holding.blocks == 0 for one in engine_.waiting)
    assert len(engine_.running) <= engine_.profile.max_batch
    assert (engine_.due_s is None) == (not engine_.running and not engine_.waiting)


@settings(max_examples=150, deadline=None)
@given(loads, st.sampled_from([20, 24, 60]), st.sampled_from([0.0, 0.02]))
def test_every_job_makes_its_tokens_in_order_within_the_pool(
    load: list[tuple[float, int, int, int]], blocks: int, noise: float
) -> None:
    """Tokens are conserved, numbered and dated in order, one last each; memory never exceeds the pool and returns."""
    tight = engine(kv_blocks=blocks, max_batch=4, noise=noise, prefill_budget=64, prefill_chunk=32)
    asks = jobs_of(load)
    times: list[float] = []

    def watch(engine_: Engine) -> None:
        within_its_memory(engine_)
        times.append(engine_.now)

    made = run(tight, asks, watch)

    for at_s, one in asks:
        mine = [emission for emission in made if emission.job is one]
        assert [emission.number for emission in mine] == list(range(one.max_tokens))
        assert [emission.last for emission in mine] == [False] * (one.max_tokens - 1) + [True]
        dates = [one.arrived_s, one.started_s, *(emission.at_s for emission in mine)]
        assert dates == sorted(dates)
        assert one.arrived_s == at_s
    assert times == sorted(times)
    assert [emission.at_s for emission in made] == sorted(emission.at_s for emission in made)
    assert tight.pool.used == 0
    assert tight.load.running == tight.load.waiting == 0


@settings(max_examples=100, deadline=None)
@given(loads, st.data())
def test_cancelled_jobs_leave_nothing_behind(load: list[tuple[float, int, int, int]], data: st.DataObject) -> None:
    """Whenever clients leave, the rest is served whole and every block comes back."""
    tight = engine(kv_blocks=24, max_batch=3)
    asks = jobs_of(load)
    gone = {number: data.draw(st.integers(0, 40), label="after events") for number in range(0, len(asks), 2)}
    events = itertools.count()
    counts = dict.fromkeys(range(len(asks)), 0)

    def watch(engine_: Engine) -> None:
        event = next(events)
        for number, when in gone.items():
            if when == event:
                engine_.cancel(asks[number][1])
        within_its_memory_or_idle(engine_)

    for emission in run(tight, asks, watch):
        counts[emission.job.id] += 1

    assert tight.pool.used == 0
    assert all(counts[number] == one.max_tokens for number, (_, one) in enumerate(asks) if number not in gone)


def within_its_memory_or_idle(engine_: Engine) -> None:
    """A step whose sequences have all left still ends in its own time."""
    held = [one.holding for one in engine_.running]
    assert engine_.pool.used == len({c for h in held for c in h.shared}) + sum(h.own for h in held)
    assert engine_.due_s is not None or not (engine_.running or engine_.waiting)


def test_a_step_lasts_what_the_formula_says() -> None:
    """Prefill of 100 at 10,000/s and 1 ms: 11 ms; a decode step of one over 100 tokens: 1 + 10 + 0.5 + 0.1 ms."""
    one = job(1, 100, 3)
    made = run(engine(), [(5.0, one)])

    assert made[0].at_s == pytest.approx(5.011)
    assert made[1].at_s - made[0].at_s == pytest.approx(0.0116)
    assert made[2].at_s - made[1].at_s == pytest.approx(0.011601)


def test_two_long_prefills_slow_each_other_and_everyones_decode() -> None:
    """Both TTFTs grow by more than half, by the same for both; a third sequence's tokens come later meanwhile."""
    alone = job(1, 4096, 2)
    run(engine(), [(0.0, alone)])
    first, second, bystander = job(1, 4096, 2), job(2, 4096, 2), job(3, 16, 200)
    made = run(engine(), [(0.0, bystander), (0.5, first), (0.5, second)])
    dates = [emission.at_s for emission in made if emission.job is bystander]
    gaps = [(later - earlier, earlier) for earlier, later in itertools.pairwise(dates)]
    quiet = max(gap for gap, at_s in gaps if at_s < 0.45)
    first_done = first.first_s or 0.0

    assert ttft(first) > 1.5 * ttft(alone)
    assert ttft(second) == pytest.approx(ttft(first), rel=0.1)
    assert min(gap for gap, at_s in gaps if 0.55 < at_s < first_done - 0.1) > 4 * quiet


def test_one_long_prefill_slows_decode_by_less_than_two() -> None:
    """A prefill of its own takes half of the step that two take."""

    def slowest(prefills: int) -> float:
        bystander = job(9, 16, 100)
        others = [(0.2, job(number, 2048, 2)) for number in range(prefills)]
        made = run(engine(), [(0.0, bystander), *others])
        dates = [emission.at_s for emission in made if emission.job is bystander]
        return max(later - earlier for earlier, later in itertools.pairwise(dates))

    assert slowest(0) < slowest(1) < slowest(2)
    assert slowest(2) - slowest(0) == pytest.approx(2 * (slowest(1) - slowest(0)), rel=0.15)


def test_throughput_saturates_at_the_batch() -> None:
    """Tokens per second rise with users up to the batch limit and stay there, within 3 %; the rest wait."""
    rates = {users: closed_loop(engine(max_batch=8), users, 32, 32, 60.0) for users in (1, 2, 4, 8, 16, 32)}

    assert rates[1] < rates[2] < rates[4] < rates[8]
    assert rates[4] > 2.5 * rates[1]
    assert rates[16] == pytest.approx(rates[8], rel=0.03)
    assert rates[32] == pytest.approx(rates[8], rel=0.03)


def test_a_full_pool_preempts_and_everyone_finishes() -> None:
    """Sequences that outgrow the memory together: the youngest are computed again, all end with all their tokens."""
    tight = engine(kv_blocks=20)
    jobs = [job(number, 64, 120) for number in range(4)]
    made = run(tight, [(0.0, one) for one in jobs])

    assert tight.load.preemptions > 0
    assert len(made) == 4 * 120
    assert ttft(jobs[3]) > ttft(jobs[0])
    assert jobs[3].latest_s is not None
    assert jobs[0].latest_s is not None
    assert jobs[3].latest_s > jobs[0].latest_s


def test_preemption_costs_time() -> None:
    """The same work takes longer in a pool that is too small than in one that is not."""

    def end(blocks: int) -> float:
        made = run(engine(kv_blocks=blocks), [(0.0, job(number, 64, 120)) for number in range(4)])
        return made[-1].at_s

    assert end(20) > 1.3 * end(1000)


def test_who_was_preempted_goes_on_before_those_who_wait() -> None:
    """A newcomer that would fit where the preempted one does not still waits behind it."""
    tight = engine(kv_blocks=20, max_batch=2)
    old, young, newcomer = (job(number, 128, 100) for number in range(3))
    run(tight, [(0.0, old), (0.0, young), (0.1, newcomer)])

    assert tight.load.preemptions > 0
    assert (newcomer.started_s or 0.0) >= (old.latest_s or 0.0)
    assert (young.latest_s or 0.0) < (newcomer.latest_s or 0.0)


def test_waiting_is_first_come_first_served() -> None:
    """With one place, jobs start in the order of arrival and never together."""
    jobs = [job(number, 50, 5) for number in range(5)]
    run(engine(max_batch=1), [(0.001 * number, one) for number, one in enumerate(jobs)])
    starts = [one.started_s or 0.0 for one in jobs]
    ends = [one.latest_s or 0.0 for one in jobs]

    assert starts == sorted(starts)
    assert all(start >= end for start, end in zip(starts[1:], ends, strict=False))


def test_a_prefix_cache_hit_lowers_ttft() -> None:
    """The second prompt with the same 1,024 tokens computes its last block only, and says what was cached."""
    contents = range(64)
    cold, warm, other = job(1, 1024, 4, contents), job(2, 1024, 4, contents), job(3, 1024, 4, range(100, 164))
    cached = engine()
    run(cached, [(0.0, cold), (10.0, warm), (20.0, other)])

    assert (cold.cached, warm.cached, other.cached) == (0, 1008, 0)
    assert ttft(warm) < 0.1 * ttft(cold)
    assert ttft(other) == pytest.approx(ttft(cold))
    assert (cached.load.prefix_queries, cached.load.prefix_hits) == (3 * 1024, 1008)


@pytest.mark.parametrize("noise", [0.02, 0.2])
def test_the_seed_decides_everything(noise: float) -> None:
    """Equal seeds give equal times to the last bit; another seed gives others, by about the noise."""

    def dates(seed: int) -> list[float]:
        jobs = [(0.01 * number, job(number, 100, 50)) for number in range(6)]
        return [emission.at_s for emission in run(engine(seed, noise=noise), jobs)]

    assert dates(1) == dates(1)
    assert dates(1) != dates(2)
    assert dates(1)[-1] == pytest.approx(dates(2)[-1], rel=noise)


def test_time_never_runs_backwards() -> None:
    """A request older than the engine's time, or one that skips a step's end, is refused."""
    busy = engine()
    busy.submit(job(1, 100, 10), 1.0)

    with pytest.raises(ValueError, match="advance it first"):
        busy.submit(job(2, 100, 10), 0.5)
    with pytest.raises(ValueError, match="advance it first"):
        busy.submit(job(2, 100, 10), (busy.due_s or 0.0) + 0.001)


def test_what_never_fits_is_refused_instead_of_waiting_for_ever() -> None:
    """More tokens than the pool has are an error at once."""
    with pytest.raises(ValueError, match="never fit"):
        engine(kv_blocks=4).submit(job(1, 60, 5), 0.0)


def test_late_looks_change_nothing() -> None:
    """Advancing rarely gives the same tokens at the same times as advancing at every step."""

    def dates(step_s: float) -> list[float]:
        one = engine(noise=0.1)
        for number in range(3):
            one.submit(job(number, 40, 30), 0.0)
        made = []
        for tick in range(1, int(20 / step_s)):
            made += [emission.at_s for emission in one.advance(tick * step_s)]
        return made

    assert dates(5.0) == dates(0.001)


def test_a_faster_profile_is_faster_where_it_says() -> None:
    """Decode 10 % faster shortens the gaps, prefill 10 % faster shortens TTFT, neither touches the other."""

    def figures(**speeds: float) -> tuple[float, float]:
        one, profile = job(1, 1000, 20), engine().profile.faster(**speeds)
        run(Engine(profile, random.Random(0)), [(0.0, one)])
        return ttft(one), tpot(one)

    plain, decode, prefill = figures(), figures(decode=1.1), figures(prefill=1.1)

    assert decode[0] == pytest.approx(plain[0], rel=0.01)
    assert decode[1] == pytest.approx(0.001 + (plain[1] - 0.001) / 1.1)
    assert prefill[1] == pytest.approx(plain[1])
    assert prefill[0] < 0.93 * plain[0]
