"""The Scenario: what is asked of whom, as frozen structs with the defaults of scenario format 1.

Every duration is in seconds here; `scenarios.load` turns "500ms" into 0.5 and "1..32" into (1, 2, 4, 8, 16, 32). What a
type's Meta says in `reads` is how the file's value becomes the struct's.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, extra={"reads": "seconds"})]
Delay = Annotated[float, msgspec.Meta(ge=0, extra={"reads": "seconds"})]
Rate = Annotated[float, msgspec.Meta(gt=0, le=100_000)]
Rates = Annotated[tuple[Rate, ...], msgspec.Meta(extra={"reads": "rates"})]
Rungs = Annotated[tuple[Count, ...], msgspec.Meta(min_length=1, extra={"reads": "rungs"})]
Threshold = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Sizes = Annotated[dict[str, Count], msgspec.Meta(min_length=1)]
APIS = (  # the dialects that this version speaks
    "openai-chat", "openai-completions", "openai-responses", "anthropic-messages", "ollama-chat",
    "tgi-generate", "azure-openai-chat", "openai-embeddings", "rerank", "json",
)  # fmt: skip
WITHOUT_OUTPUT = ("openai-embeddings", "rerank")  # those that answer with vectors or scores


class Frozen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen struct that refuses unknown keys: the one ancestor of everything in a scenario."""


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
    extra_body: dict[str, Any] = {}
    headers: dict[str, str] = {}
    path: str | None = None
    json: JsonApi | None = None
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
    """

    concurrency: Rungs = (1, 2, 4, 8, 16, 32)
    rate: Rates = ()
    arrival: Literal["poisson", "constant", "gamma", "trace"] = "poisson"
    burstiness: Annotated[float, msgspec.Meta(ge=0.01, le=10_000)] = 1.0
    trace: str | None = None
    senders: Count = 4096
    at: Count | Rate = 8

    @property
    def rungs(self) -> tuple[float, ...]:
        """Requests per second in open loop, else users at once."""
        return self.rate or self.concurrency


class Matrix(Frozen, frozen=True):
    """Sizes in tokens by name; `cells` are the crossings that are measured."""

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
    cells: dict[str, CellSlo] = {}


class Compare(Frozen, frozen=True):
    """Which arm is judged against which, in what order they run, and how large a change matters.

    `aa` true: the arms are the same thing, the run measures the noise of this setup; a single arm gets a twin. `aa` a
    directory: such a run, given as the proof that the places of parallel arms are alike, and as the noise for `plan`.
    """

    baseline: str = ""
    candidate: str = ""
    order: Literal["abba", "parallel"] = "abba"
    threshold: Threshold | dict[str, Threshold] = 0.05
    aa: bool | str = False


class ApiPrice(Frozen, frozen=True):
    """API price per 1M tokens, in the scenario's currency, or the name of a model in genai-prices."""

    input: NonNegative | None = None
    cached_input: NonNegative | None = None
    output: NonNegative | None = None
    request: NonNegative | None = None
    source: str | None = None
    date: str | None = None
    provider: str | None = None
    model: str | None = None


class GpuPrice(Frozen, frozen=True):
    """What the accelerators cost and how many a replica takes."""

    hourly: NonNegative
    gpus_per_replica: Count = 1
    replicas: Count = 1
    min_replicas: Count = 1
    headroom: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.7
    autoscale: bool = False
    owned: bool = False
    host_watts: NonNegative = 300.0


class Electricity(Frozen, frozen=True):
    """Price of a kWh and the data centre's overhead factor."""

    per_kwh: NonNegative
    pue: Annotated[float, msgspec.Meta(ge=1)] = 1.3


class People(Frozen, frozen=True):
    """What it costs to adopt and to keep the change."""

    hourly: NonNegative
    adopt_hours: NonNegative = 0.0
    keep_hours_per_month: NonNegative = 0.0


class OtherCost(Frozen, frozen=True):
    """Anything else, once and per month."""

    once: NonNegative = 0.0
    monthly: NonNegative = 0.0


class Cost(Frozen, frozen=True):
    """Prices and traffic; a kind without a table is not measured, never free."""

    currency: str = "USD"
    requests_per_month: NonNegative | dict[str, NonNegative] | None = None
    peak_factor: Positive = 3.0
    value_per_month: NonNegative | None = None
    max_monthly_cost: NonNegative | None = None
    max_cost_increase: NonNegative | None = None
    weights: dict[str, NonNegative] = {}
    api: ApiPrice | None = None
    gpu: GpuPrice | None = None
    electricity: Electricity | None = None
    people: People | None = None
    other: OtherCost | None = None


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
    plan: Design = Design()
    prompts: Prompts = Prompts()
    window: Window = Window()
    request: Request = Request()
    limits: Limits = Limits()
    slo: Slo = Slo()
    compare: Compare = Compare()
    cost: Cost | None = None
