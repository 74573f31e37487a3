"""KV memory: a pool of blocks, held by sequences, shared between prompts that begin alike. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import takewhile

import msgspec

BLOCK_TOKENS = 16  # vLLM's default block size


def blocks_of(tokens: int) -> int:
    """Blocks that hold so many tokens."""
    return -(-tokens // BLOCK_TOKENS)


class Holding(msgspec.Struct, eq=False):
    """The blocks of one sequence: some found or published by content, the rest its own."""

    shared: list[int] = msgspec.field(default_factory=list)
    own: int = 0

    @property
    def blocks(self) -> int:
        """Blocks that its tokens are in."""
        return len(self.shared) + self.own


class Pool:
    """Blocks in use plus blocks that are free; a free one may keep its content until it is needed (prefix cache).

    The content of a block is known by a hash of all tokens up to its end. Law: used + free = blocks, always.
    """

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self._own = 0
        self._users: dict[int, int] = {}  # content in use -> sequences that hold it
        self._idle: OrderedDict[int, None] = OrderedDict()  # content nobody uses, oldest first

    @property
    def used(self) -> int:
        """Blocks that sequences hold; a shared one counts once."""
        return self._own + len(self._users)

    @property
    def free(self) -> int:
        """Blocks that can be had, with or without a content that would be lost."""
        return self.blocks - self.used

    def take(self, contents: Sequence[int], blocks: int) -> Holding | None:
        """So many blocks for a new sequence, the first of `contents` from the cache; None when too few are free."""
        found = list(takewhile(lambda content: content in self._users or content in self._idle, contents[:blocks]))
        own = blocks - len(found)
        if own + sum(content in self._idle for content in found) > self.free:
            return None
        for content in found:
            self._idle.pop(content, None)
            self._users[content] = self._users.get(content, 0) + 1
        self._own += own
        self._forget()
        return Holding(found, own)

    def grow(self, holding: Holding, blocks: int) -> bool:
        """Whether the holding has so many blocks now; nothing is taken when the pool has too few."""
        need = blocks - holding.blocks
        if need > self.free:
            return False
        if need > 0:
            holding.own += need
            self._own += need
            self._forget()
        return True

    def publish(self, holding: Holding, contents: Sequence[int]) -> None:
        """These blocks are computed: later prompts may share them. A content that is known already stays as it is."""
        for content in contents:
            if content in self._users or content in self._idle:
                continue
            holding.own -= 1
            self._own -= 1
            holding.shared.append(content)
            self._users[content] = 1

    def release(self, holding: Holding) -> None:
        """Give all blocks back; shared ones stay findable, the end of a prompt being forgotten first."""
        self._own -= holding.own
        for content in reversed(holding.shared):
            self._users[content] -= 1
            if not self._users[content]:
                del self._users[content]
                self._idle[content] = None
        holding.shared, holding.own = [], 0

    def _forget(self) -> None:
        while self.used + len(self._idle) > self.blocks:
            self._idle.popitem(last=False)
