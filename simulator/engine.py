"""A continuous-batching inference engine as a pure model in virtual time: no sockets, no clock, no sleep.

Work goes in steps, as in vLLM. A step carries one token of every decoding sequence and some prefill, and lasts

    overhead + prefill tokens / prefill rate + KV tokens read x time per KV token
             + (weights read + time per sequence x batch, when any sequence decodes)

so prefill slows everyone's decode and TPOT grows with batch and with KV. Sequences that prefill share a step, at most
`prefill_chunk` tokens each (vLLM's long_prefill_token_threshold), so two long prompts slow each other. Without a free
KV block the youngest sequence is preempted, and computed again when there is room.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence

import msgspec

from simulator.kv import BLOCK_TOKENS, Holding, Pool, blocks_of


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """How fast an engine is and how much it holds; times in seconds."""

    name: str
    overhead_s: float
    prefill_per_s: float  # tokens
    decode_s: float  # the weights are read once a step
    per_sequence_s: float
    per_kv_token_s: float
    max_batch: int
    kv_blocks: int
    prefill_budget: int  # prefill tokens of one step
    prefill_chunk: int  # of one sequence in one step
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
    max_tokens: int  # it makes exactly so many
    prefix: tuple[int, ...] = ()  # contents of the prompt's whole blocks
    finish: str = "length"  # why it ends there
    model: str = ""  # or adapter, of several
    arrived_s: float = 0.0
    started_s: float | None = None
    first_s: float | None = None
    latest_s: float | None = None  # when it made its latest token
    computed: int = 0  # tokens whose KV is held
    generated: int = 0
    cached: int = 0  # prompt tokens that the prefix cache had
    published: int = 0  # blocks of the prompt that others may share
    holding: Holding = msgspec.field(default_factory=Holding)

    @property
    def to_prefill(self) -> int:
        """Tokens still to be computed before the next one can be generated; 1 when decoding."""
        return self.prompt_tokens + self.generated - self.computed


class Emission(msgspec.Struct, frozen=True):
    """A sequence's n-th token, from 0, at its time; `last` ends it."""

    job: Job
    number: int
    at_s: float
    last: bool


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """How busy an engine is, and what it has counted."""

    running: int = 0
    waiting: int = 0
    kv_share: float = 0.0
    preemptions: int = 0
    prefix_queries: int = 0
    prefix_hits: int = 0


Work = list[tuple[Job, int]]  # (sequence, tokens to compute)


class Engine:
    """Sequences waiting and running, and the step that is on its way."""

    def __init__(self, profile: Profile, draw: random.Random | None = None) -> None:
        self.profile = profile
        self.pool = Pool(profile.kv_blocks)
        self.waiting: deque[Job] = deque()
        self.running: list[Job] = []
        self.now = 0.0
        self._draw = draw or random.Random(0)
        self._step: tuple[float, Work] | None = None  # (when it ends, what it computes)
        self._preemptions = self._prefix_queries = self._prefix_hits = 0

    @property
    def due_s(self) -> float | None:
        """When the step on its way ends; None when nothing runs."""
        return self._step[0] if self._step else None

    @property
    def load(self) -> Load:
        """How busy it is now."""
        return Load(
            running=len(self.running),
            waiting=len(self.waiting),
            kv_share=self.pool.used / self.pool.blocks,
            preemptions=self._preemptions,
            prefix_queries=self._prefix_queries,
            prefix_hits=self._prefix_hits,
        )

    def submit(self, job: Job, now: float) -> None:
        """Queue a request; a step begins when none is on its way. Time must have been advanced to `now`."""
        if now < self.now or (self._step is not None and self._step[0] < now):
            raise ValueError(f"a request at {now} in an engine at {self.now}: advance it first")
        if blocks_of(job.prompt_tokens + job.max_tokens) > self.pool.blocks:
            raise ValueError(f"{job.prompt_tokens} + {job.max_tokens} tokens never fit in {self.pool.blocks} blocks")
        self.now = job.arrived_s = now
        self.waiting.append(job)
        if self._step is None:
            self._begin()

    def cancel(self, job: Job) -> None:
        """Forget a request whose client is gone; the step on its way takes its time all the same."""
        if job in self.waiting:
            self.waiting.remove(job)
        elif job in self.running:
            self.running.remove(job)
            self.pool.release(job.holding)
            assert self._step is not None, "what runs is in a step"
            self._step = self._step[0], [(one, tokens) for one, tokens in self._step[1] if one is not job]

    def advance(self, now: float) -> list[Emission]:
        """Every token that has come by `now`, in order; steps follow each other without a gap."""
        emissions: list[Emission] = []
        while self._step is not None and self._step[0] <= now:
            emissions.extend(self._end())
            self._begin()
        self.now = max(self.now, now)
        return emissions

    # -- a step

    def _begin(self) -> None:
        """Choose the step's work and set its end: decoding sequences first, then prefill, then those who wait."""
        # A victim is younger than the one that needs its blocks, so it is in none of the work chosen before.
        work = [(job, 1) for job in list(self.running) if job.to_prefill <= 1 and self._grow(job)]
        budget = self.profile.prefill_budget
        for job in self.running:
            if job.to_prefill > 1 and budget:
                budget -= self._share(job, budget, work)
        while budget and self._admit():
            budget -= self._share(self.running[-1], budget, work)
        self._step = (self.now + self._duration(work), work) if work else None

    def _share(self, job: Job, budget: int, work: Work) -> int:
        """Add a sequence's next tokens of prefill to the step; how many."""
        tokens = min(job.to_prefill, self.profile.prefill_chunk, budget)
        work.append((job, tokens))
        return tokens

    def _duration(self, work: Sequence[tuple[Job, int]]) -> float:
        profile = self.profile
        decoding = sum(job.to_prefill <= 1 for job, _ in work)
        seconds = profile.overhead_s + profile.per_kv_token_s * sum(job.computed for job, _ in work)
        seconds += (sum(tokens for _, tokens in work) - decoding) / profile.prefill_per_s
        if decoding:
            seconds += profile.decode_s + profile.per_sequence_s * decoding
        return seconds * self._draw.lognormvariate(0, profile.noise)

    def _end(self) -> list[Emission]:
        assert self._step is not None, "a step that ends has begun"
        self.now, work = self._step
        emissions = []
        for job, tokens in work:
            job.computed += tokens
            self._publish(job)
            if job.to_prefill > 0:
                continue
            emissions.append(self._emit(job))
        return emissions

    def _emit(self, job: Job) -> Emission:
        job.generated += 1
        job.latest_s = self.now
        if job.first_s is None:
            job.first_s = self.now
        last = job.generated >= job.max_tokens
        if last:
            self.running.remove(job)
            self.pool.release(job.holding)
        return Emission(job, job.generated - 1, self.now, last)

    # -- memory

    def _admit(self) -> bool:
        """Take in the first that waits, if a place and blocks for all its tokens so far are free."""
        if not self.waiting or len(self.running) >= self.profile.max_batch:
            return False
        job = self.waiting[0]
        tokens = job.prompt_tokens + job.generated
        usable = job.prefix[: (tokens - 1) // BLOCK_TOKENS]  # at least one token is always computed
        holding = self.pool.take(usable, blocks_of(tokens))
        if holding is None:
            return False
        self.running.append(self.waiting.popleft())
        job.holding, job.published = holding, len(holding.shared)
        job.computed = len(holding.shared) * BLOCK_TOKENS
        if job.started_s is None:
            job.started_s, job.cached = self.now, job.computed
            self._prefix_queries += job.prompt_tokens
            self._prefix_hits += job.cached
        return True

    def _publish(self, job: Job) -> None:
        whole = min(job.computed // BLOCK_TOKENS, len(job.prefix))
        if whole > job.published:
            self.pool.publish(job.holding, job.prefix[job.published : whole])
            job.published = whole

    def _grow(self, job: Job) -> bool:
        """Hold a block for the next token; preempt the youngest, itself at last, while the pool is empty."""
        while not self.pool.grow(job.holding, blocks_of(job.computed + 1)):
            victim = self.running[-1]
            self._preempt(victim)
            if victim is job:
                return False
        return True

    def _preempt(self, victim: Job) -> None:
        self._preemptions += 1
        self.running.remove(victim)
        self.pool.release(victim.holding)
        victim.computed = victim.published = 0
        self.waiting.appendleft(victim)
