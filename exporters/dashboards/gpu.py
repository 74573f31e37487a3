"""The dashboard of GPUs and engines, beside the latency that they give."""

from __future__ import annotations

from typing import Final

from exporters import gpu_fields as fields
from exporters.dashboards.panels import Choice, Page, Panel, Row
from exporters.dashboards.queries import HOST, engine, engine_rate, gpu, measured
from exporters.dashboards.swarm import ARMS, OUTPUT, RUN, STEP, TPOT, TTFT
from exporters.gpu_health import AGE, UP
from exporters.server import ENGINE

RUNNING: Final = f'{{__name__=~"{"|".join(ENGINE["running"].names)}"}}'
HOSTS: Final = Choice("host", "GPU host", f"label_values({fields.GPU_UTIL.name}, Hostname)")
ENGINES: Final = Choice("engine", "Engine", f"label_values({RUNNING}, instance)")
ONE: Final = "{{Hostname}} GPU {{gpu}} {{GPU_I_ID}}"
WATTS: Final = f"sum({fields.POWER.name}{{{HOST}}})"

_LATENCY: Final = Row(
    "What users see",
    (TTFT, TPOT, Panel("Output tokens per second", "short", "As the swarm counts them.", {"{{arm}}": OUTPUT})),
)

_ENGINE: Final = Row(
    "The engine",
    (
        Panel(
            "Requests in the engine",
            "none",
            "Running are in the batch; waiting ones are the engine's own queue.",
            {"{{instance}} running": engine("running"), "{{instance}} waiting": engine("waiting")},
        ),
        Panel(
            "KV memory in use",
            "percentunit",
            "Share of the pool. Near 1 the engine preempts or queues.",
            {"{{instance}}": engine("kv_used_share")},
        ),
        Panel(
            "Output tokens per second, by the engine",
            "short",
            "More than the swarm's own: others use it too.",
            {"{{instance}}": engine_rate("output_tokens")},
        ),
        Panel(
            "Preemptions per second",
            "short",
            "Requests thrown out of the batch for lack of KV memory.",
            {"{{instance}}": engine_rate("preemptions")},
        ),
        Panel(
            "Prefix cache hits per second",
            "short",
            "Tokens of prompts that were served from the prefix cache.",
            {"{{instance}}": engine_rate("prefix_hits")},
        ),
        Panel(
            "Input tokens per second, by the engine",
            "short",
            "Tokens of prompts.",
            {"{{instance}}": engine_rate("input_tokens")},
        ),
    ),
)

_GPU: Final = Row(
    "The GPUs",
    (
        Panel(
            "Busy",
            "percent",
            "Share of time with any kernel running: near 100 % at one request, so no measure of use.",
            {ONE: gpu(fields.GPU_UTIL)},
        ),
        Panel(
            "Memory",
            "mbytes",
            "Used and free; what the driver reserves is in neither.",
            {f"{ONE} used": gpu(fields.FB_USED), f"{ONE} free": gpu(fields.FB_FREE)},
        ),
        Panel(
            "Power",
            "watt",
            "Draw and limit. Busy and far below the limit: bound by memory.",
            {ONE: gpu(fields.POWER), f"{ONE} limit": gpu(fields.POWER_LIMIT)},
        ),
        Panel(
            "Energy per output token",
            "joule",
            "Power of the chosen GPUs / output tokens per second of the chosen arms.",
            {"per token": f"{WATTS} / (sum({OUTPUT}) > 0)"},
        ),
        Panel("SM clock", "rotmhz", "It falls where clocks are held down.", {ONE: gpu(fields.SM_CLOCK)}),
        Panel("Temperature", "celsius", "Of the GPU.", {ONE: gpu(fields.GPU_TEMP)}),
        Panel(
            "Clocks held down",
            "none",
            "1 while this reason holds them down. For hw_* and sw_thermal look after cooling and power.",
            {
                "{{Hostname}} GPU {{gpu}} {{reason}}": f"max by (Hostname, gpu, reason) "
                f"({fields.THROTTLED.name}{{{HOST}}})"
            },
        ),
        Panel(
            "Read",
            "none",
            "1: the exporter has a fresh reading of this GPU. 0: what is missing is not 0.",
            {"{{Hostname}} GPU {{gpu}}": f"min by (Hostname, gpu) ({UP.name}{{{HOST}}})"},
        ),
        Panel(
            "Age of readings",
            "s",
            "Time since a tier of readings had been through all GPUs.",
            {"{{instance}} {{tier}}": f"max by (instance, tier) ({AGE.name})"},
        ),
    ),
)

_STEP: Final = Row(
    "In the step that is being measured",
    (
        Panel(
            "GPU busy",
            "percent",
            "Mean over the chosen GPUs, in windows.",
            {STEP: measured(f"avg({fields.GPU_UTIL.name}{{{HOST}}})")},
        ),
        Panel("Power", "watt", "Sum over the chosen GPUs, in windows.", {STEP: measured(WATTS)}),
        Panel(
            "KV memory in use",
            "percentunit",
            "Mean over the chosen engines, in windows.",
            {STEP: measured(f"avg({engine('kv_used_share')})")},
        ),
    ),
)

PAGE: Final = Page(
    uid="tokenswarm-gpu",
    title="tokenswarm: GPU and engine",
    what="GPUs (dcgm-exporter's names) and engines (vLLM, SGLang, TGI, llama.cpp) beside the latency that users see.",
    choices=(RUN, ARMS, HOSTS, ENGINES),
    rows=(_LATENCY, _ENGINE, _GPU, _STEP),
)
