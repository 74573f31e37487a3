"""A continuous-batching inference engine as a pure model in virtual time: no sockets, no clock, no sleep.

Work goes in steps, as in vLLM. A step carries one token of every decoding sequence and a chunk of prefill, and lasts

    overhead + prefill tokens / prefill rate + decode + per sequence x batch + per KV token x tokens held

so two long prefills slow each other and everyone's decode, and TPOT grows with batch and with KV. KV memory is a pool
of blocks: without a free one the youngest sequence is preempted and later computed again.
"""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Sequence

import msgspec

BLOCK_TOKENS = 16


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """How fast an engine is and how much it holds; times in seconds."""

    name: str
    overhead_s: float
    prefill_per_s: float  # tokens
    decode_s: float  # a step with one sequence: the weights are read once
    per_sequence_s: float
    per_kv_token_s: float
    max_batch: int
    kv_blocks: int
    prefill_budget: int  # prefill tokens of one step
    max_model_len: int
    noise: float = 0.02  # sd of the log of a step's time

    def faster(self, decode: float = 1.0, prefill: float = 1.0) -> Profile:
        """The same engine with other speeds, as an arm under test has."""
        return msgspec.structs.replace(
            self,
            prefill_per_s=self.prefill_per_s * prefill,
            decode_s=self.decode_s / decode,
            per_sequence_s=self.per_sequence_s / decode,
            per_kv_token_s=self.per_kv_token_s / decode,
        )


class Job(msgspec.Struct, kw_only=True, eq=False):
    """One request inside the engine."""

    id: int
    prompt_tokens: int
    max_tokens: int
    prefix: tuple[int, ...] = ()  # hashes of the prompt's whole blocks
    arrived_s: float = 0.0
    started_s: float | None = None
    first_s: float | None = None
    computed: int = 0  # tokens whose KV is held
    generated: int = 0
    cached: int = 0  # prompt tokens that the prefix cache had
    blocks: int = 0

    @property
    def to_prefill(self) -> int:
        """Tokens still to be computed before the next one can be generated."""
        return self.prompt_tokens + self.generated - self.computed


class Emission(msgspec.Struct, frozen=True):
    """A token of a sequence, at its time; `last` ends it."""

    job: Job
    at_s: float
    last: bool


class Engine:
    """Sequences waiting and running, and the step that is on its way."""

    def __init__(self, profile: Profile, seed: int = 0) -> None:
        self.profile = profile
        self._draw = random.Random(seed)
        self.waiting: deque[Job] = deque()
        self.running: list[Job] = []
        self.free_blocks = profile.kv_blocks
        self.preemptions = self.prefix_queries = self.prefix_hits = 0
        self._cache: OrderedDict[int, None] = OrderedDict()
        self._step: tuple[float, list[tuple[Job, int]]] | None = None  # (ends, [(sequence, tokens)])
        self.now = 0.0

    @property
    def due_s(self) -> float | None:
        """When the step on its way ends; None when nothing runs."""
        return self._step[0] if self._step else None

    @property
    def kv_share(self) -> float:
        """Share of the pool in use."""
        return 1 - self.free_blocks / self.profile.kv_blocks

    def submit(self, sequence: Job, now: float) -> None:
        """Queue a request; a step begins when none is on its way."""
        self.now = max(self.now, now)
        sequence.arrived_s = self.now
        self.waiting.append(sequence)
        if self._step is None:
            self._begin()

    def cancel(self, sequence: Job) -> None:
        """Forget a request whose client is gone."""
        if sequence in self.waiting:
            self.waiting.remove(sequence)
        elif sequence in self.running:
            self.running.remove(sequence)
            self._release(sequence)
            if self._step is not None:
                ends, work = self._step
                self._step = ends, [(one, tokens) for one, tokens in work if one is not sequence]

    def advance(self, now: float) -> list[Emission]:
        """Every token that has come by `now`, in order; steps follow each other without a gap."""
        emissions: list[Emission] = []
        while self._step is not None and self._step[0] <= now:
            emissions.extend(self._end())
            self._begin()
        self.now = max(self.now, now)
        return emissions

    def _begin(self) -> None:
        """Admit what fits, share out the prefill budget, and set the step's end."""
        self._admit()
        budget, work = self.profile.prefill_budget, []
        for sequence in list(self.running):
            if sequence not in self.running:
                continue  # preempted by a sequence before it
            tokens = min(sequence.to_prefill, budget) if sequence.to_prefill > 1 else 1
            if tokens and self._grow(sequence, sequence.computed + tokens):
                budget -= tokens if sequence.to_prefill > 1 else 0
                work.append((sequence, tokens))
        work = [(sequence, tokens) for sequence, tokens in work if sequence in self.running]
        self._step = (self.now + self._duration(work), work) if work else None

    def _duration(self, work: Sequence[tuple[Job, int]]) -> float:
        profile = self.profile
        prefill = sum(tokens for sequence, tokens in work if sequence.to_prefill > 1)
        decoding = [sequence for sequence, _ in work if sequence.to_prefill <= 1]
        seconds = profile.overhead_s + prefill / profile.prefill_per_s
        if decoding:
            held = sum(sequence.computed for sequence in decoding)
            seconds += profile.decode_s + profile.per_sequence_s * len(decoding) + profile.per_kv_token_s * held
        return seconds * self._draw.lognormvariate(0, profile.noise)

    def _end(self) -> list[Emission]:
        assert self._step is not None, "a step that ends has begun"
        self.now, work = self._step
        emissions = []
        for sequence, tokens in work:
            sequence.computed += tokens
            if sequence.to_prefill > 0:
                continue
            sequence.generated += 1
            if sequence.first_s is None:
                sequence.first_s = self.now
                self._remember(sequence)
            last = sequence.generated >= sequence.max_tokens
            emissions.append(Emission(sequence, self.now, last))
            if last:
                self.running.remove(sequence)
                self._release(sequence)
        return emissions

    # -- memory

    def _admit(self) -> None:
        while self.waiting and len(self.running) < self.profile.max_batch:
            sequence = self.waiting[0]
            need = blocks_of(sequence.prompt_tokens + sequence.generated + 1)
            if need > self.free_blocks:
                return
            self.waiting.popleft()
            self._use_cache(sequence)
            self.running.append(sequence)
            self._grow(sequence, sequence.prompt_tokens + sequence.generated)
            if sequence.started_s is None:
                sequence.started_s = self.now

    def _use_cache(self, sequence: Job) -> None:
        """Skip the blocks at the front that are cached; at least one token is always computed."""
        hits = 0
        for block in sequence.prefix:
            if block not in self._cache:
                break
            self._cache.move_to_end(block)
            hits += 1
        held = min(hits * BLOCK_TOKENS, sequence.prompt_tokens - 1)
        self.prefix_queries += sequence.prompt_tokens
        self.prefix_hits += held
        sequence.computed = held
        if not sequence.generated:
            sequence.cached = held

    def _remember(self, sequence: Job) -> None:
        for block in sequence.prefix:
            self._cache[block] = None
            self._cache.move_to_end(block)
        while len(self._cache) > self.profile.kv_blocks:
            self._cache.popitem(last=False)

    def _grow(self, sequence: Job, tokens: int) -> bool:
        """Hold blocks for that many tokens; preempt the youngest others, then itself, when the pool is empty."""
        need = blocks_of(tokens) - sequence.blocks
        while need > self.free_blocks:
            victim = self.running[-1]
            self._preempt(victim)
            if victim is sequence:
                return False
        if need > 0:
            sequence.blocks += need
            self.free_blocks -= need
        return True

    def _preempt(self, victim: Job) -> None:
        self.preemptions += 1
        self.running.remove(victim)
        self._release(victim)
        victim.computed = 0
        self.waiting.appendleft(victim)

    def _release(self, sequence: Job) -> None:
        self.free_blocks += sequence.blocks
        sequence.blocks = 0


def blocks_of(tokens: int) -> int:
    """Blocks that hold so many tokens."""
    return -(-tokens // BLOCK_TOKENS)
