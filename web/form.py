"""The form that starts a run: a scenario file of the master's, a shape, a few knobs; what is wrong stands at its field.

Whoever posts it may not name a file, a URL, a key or a command: files are picked from a list, arms are those in them,
and a scenario that runs commands on the master is not started from a page at all.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from scenarios import overrides as changes
from scenarios.load import ScenarioError, scenario_of
from scenarios.overrides import parse_value
from scenarios.scenario import Scenario
from scenarios.wrong import Where, Wrong, printable

SHAPES = ("ladder", "arrivals", "search", "soak", "manual")
KNOBS: dict[str, tuple[Where, tuple[str, ...]]] = {  # field -> key of the scenario, shapes that have it
    "concurrency": (("ladder", "concurrency"), ("ladder", "manual")),
    "rate": (("ladder", "rate"), ("arrivals",)),
    "at": (("ladder", "at"), ("ladder", "arrivals")),
    "soak_duration": (("soak", "duration"), ("soak",)),
    "soak_load": (("soak", "load"), ("soak",)),
    "duration": (("window", "duration"), ("ladder", "arrivals", "search", "manual")),
    "min_requests": (("window", "min_requests"), ("ladder", "arrivals", "search", "manual")),
    "blocks": (("plan", "blocks"), ("ladder", "arrivals", "search")),
    "ttft": (("slo", "ttft"), SHAPES),
    "tpot": (("slo", "tpot"), SHAPES),
    "max_duration": (("limits", "max_duration"), SHAPES),
    "max_cost": (("limits", "max_cost"), SHAPES),
}
LONGEST = 200  # letters of a knob
AA = "the same again (A/A)"
COMMANDS = "runs commands on this machine (before, [[disturbance]]): start it by `tokenswarm run`"


class Wanted(msgspec.Struct, frozen=True):
    """What a form asks for: names of the lists that the page was given, and texts of knobs; "" leaves the file's."""

    scenario: str
    shape: str = "ladder"
    candidate: str = ""  # another scenario's arm (FILE: ARM), or AA
    users: str = ""  # the first level of a manual ramp
    knobs: dict[str, str] = {}


class Unfit(Exception):  # noqa: N818 (an answer to a person)
    """A form that cannot be started: a text for each field, "" for the whole."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


class Files:
    """The scenario files that may be started, by the name that the page shows."""

    def __init__(self, places: Sequence[Path], overrides: Sequence[str] = ()) -> None:
        self._places = places  # files, and folders of files
        self._overrides = overrides  # the command line's own: they hold for every file

    def found(self) -> dict[str, Path]:
        """What is there now."""
        files: dict[str, Path] = {}
        for place in self._places:
            for file in sorted(place.glob("*.toml")) if place.is_dir() else [place] if place.is_file() else []:
                files.setdefault(f"{file.resolve().parent.name}/{file.name}", file.resolve())
        return files

    def read(self, path: Path) -> tuple[dict[str, Any], list[Where]]:
        """What a file says, with the overrides put in, and their keys."""
        try:
            data = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
            return data, changes.apply(data, self._overrides)
        except (OSError, ValueError, RecursionError, ScenarioError) as error:
            raise Unfit({"": f"{printable(path.name)} cannot be read: {type(error).__name__}"}) from None

    def has(self, path: str) -> bool:
        """Whether a path is one of them."""
        return Path(path).resolve() in self.found().values()


def listing(files: Files, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every scenario with its shape, its arms and what its knobs stand at, or why it cannot be started."""
    return [_listed(name, path, files, environment) for name, path in files.found().items()]


def _listed(name: str, path: Path, files: Files, environment: Mapping[str, str]) -> dict[str, Any]:
    try:
        data, changed = files.read(path)
        scenario = scenario_of(copy.deepcopy(data), path, changed, environment)
        refuse_commands(scenario)
    except Wrong as wrong:
        return {"name": name, "error": wrong.line("", {})}
    except Unfit as unfit:
        return {"name": name, "error": unfit.errors[""]}
    knobs = {field: _shown(scenario, where) for field, (where, _) in KNOBS.items()}
    arms = list(data["arms"])
    return {"name": name, "title": scenario.name, "shape": scenario.shape, "arms": arms, "knobs": knobs}


def _shown(scenario: Scenario, where: Where) -> str:
    value: Any = scenario
    for part in where:
        value = getattr(value, str(part), None)
    if isinstance(value, tuple):
        return ", ".join(f"{one:g}" for one in value)
    return "" if value is None else f"{value:g}"


def wanted_scenario(wanted: Wanted, files: Files, environment: Mapping[str, str]) -> Scenario:
    """The scenario that a form asks for; Unfit says what is wrong, field by field."""
    path = files.found().get(wanted.scenario)
    if path is None:
        raise Unfit({"scenario": "not one of the scenarios here: choose one of the list"})
    if wanted.shape not in SHAPES:
        raise Unfit({"shape": f"expected one of {', '.join(SHAPES)}"})
    data, overridden = files.read(path)
    _reshape(data, wanted.shape)
    changed = [*overridden, *_add_candidate(data, wanted.candidate, path, files), *_turn(data, wanted)]
    try:
        scenario = scenario_of(copy.deepcopy(data), path, changed, environment)
    except Wrong as wrong:
        raise Unfit({_field(wrong.where): wrong.line("", data)}) from None
    refuse_commands(scenario)
    return scenario


def refuse_commands(scenario: Scenario) -> None:
    """Raise Unfit for a scenario that would have the master run commands."""
    if scenario.disturbance or any(arm.before is not None for arm in scenario.arms.values()):
        raise Unfit({"": COMMANDS})


def _reshape(data: dict[str, Any], shape: str) -> None:
    """Make the tables of a scenario those of another shape; its other tables stay."""
    ladder = data.setdefault("ladder", {})
    if not isinstance(ladder, dict):
        return  # which the reader refuses in its own words
    for table in ("search", "soak"):
        if table == shape:
            data.setdefault(table, {})
        else:
            data.pop(table, None)
    if shape == "search":
        ladder.pop("at", None)  # it looks for the load itself
    if shape in ("ladder", "manual") and "rate" in ladder:
        data["ladder"] = {}
    if shape == "arrivals" and "concurrency" in ladder:
        data["ladder"] = {"rate": ladder["concurrency"]}


def _add_candidate(data: dict[str, Any], candidate: str, path: Path, files: Files) -> list[Where]:
    """Make an A/B of it: the candidate is an arm of a file in the same folder, or the same service again."""
    if not candidate:
        return []
    if candidate == AA:
        data["compare"] = {**data.get("compare", {}), "aa": True}
        return [("compare", "aa")]
    name, _, arm = candidate.rpartition(": ")
    other = files.found().get(name)
    arms = files.read(other)[0].get("arms", {}) if other is not None and other.parent == path.parent else {}
    if arm not in arms or len(data.get("arms", {})) != 1:
        raise Unfit({"candidate": "expected an arm of a scenario in the same folder, and a scenario with one arm"})
    data["arms"]["candidate"] = arms[arm]
    return [("arms", "candidate")]


def _turn(data: dict[str, Any], wanted: Wanted) -> list[Where]:
    """Put the knobs in; the keys that were set."""
    changed: list[Where] = []
    for field, text in wanted.knobs.items():
        where, shapes = KNOBS.get(field, ((), ()))
        if wanted.shape not in shapes or not text.strip():
            continue
        table, key = str(where[0]), str(where[1])
        if not isinstance(data.setdefault(table, {}), dict):
            raise Unfit({field: f"{table} is no table in this file"})
        data[table][key] = _value(text.strip()[:LONGEST])
        changed.append(where)
    return changed


def _value(text: str) -> Any:
    """A knob's text as the file would have it: 1, 2, 4 is a list, 30s and 1..32 are texts."""
    return parse_value(f"[{text}]") if "," in text else parse_value(text)


def _field(where: Where) -> str:
    """The field at which a key's error stands: its own, or that of the whole."""
    for field, (key, _) in KNOBS.items():
        if where[: len(key)] == key:
            return field
    return "candidate" if where[:2] == ("arms", "candidate") else ""
