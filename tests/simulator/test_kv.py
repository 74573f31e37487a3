"""KV memory: no block is lost or made, whatever sequences do."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.kv import BLOCK_TOKENS, Holding, Pool, blocks_of

BLOCKS = 8
prefixes = st.lists(st.integers(0, 3), max_size=6).map(
    lambda parts: tuple(hash(tuple(parts[: n + 1])) for n in range(len(parts)))
)
actions = st.lists(
    st.tuples(st.sampled_from(["take", "grow", "publish", "release"]), prefixes, st.integers(0, 9)), max_size=60
)


@settings(max_examples=300, deadline=None)
@given(actions)
def test_used_and_free_are_the_pool_after_any_history(history: list[tuple[str, tuple[int, ...], int]]) -> None:
    """Blocks in use are those of the holdings, shared ones once, never more than the pool; all come back in the end."""
    pool, holdings = Pool(BLOCKS), dict[int, tuple[Holding, tuple[int, ...]]]()
    for step, (action, contents, number) in enumerate(history):
        held = holdings.get(next(iter(holdings), -1))
        if action == "take":
            taken = pool.take(contents, number)
            if taken is not None:
                assert taken.blocks == number
                assert taken.shared == list(contents[: len(taken.shared)])
                holdings[step] = taken, contents
        elif held is not None and action == "grow":
            before = held[0].blocks
            grown = pool.grow(held[0], number)
            assert held[0].blocks == (max(before, number) if grown else before)
        elif held is not None and action == "publish":
            holding, own = held
            fresh = own[len(holding.shared) : holding.blocks]
            pool.publish(holding, fresh)
        elif held is not None:
            pool.release(held[0])
            del holdings[next(iter(holdings))]
        shared = {content for holding, _ in holdings.values() for content in holding.shared}
        assert pool.used == len(shared) + sum(holding.own for holding, _ in holdings.values())
        assert 0 <= pool.used <= BLOCKS
        assert pool.used + pool.free == BLOCKS
    for holding, _ in holdings.values():
        pool.release(holding)
    assert pool.used == 0
    assert pool.take((), BLOCKS) is not None


def test_a_published_prefix_is_shared_and_counted_once() -> None:
    """Two sequences with the same first two blocks hold three each, four in all."""
    pool = Pool(BLOCKS)
    first = pool.take((1, 2), 3)
    assert first is not None
    pool.publish(first, (1, 2))
    second = pool.take((1, 2, 9), 3)

    assert second is not None
    assert second.shared == [1, 2]
    assert pool.used == 4


def test_what_is_released_can_be_found_until_its_room_is_needed() -> None:
    """The cache keeps blocks that nobody uses, and forgets the end of the oldest prompt first."""
    pool = Pool(4)
    first = pool.take((1, 2, 3), 3)
    assert first is not None
    pool.publish(first, (1, 2, 3))
    pool.release(first)
    assert pool.used == 0

    other = pool.take((), 2)  # one block was never used, one content must go
    again = pool.take((1, 2, 3), 2)

    assert other is not None
    assert again is not None
    assert again.shared == [1, 2]
    assert pool.take((3,), 1) is None


def test_cached_blocks_that_a_sequence_revives_are_not_free_for_it_as_well() -> None:
    """A pool of four with two idle contents has room for these two and two more, not three."""
    pool = Pool(4)
    first = pool.take((1, 2), 2)
    assert first is not None
    pool.publish(first, (1, 2))
    pool.release(first)

    assert pool.take((1, 2), 5) is None
    assert pool.take((1, 2), 4) is not None
    assert pool.free == 0


def test_a_growth_that_does_not_fit_takes_nothing() -> None:
    """All or nothing."""
    pool = Pool(4)
    holding = pool.take((), 2)
    assert holding is not None

    assert not pool.grow(holding, 5)
    assert (holding.blocks, pool.used) == (2, 2)
    assert pool.grow(holding, 4)
    assert pool.free == 0


def test_growth_forgets_what_it_writes_over() -> None:
    """Contents whose blocks another sequence took are not found again."""
    pool = Pool(4)
    first, other = pool.take((1, 2), 2), pool.take((), 1)
    assert first is not None
    assert other is not None
    pool.publish(first, (1, 2))
    pool.release(first)
    assert pool.grow(other, 4)
    pool.release(other)
    again = pool.take((1, 2), 2)

    assert again is not None
    assert again.shared == []


def test_a_block_holds_sixteen_tokens() -> None:
    """The number of blocks is the tokens over 16, rounded up."""
    assert [blocks_of(tokens) for tokens in (0, 1, BLOCK_TOKENS, BLOCK_TOKENS + 1)] == [0, 1, 1, 2]
