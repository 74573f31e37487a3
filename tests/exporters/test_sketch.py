"""The sketch keeps its promise: quantiles within the stated error, whatever the values, however they were merged."""

from __future__ import annotations

import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.sketch import COUNT_AT, RELATIVE_ERROR, ROUNDING, Sketch

QUANTILES = (0.0, 0.01, 0.07, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)

positive = st.floats(1e-300, 1e300)
durations = st.one_of(st.just(0.0), st.floats(1e-9, 1e4))
lists = st.lists(durations, max_size=60)


def sketch_of(values: list[float], error: float = RELATIVE_ERROR) -> Sketch:
    sketch = Sketch(error)
    sketch.add(np.array(values, dtype=np.float64))
    return sketch


def nearest_rank(values: list[float], q: float) -> float:
    """The ceil(q n)-th smallest value, computed without floating-point products."""
    rank = -(-round(q * 1000) * len(values) // 1000)
    return sorted(values)[max(1, rank) - 1]


def same(one: Sketch, other: Sketch) -> bool:
    """Equal in everything; sums may differ by the rounding of another order."""
    a, b = one.to_wire(), other.to_wire()
    return {**a, "sum": 0} == {**b, "sum": 0} and math.isclose(a.get("sum", 0), b.get("sum", 0), rel_tol=1e-12)


def within(sketch: Sketch, values: list[float]) -> bool:
    """Whether every quantile is within the sketch's error of the exact one."""
    error = sketch.relative_error
    exact = {q: nearest_rank(values, q) for q in QUANTILES}
    return all(abs(sketch.quantile(q) - value) <= error * value for q, value in exact.items())


@given(st.lists(st.one_of(st.just(0.0), positive), min_size=1, max_size=80))
def test_quantiles_are_within_the_error_of_any_values(values: list[float]) -> None:
    """The guarantee holds over six hundred orders of magnitude, zeros included."""
    assert within(sketch_of(values), values)


@given(positive, st.sampled_from([0.001, 0.005, 0.02, 0.1]))
def test_a_bucket_represents_each_of_its_values_within_the_error(value: float, error: float) -> None:
    """The middle one of three values is within the error by its bucket alone, not by a clamp to the ends."""
    sketch = sketch_of([value * 0.5, value, value * 2.0], error)

    assert abs(sketch.quantile(0.5) - value) <= error * value


@pytest.mark.parametrize("k", [-40_000, -2_000, -1, 0, 1, 2, 777, 40_000])
def test_values_at_the_edge_of_a_bucket_are_within_the_error(k: int) -> None:
    """Where rounding decides the bucket, on either side of an edge, the promise holds too."""
    narrow = RELATIVE_ERROR * (1 - ROUNDING)
    gamma = (1 + narrow) / (1 - narrow)
    edge = gamma**k
    for value in (math.nextafter(edge, 0), edge, math.nextafter(edge, math.inf)):
        assert abs(sketch_of([value / 3, value, value * 3]).quantile(0.5) - value) <= RELATIVE_ERROR * value


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.lognormal(-4.6, 0.3, n),
        lambda rng, n: rng.pareto(1.1, n) * 1e-3,
        lambda rng, n: rng.uniform(0.0, 1.0, n),
        lambda rng, n: np.where(rng.random(n) < 0.3, 0.0, rng.exponential(0.01, n)),
        lambda rng, n: rng.integers(1, 5, n).astype(float),
        lambda _, n: np.full(n, 0.01),
    ],
    ids=["lognormal", "heavy tail", "uniform", "with zeros", "few values", "constant"],
)
def test_quantiles_of_ten_thousand_values(draw: object) -> None:
    """On distributions like those of gaps and latencies, beyond the number that is counted at a time."""
    values = draw(np.random.default_rng(3), 10_000)
    sketch = Sketch()
    for part in np.array_split(values, 97):
        sketch.add(part)

    assert within(sketch, values.tolist())
    assert sketch.count == 10_000
    assert sketch.sum == pytest.approx(values.sum(), rel=1e-12)
    assert (sketch.min, sketch.max) == (values.min(), values.max())


@given(lists, lists)
def test_merging_is_adding_together(a: list[float], b: list[float]) -> None:
    """A merge of two sketches is the sketch of all values."""
    merged = sketch_of(a)
    merged.merge(sketch_of(b))

    assert same(merged, sketch_of(a + b))


@given(lists, lists, lists)
def test_merge_is_a_commutative_monoid(a: list[float], b: list[float], c: list[float]) -> None:
    """Associative, commutative, and an empty sketch changes nothing, on either side."""
    left, right = sketch_of(a), sketch_of(b)
    left.merge(sketch_of(b))
    left.merge(sketch_of(c))
    right.merge(sketch_of(c))
    grouped, turned = sketch_of(a), sketch_of(b)
    grouped.merge(right)
    turned.merge(sketch_of(a))
    turned.merge(sketch_of(c))
    empty = Sketch()
    empty.merge(left)

    assert same(left, grouped)
    assert same(left, turned)
    assert same(left, empty)
    left.merge(Sketch())
    assert same(left, empty)


def test_merge_leaves_the_other_alone() -> None:
    """What was merged in can go on growing without changing what it was merged into."""
    whole, part = Sketch(), sketch_of([1.0])
    whole.merge(part)
    part.add(np.array([1.0, 50.0]))

    assert (whole.count, whole.max, part.count) == (1, 1.0, 3)


def test_sketches_of_different_error_do_not_merge() -> None:
    """Another error means other buckets: refused, and nothing is changed."""
    coarse = sketch_of([1.0], error=0.02)
    with pytest.raises(ValueError, match=r"0\.02 and 0\.005"):
        coarse.merge(sketch_of([2.0]))
    with pytest.raises(ValueError, match=r"0\.02 and 0\.005"):
        coarse.merge_packed(sketch_of([2.0]).pack())

    assert coarse.count == 1


@given(lists)
def test_a_wire_round_trip_changes_nothing(values: list[float]) -> None:
    """Through MessagePack and through JSON: the same sketch, which can go on growing."""
    sketch = sketch_of(values)
    wire = sketch.to_wire()
    packed = Sketch.from_wire(msgspec.msgpack.decode(msgspec.msgpack.encode(wire)))
    text = Sketch.from_wire(json.loads(json.dumps(wire)))
    for copy in (packed, text):
        assert copy.to_wire() == wire
        copy.add(np.array([1.0, 0.0]))
        assert same(copy, sketch_of([*values, 1.0, 0.0]))


@given(lists, lists, st.sampled_from([1, 255, 256, 70_000, 2**33]))
def test_merging_a_packed_sketch_is_merging_it(a: list[float], b: list[float], times: int) -> None:
    """However wide the counts are, whichever of the two is empty; what was packed stays as it was."""
    other = sketch_of(b)
    other._counts *= times
    packed = msgspec.msgpack.decode(msgspec.msgpack.encode(other.pack()))
    whole, expected = sketch_of(a), sketch_of(a)
    expected.merge(other)
    whole.merge_packed(packed)

    assert whole.to_wire() == expected.to_wire()
    assert packed == other.pack()


def test_a_report_does_not_grow_with_what_it_counts() -> None:
    """100 times the gaps in a second take twice the bytes: one each for 255 in a bucket, then two."""
    sizes = []
    for count in (10_000, 1_000_000):
        sketch = Sketch()
        sketch.add(np.random.default_rng(1).lognormal(-4.6, 0.5, count))
        sizes.append(len(msgspec.msgpack.encode(sketch.pack())))

    assert sizes[0] < 600
    assert sizes[1] < 3 * sizes[0]


def test_the_wire_is_small() -> None:
    """100,000 gaps around 10 ms take less than a kilobyte; nothing takes a few bytes."""
    gaps = np.random.default_rng(1).lognormal(-4.6, 0.3, 100_000)
    sketch = Sketch()
    sketch.add(gaps)

    assert len(msgspec.msgpack.encode(sketch.to_wire())) < 1_000
    assert len(msgspec.msgpack.encode(Sketch().to_wire())) < 20


@given(lists)
@settings(max_examples=40)
def test_one_at_a_time_is_the_same_as_together(values: list[float]) -> None:
    """Single values and arrays fill the same buckets, across the number that is counted at a time."""
    values = values * 40
    single = Sketch()
    for value in values:
        single.add_one(value)

    assert same(single, sketch_of(values))


def test_an_empty_sketch_has_no_figures() -> None:
    """Absent is None, not 0; a count and a sum of nothing are 0."""
    empty = Sketch()
    empty.add(np.zeros(0))

    assert (empty.count, empty.sum) == (0, 0.0)
    assert (empty.mean, empty.min, empty.max, empty.quantile(0.5)) == (None, None, None, None)


def test_zeros_have_a_bucket_of_their_own() -> None:
    """Half the values are 0: the median is exactly 0, the maximum is not touched by them."""
    sketch = sketch_of([0.0, 0.0, 0.0, 5.0])

    assert [sketch.quantile(q) for q in (0.0, 0.5, 0.75, 0.76, 1.0)] == [0.0, 0.0, 0.0, 5.0, 5.0]
    assert (sketch.count, sketch.mean, sketch.min) == (4, 1.25, 0.0)


def test_quantiles_are_by_nearest_rank_even_where_floats_round_up() -> None:
    """0.07 x 100 is 7.000000000000001 in floating point and still asks for the seventh value."""
    values = [1.1**i for i in range(1, 101)]

    assert sketch_of(values).quantile(0.07) == pytest.approx(values[6], rel=RELATIVE_ERROR)


def test_a_negative_duration_counts_as_zero() -> None:
    """Nothing ends before it begins: below 0 is 0, in every figure."""
    sketch = sketch_of([-1e-9, 2.0])

    assert (sketch.min, sketch.sum, sketch.quantile(0.5), sketch.count) == (0.0, 2.0, 0.0, 2)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    """A duration that is not finite would poison the sum without a trace."""
    sketch = Sketch()
    sketch.add_one(value)

    with pytest.raises(ValueError, match="not a finite number"):
        sketch.quantile(0.5)


@pytest.mark.parametrize("q", [-0.1, 1.1, 95])
def test_a_quantile_outside_of_its_range_is_refused(q: float) -> None:
    """95 is no quantile: whoever meant 0.95 must hear of it."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        sketch_of([1.0]).quantile(q)


def test_the_callers_array_stays_the_callers() -> None:
    """Values wait to be counted, but as a copy: writing to the array afterwards changes nothing."""
    values = np.full(COUNT_AT - 1, 2.0)
    sketch = Sketch()
    sketch.add(values)
    values[:] = 1e6

    assert sketch.max == 2.0


@given(
    st.lists(st.floats(0, 100, allow_subnormal=False), max_size=60),
    st.lists(st.floats(1e-4, 200), min_size=1, max_size=8, unique=True),
)
def test_values_are_counted_up_to_a_bound(values: list[float], bounds: list[float]) -> None:
    """No value farther than the relative error from a bound is counted on its wrong side; none is counted twice."""
    sketch = Sketch()
    sketch.add(np.array(values))
    found = sketch.at_most(sorted(bounds))

    assert found == sorted(found)
    for bound, count in zip(sorted(bounds), found, strict=True):
        surely = sum(value <= bound * (1 - 1.001 * RELATIVE_ERROR) for value in values)
        perhaps = sum(value <= bound * (1 + 1.001 * RELATIVE_ERROR) for value in values)
        assert surely <= count <= perhaps
