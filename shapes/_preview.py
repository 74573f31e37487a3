"""`tokenswarm plan` and `tokenswarm calibrate` as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from scenarios.scenario import Scenario
from shapes._detectable import Noise, measured_noise
from shapes._estimate import Estimate, refusal, rows
from shapes._estimate import estimate as estimated
from shapes._manifest import aa_comparisons
from shapes._plan import Plan, brought_up, make_plan
from shapes._prices import asked
from shapes._search import steady


def show_plan(path: Path, overrides: Sequence[str]) -> str | None:
    """Print what a scenario's file would run; why it is refused, if it is."""
    scenario = asked(path, overrides)
    plan = make_plan(scenario)
    noise = measured_noise(aa_comparisons(scenario) or ())
    costs = estimated(plan, scenario, noise=noise)
    preview(Console(), scenario, plan, costs, noise)
    return refusal(costs, scenario)


def preview(console: Console, scenario: Scenario, plan: Plan, estimate: Estimate, noise: Noise) -> None:
    """Print what would run, cell by cell, and what it takes in all."""
    load = "requests/s" if scenario.ladder.rate else "users"
    table = Table(
        title=f"{scenario.name}: {len(scenario.arms)} arm(s), {scenario.plan.blocks} block(s)", title_justify="left"
    )
    for name in ("cell", "tokens in/out", load, "steps", "requests", "time"):
        table.add_column(name, justify="left" if name in ("cell", load) else "right")
    for row in rows(plan, scenario):
        cell = row.cell
        sizes = f"{cell.input_tokens}/{cell.output_tokens}" if cell else "own prompts"
        users = " ".join(f"{rung:g}" for rung in row.rungs)
        name = cell.name if cell else "tasks"
        table.add_row(name, sizes, users, str(row.steps), f"{row.requests:,}", clock(row.seconds))
    console.print(table)
    about = "at most" if plan.at_most else "about"
    console.print(f"{estimate.steps} steps, {about} {clock(estimate.seconds)}, {estimate.requests:,} requests")
    if scenario.search is not None:
        console.print(searched(scenario))
    console.print(
        f"{estimate.input_tokens:,} tokens in, {estimate.output_tokens:,} tokens out{_money(estimate, scenario)}"
    )
    if estimate.mde is not None and not scenario.compare.isolate:  # between a model and a service nothing is proven
        ttft = f", in TTFT {estimate.mde_ttft:.0%}" if estimate.mde_ttft is not None else ""
        console.print(f"smallest change it could prove in TPOT or E2E: {estimate.mde:.1%}{ttft} ({_of(noise)})")
    switches = sum(scenario.arms[arm].before is not None for arm in brought_up(plan))
    if switches:
        console.print(f"{switches} times an arm is brought up by its `before` command, which takes time of its own")
    console.print("[dim]Times assume a mid-size model on one accelerator; nothing was sent.[/]")


def searched(scenario: Scenario) -> str:
    """How many probes the searches of a plan take, and how long, when the service is steady."""
    likely = steady(scenario)
    each = len(likely.passes) // max(len({(one.block, one.arms, one.cell) for one in likely.passes}), 1)
    assert scenario.search is not None, "a scenario with a search"
    return (
        f"a search takes {scenario.search.probes} probes at most, each warmed up and drained by itself; about {each} "
        f"of a steady service: {clock(estimated(likely, scenario).seconds)} in all"
    )


def _of(noise: Noise) -> str:
    return "at the noise of the given A/A run" if noise.measured else "at the usual noise"


def _money(estimate: Estimate, scenario: Scenario) -> str:
    if estimate.money is None or scenario.cost is None:
        return ", no API price given"
    return f", {estimate.money:.2f} {scenario.cost.currency}"


def clock(seconds: float) -> str:
    """Hours and minutes, or minutes and seconds."""
    whole = round(seconds)
    return (
        f"{whole // 3600} h {whole % 3600 // 60:02d} min" if whole >= 3600 else f"{whole // 60} min {whole % 60:02d} s"
    )


def show_calibration(console: Console, calibration: dict[str, Any]) -> None:
    """Print the errors by rung, and the highest rate at which they stay within tolerance."""
    table = Table(title="client error against the server's own send stamps (p50 / p99)", title_justify="left")
    for name in ("streams", "chunks/s", "TTFT", "gap", "E2E", "lag", "CPU"):
        table.add_column(name, justify="right")
    for users, figures in calibration["rungs"].items():
        errors = (_pair(figures[name]) for name in ("ttft_error_s", "gap_error_s", "e2e_error_s", "lag_s"))
        table.add_row(users, f"{figures['chunks_per_s']:,.0f}", *errors, f"{figures.get('cpu') or 0:.0%}")
    console.print(table)
    if calibration["streams"]:
        rate = calibration["chunks_per_s"]
        console.print(f"within tolerance up to {calibration['streams']} streams, {rate:,.0f} chunks/s per process")
    else:
        console.print("[red]no rung within tolerance: this machine is too busy; close other work and run it again[/]")


def _pair(spread: dict[str, float]) -> str:
    return f"{spread['p50'] * 1e3:.3f} / {spread['p99'] * 1e3:.3f} ms" if spread else "-"
