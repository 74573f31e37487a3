"""What must be true between the values of a scenario, beyond the type of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from scenarios.arm_prices import check_replicas
from scenarios.conversation import CHATS
from scenarios.isolate import check_isolate
from scenarios.places import swaps
from scenarios.prices import LISTED, Cost
from scenarios.scenario import APIS, Arm, Cell, Scenario
from scenarios.search_rules import check_search
from scenarios.soak_rules import check_soak
from scenarios.spread import DATA
from scenarios.stages import check_stages
from scenarios.template import check_json
from scenarios.wrong import MISSING, UNSHOWN, Where, Wrong, show, unknown

METRICS = ("ttft", "tpot", "e2e", "good")  # what the gate compares; thresholds are given per each
PARTS = ("tokens", "waste", "gpu", "energy", "people")  # what the score weighs
ARM_PRICES = ("api", "gpu", "electricity", "people", "other")  # kinds of cost that an arm may have of its own

NONCE_TOKENS = 8  # a prompt's own, at its front; behind it at least one token that all share

ARM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
SIZE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._]{0,39}")  # no "-": it parts the fields of a step's id
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
ACCEPTED_URL = '"http://HOST:PORT", "https://HOST" or "unix:/PATH"'


def check(scenario: Scenario, environment: Mapping[str, str]) -> None:
    """Raise Wrong for the first thing in a complete scenario that cannot be run."""
    if not scenario.name.strip() or not scenario.name.isprintable():
        raise Wrong(("name",), scenario.name, "expected a printable name")
    for name, arm in scenario.arms.items():
        _check_name(name, ("arms", name), ARM_NAME, 'letters, digits, ".", "_", "-"')
        _check_arm(arm, ("arms", name), environment)
    _check_twice([("arms", name) for name in scenario.arms])
    _check_matrix(scenario)
    _check_steps(scenario)
    _check_slo(scenario)
    check_search(scenario)
    check_soak(scenario)
    _check_compare(scenario)
    check_isolate(scenario)
    _check_cost(scenario)


def _check_name(name: str, at: Where, pattern: re.Pattern[str], accepted: str) -> None:
    if not pattern.fullmatch(name):
        raise Wrong(at, UNSHOWN, f"a name is 1 to 40 of {accepted}, starting with a letter or digit")


def _check_twice(keys: Iterable[tuple[str, ...]]) -> None:
    """Names differ by more than upper and lower case: they become file names."""
    seen: dict[str, str] = {}
    for *table, name in keys:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise Wrong((*table, name), UNSHOWN, f"differs from {show(other)} only in upper and lower case")


def _check_arm(arm: Arm, at: Where, environment: Mapping[str, str]) -> None:
    if not is_url(arm.url, ("http", "https")) and not re.fullmatch(r"unix:/[^\s?#]+", arm.url):
        raise Wrong((*at, "url"), arm.url, f"expected a base URL: {ACCEPTED_URL}")
    if arm.api not in APIS:
        raise Wrong((*at, "api"), arm.api, f"unknown API; {unknown(arm.api, APIS)}")
    if arm.path is not None and not re.fullmatch(r"/[!-~]*", arm.path):
        raise Wrong((*at, "path"), arm.path, 'expected a path such as "/v1/chat/completions", percent-encoded')
    if arm.proxy is not None and not is_url(arm.proxy, ("http",)):
        raise Wrong((*at, "proxy"), arm.proxy, 'expected "http://HOST:PORT"')
    if arm.ready is not None and not is_url(arm.ready, ("http", "https"), base=False):
        raise Wrong((*at, "ready"), arm.ready, 'expected "http://HOST:PORT/health" or https://')
    if arm.replica_header is not None and not HEADER_NAME.fullmatch(arm.replica_header):
        raise Wrong((*at, "replica_header"), arm.replica_header, 'expected a header\'s name, such as "x-served-by"')
    if arm.client_key is not None and arm.client_cert is None:
        raise Wrong((*at, "client_cert"), MISSING, "client_key is given, and a key needs its certificate")
    for key, addresses in (("metrics", arm.metrics), ("gpu", arm.gpu)):
        for i, address in enumerate(addresses):
            if not is_url(address, ("http", "https", "dns"), base=False):
                raise Wrong((*at, key, i), address, 'expected "http://HOST:PORT/metrics", https:// or dns://')
    check_json(arm, at)
    check_stages(arm.stages, at)
    _check_headers(arm.headers, (*at, "headers"))
    _check_key(arm, at, environment)
    _check_arm_cost(arm, at)


def is_url(text: str, schemes: tuple[str, ...], base: bool = True) -> bool:
    """Whether a text is an absolute URL of one of the schemes; a base URL has no query."""
    if not re.fullmatch(r"[!-~]+", text):
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    plain = not parts.fragment and not (base and parts.query)
    return parts.scheme in schemes and bool(parts.hostname) and port != 0 and plain


def _check_headers(headers: dict[str, str], at: Where) -> None:
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name):
            raise Wrong((*at, name), UNSHOWN, "not a header's name")
        if not (value.isprintable() and value.isascii()):
            raise Wrong((*at, name), UNSHOWN, "expected printable ASCII on one line")


def _check_key(arm: Arm, at: Where, environment: Mapping[str, str]) -> None:
    if arm.api_key_env is None:
        return
    if arm.api_key_file is not None:
        raise Wrong((*at, "api_key_file"), arm.api_key_file, "api_key_env is given too: expected one of them")
    if not environment.get(arm.api_key_env, "").strip():
        raise Wrong((*at, "api_key_env"), arm.api_key_env, "this environment variable is not set, or empty: export it")


def _check_arm_cost(arm: Arm, at: Where) -> None:
    """An arm has prices of its own; traffic, budgets and currency are the scenario's."""
    if arm.cost is None:
        return
    for key in Cost.__struct_fields__:
        value = getattr(arm.cost, key)
        if key not in ARM_PRICES and value != getattr(Cost(), key):
            raise Wrong((*at, "cost", key), value, f"belongs in [cost]; an arm may have {', '.join(ARM_PRICES)}")


def _check_matrix(scenario: Scenario) -> None:
    matrix = scenario.matrix
    for side, sizes in (("input", matrix.input), ("output", matrix.output)):
        for name in sizes:
            _check_name(name, ("matrix", side, name), SIZE_NAME, 'letters, digits, ".", "_"')
        _check_twice([("matrix", side, name) for name in sizes])
    _check_room(scenario)
    _check_data(scenario)
    _check_conversation(scenario)
    labels = Counter(f"{cell.input}_{cell.output}".lower() for cell in matrix.cells)
    for cell in matrix.cells:
        if labels[f"{cell.input}_{cell.output}".lower()] > 1:
            text = f"{cell.name} reads the same as another cell in a step's id: rename a size"
            raise Wrong(("matrix", "cells"), UNSHOWN, text)
    if scenario.plan.cell not in {cell.name for cell in matrix.cells}:
        names = [cell.name for cell in matrix.cells]
        raise Wrong(("plan", "cell"), scenario.plan.cell, f"no such cell; {unknown(scenario.plan.cell, names)}")


def _check_room(scenario: Scenario) -> None:
    """A prompt holds its shared prefix and a nonce."""
    share = scenario.prompts.shared_prefix
    for name, tokens in scenario.matrix.input.items():
        if isinstance(tokens, str):  # drawn among those that have room
            continue
        least = max(1, round(share * tokens)) + NONCE_TOKENS
        if tokens < least:
            text = f"expected at least {least} tokens: a nonce of {NONCE_TOKENS} and a shared prefix ({share:g} of it)"
            raise Wrong(("matrix", "input", name), tokens, text)


def _check_data(scenario: Scenario) -> None:
    """Prompts of a data set are asked for where there is one, and only there."""
    matrix, data, tasks = scenario.matrix, scenario.data, scenario.tasks
    asked = [
        ("matrix", side, name)
        for side, sizes in (("input", matrix.input), ("output", matrix.output))
        for name, size in sizes.items()
        if size == DATA
    ]
    if data is None:
        if asked:
            raise Wrong(asked[0], DATA, "there is no data set: add [data] with its file")
        return
    if not asked and (tasks is None or tasks.file is not None):
        text = 'nothing uses it: give a size of [matrix] the value "data", or add [tasks] without a file'
        raise Wrong(("data", "file"), data.file, text)
    if data.output is None and any(at[1] == "output" for at in asked):
        raise Wrong(("data", "output"), MISSING, 'expected the column with the lengths of answers: an output is "data"')


def _check_conversation(scenario: Scenario) -> None:
    """Conversations are held by users who wait for replies, with a service that takes earlier messages."""
    asked = scenario.conversation
    if asked is None:
        return
    if scenario.ladder.rate:
        text = "[conversation] needs users: give concurrency instead"
        raise Wrong(("ladder", "rate"), list(scenario.ladder.rate), text)
    for name, arm in scenario.arms.items():
        if arm.api not in CHATS:
            raise Wrong(("arms", name, "api"), arm.api, f"[conversation] needs one of {', '.join(CHATS)}")
        if asked.system and arm.api == "anthropic-messages":
            raise Wrong(("conversation", "system"), asked.system, "this API has no system message among the others: 0")
    if asked.system and asked.system <= NONCE_TOKENS:
        raise Wrong(("conversation", "system"), asked.system, f"expected 0, or more than {NONCE_TOKENS} tokens")
    for side, sizes in (("input", scenario.matrix.input), ("output", scenario.matrix.output)):
        for name, size in sizes.items():
            if isinstance(size, str):
                raise Wrong(("matrix", side, name), size, "the messages of a [conversation] are of one size: a number")


def _check_steps(scenario: Scenario) -> None:
    ladder, window, tasks = scenario.ladder, scenario.window, scenario.tasks
    if ladder.at not in ladder.rungs:
        rungs = ", ".join(f"{rung:g}" for rung in ladder.rungs)
        raise Wrong(("ladder", "at"), ladder.at, f"not a rung; accepted here: {rungs}")
    if window.max < window.duration:
        raise Wrong(("window", "max"), window.max, f"expected at least window.duration, {window.duration:g} s")
    if tasks and tasks.requests < scenario.plan.blocks:
        blocks = scenario.plan.blocks
        raise Wrong(("tasks", "requests"), tasks.requests, f"expected at least {blocks}: one for each of plan.blocks")


def _check_slo(scenario: Scenario) -> None:
    for pattern in scenario.slo.cells:
        _check_pattern(pattern, scenario.matrix.cells, ("slo", "cells", pattern))


def _check_pattern(pattern: str, cells: tuple[Cell, ...], at: Where) -> None:
    names = [cell.name for cell in cells]
    if not any(fnmatchcase(name, pattern) for name in names):
        raise Wrong(at, UNSHOWN, f"matches no cell; {unknown(pattern, names)}")


def _check_compare(scenario: Scenario) -> None:
    compare = scenario.compare
    for key in ("baseline", "candidate"):
        name = getattr(compare, key)
        if name and name not in scenario.arms:
            raise Wrong(("compare", key), name, f"no such arm; {unknown(name, scenario.arms)}")
    if compare.candidate and compare.candidate == compare.baseline:
        raise Wrong(("compare", "candidate"), compare.candidate, "is the baseline too: expected two different arms")
    if compare.order == "parallel" and len(scenario.arms) < 2:
        raise Wrong(("compare", "order"), compare.order, "needs two arms, each with hardware of its own")
    if swaps(scenario) and scenario.plan.blocks % 2:
        text = "parallel arms change places half way: expected an even number"
        raise Wrong(("plan", "blocks"), scenario.plan.blocks, text)
    if isinstance(compare.threshold, dict):
        for metric, value in compare.threshold.items():
            if metric not in METRICS:
                raise Wrong(("compare", "threshold", metric), value, f"unknown metric; {unknown(metric, METRICS)}")


def _check_cost(scenario: Scenario) -> None:
    check_replicas(scenario)
    cost = scenario.cost
    priced = [cost, *(arm.cost for arm in scenario.arms.values())]
    if scenario.limits.max_cost is not None and not any(one and one.api for one in priced):
        raise Wrong(("limits", "max_cost"), scenario.limits.max_cost, "cannot be held without prices: add [cost.api]")
    _check_listed(("cost",), cost)
    for name, arm in scenario.arms.items():
        _check_listed(("arms", name, "cost"), arm.cost)
    if cost is None:
        return
    for part, weight in cost.weights.items():
        if part not in PARTS:
            raise Wrong(("cost", "weights", part), weight, f"unknown part; {unknown(part, PARTS)}")
    if isinstance(cost.requests_per_month, dict):
        for pattern in cost.requests_per_month:
            if pattern != "tasks":
                _check_pattern(pattern, scenario.matrix.cells, ("cost", "requests_per_month", pattern))


def _check_listed(where: Where, cost: Cost | None) -> None:
    """A listed price needs the names that it is listed under."""
    price = cost.api if cost else None
    for name in ("provider", "model"):
        if price is not None and price.source == LISTED and getattr(price, name) is None:
            raise Wrong((*where, "api", name), MISSING, f'source = "{LISTED}" looks a price up by provider and model')
