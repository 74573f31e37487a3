"""The Scenario: what is asked of whom, as frozen structs with the defaults of scenario format 1.

Every duration is in seconds here; `scenarios.load` turns "500ms" into 0.5 and "1..32" into (1, 2, 4, 8, 16, 32).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from scenarios.conversation import Conversation
from scenarios.data import Data
from scenarios.kinds import Count, Delay, Frozen, Positive, Rate, Rates, Rungs, Seconds, Seed, Share, Sizes, Threshold
from scenarios.prices import Cost
from scenarios.sampling import Sampling
from scenarios.search import Search
from scenarios.soak import Disturbance, Soak
from scenarios.stages import Stages

APIS = (  # the dialects that this version speaks
    "openai-chat", "openai-completions", "openai-responses", "anthropic-messages", "ollama-chat",
    "tgi-generate", "azure-openai-chat", "openai-embeddings", "rerank", "json",
)  # fmt: skip
WITHOUT_OUTPUT = ("openai-embeddings", "rerank")  # those that answer with vectors or scores

ONE_TEXT = ("openai-completions", "tgi-generate", "openai-embeddings", "rerank", "json")  # those that take no messages


class Model(Frozen, frozen=True):
    """One of several models served behind one endpoint, with its share of the requests."""

    model: str
    weight: Positive = 1.0


Models = Annotated[tuple[Model, ...], msgspec.Meta(min_length=1)]


class JsonApi(Frozen, frozen=True):
    """How a JSON service of its own kind is asked and read (api = "json").

    `body` is a JSON text with places: "{{prompt}}" and "{{model}}" inside strings, {{max_tokens}} and {{stream}} bare.
    The others are dotted paths or JSON pointers into the reply, or into each event or line of a stream.
    """

    body: str
    text: str
    input_tokens: str = ""
    output_tokens: str = ""
    finish: str = ""
    error: str = "error"
    stream: Literal["no", "sse", "ndjson"] = "no"


class Arm(Frozen, frozen=True):
    """One service under test: where it is, how to talk to it, and who we are."""

    url: str
    api: str = "openai-chat"
    model: str | Models = ""
    api_key_env: str | None = None
    api_key_file: str | None = None
    extra_body: dict[str, Any] = msgspec.field(default_factory=dict)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    path: str | None = None
    json: JsonApi | None = None
    stages: Stages | None = None
    metrics: tuple[str, ...] = ()
    gpu: tuple[str, ...] = ()
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    server_name: str | None = None
    proxy: str | None = None
    before: str | None = None
    ready: str | None = None
    replicas: Count = 1
    replica_header: str | None = None
    connection: Literal["keep", "fresh"] = "keep"
    cost: Cost | None = None


class Cell(Frozen, frozen=True):
    """One input size crossed with one output size; `input` and `output` are the names, the numbers are tokens."""

    input: str
    output: str
    input_tokens: int
    output_tokens: int

    @property
    def name(self) -> str:
        """The cell as people write it: "short/long"."""
        return f"{self.input}/{self.output}"


class Ladder(Frozen, frozen=True):
    """The rungs, ascending, and the operating point: users at once, or in open loop requests per second (`rate`).

    `burstiness` is the gamma's shape (1 = poisson); at most `senders` requests are in flight, over all workers.
    `on_bad`: whether lines of the trace that cannot be used stop the run or are left out.
    """

    concurrency: Rungs = (1, 2, 4, 8, 16, 32)
    rate: Rates = ()
    arrival: Literal["poisson", "constant", "gamma", "trace"] = "poisson"
    burstiness: Annotated[float, msgspec.Meta(ge=0.01, le=10_000)] = 1.0
    trace: str | None = None
    on_bad: Literal["stop", "skip"] = "stop"
    senders: Count = 4096
    at: Count | Rate = 8

    @property
    def rungs(self) -> tuple[float, ...]:
        """Requests per second in open loop, else users at once."""
        return self.rate or self.concurrency


class Matrix(Frozen, frozen=True):
    """Sizes in tokens by name (or how they are drawn); `cells` are the crossings that are measured."""

    input: Sizes = msgspec.field(default_factory=lambda: {"short": 128, "medium": 1024, "long": 4096})
    output: Sizes = msgspec.field(default_factory=lambda: {"short": 32, "medium": 256, "long": 1024})
    cells: tuple[Cell, ...] = ()
    output_jitter: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.0


class Tasks(Frozen, frozen=True):
    """The second workload: the user's own prompts with natural stop. `file` None means the bundled sample set."""

    file: str | None = None
    concurrency: Count = 8
    requests: Count = 200
    max_tokens: Count = 2048
    responses: Annotated[int, msgspec.Meta(ge=0)] = 200


class Design(Frozen, frozen=True):
    """Which points are visited: `cross` = the whole ladder at `cell` plus every cell at the operating point."""

    design: Literal["cross", "full"] = "cross"
    cell: str = "medium/medium"
    blocks: Count = 6


class Prompts(Frozen, frozen=True):
    """How prompts are sized: a tiktoken vocabulary, or "auto" = the baseline's /tokenize, else o200k_base."""

    tokenizer: str = "auto"
    shared_prefix: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0


class Window(Frozen, frozen=True):
    """When a step's window may close: after `duration` and `turns` and `min_requests`, at `max` at the latest."""

    duration: Seconds = 30.0
    turns: Count = 3
    min_requests: Count = 20
    max: Seconds = 300.0
    retries: Annotated[int, msgspec.Meta(ge=0)] = 1


class Request(Frozen, frozen=True):
    """How one request is sent, and for how long it may take."""

    stream: bool = True
    timeout: Seconds = 120.0
    first_token_timeout: Seconds = 60.0


class Limits(Frozen, frozen=True):
    """What stops a run cleanly, with a report of what was measured."""

    max_cost: Positive | None = None
    max_duration: Seconds = 4 * 3600.0
    max_errors: Share = 0.5
    worker_grace: Delay = 30.0


class CellSlo(Frozen, frozen=True):
    """Per-request limits for the cells that a pattern names; the last matching pattern wins, key by key."""

    ttft: Seconds | None = None
    tpot: Seconds | None = None
    e2e: Seconds | None = None


class Slo(Frozen, frozen=True):
    """A request is good when it is ok and within every limit; `attain` is the share of sent that must be good."""

    ttft: Seconds | None = None
    tpot: Seconds | None = None
    e2e: Seconds | None = None
    attain: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.95
    error_rate: Share | None = None
    cells: dict[str, CellSlo] = msgspec.field(default_factory=dict)


class Compare(Frozen, frozen=True):
    """Which arm is judged against which, in what order they run, and how large a change matters.

    `aa` true: the arms are the same thing, the run measures the noise of this setup; a single arm gets a twin. `aa` a
    directory: such a run, given as the proof that the places of parallel arms are alike, and as the noise for `plan`.
    `isolate`: the baseline is the model, the candidate a service around it; what it adds is measured, nothing is gated.
    """

    baseline: str = ""
    candidate: str = ""
    order: Literal["abba", "parallel"] = "abba"
    threshold: Threshold | dict[str, Threshold] = 0.05
    aa: bool | str = False
    isolate: bool = False


class Scenario(Frozen, frozen=True):
    """Everything one run needs to know. The first arm is the baseline unless `compare` says otherwise."""

    name: str
    arms: Annotated[dict[str, Arm], msgspec.Meta(min_length=1)]
    format: Literal[1] = 1
    seed: Seed = 7
    record: Literal["requests", "chunks"] = "requests"
    ladder: Ladder = Ladder()
    matrix: Matrix = msgspec.field(default_factory=Matrix)
    tasks: Tasks | None = None
    data: Data | None = None
    conversation: Conversation | None = None
    plan: Design = Design()
    search: Search | None = None
    soak: Soak | None = None
    disturbance: tuple[Disturbance, ...] = ()
    prompts: Prompts = Prompts()
    window: Window = Window()
    request: Request = Request()
    limits: Limits = Limits()
    sampling: Sampling = Sampling()
    slo: Slo = Slo()
    compare: Compare = Compare()
    cost: Cost | None = None

    @property
    def shape(self) -> str:
        """The shape that leads it: search and soak where they are given, arrivals by rate, else the ladder."""
        if self.search is not None or self.soak is not None:
            return "search" if self.search is not None else "soak"
        return "arrivals" if self.ladder.rate else "ladder"
