"""A request's template and the paths into its reply, of arms with api = "json": what may stand there."""

from __future__ import annotations

import json
import re

from scenarios.scenario import Arm
from scenarios.wrong import MISSING, UNSHOWN, Where, Wrong, unknown

PLACES = {"prompt": "prompt", "model": "model", "max_tokens": "1", "stream": "true"}  # what stands there for a try
PATHS = ("text", "input_tokens", "output_tokens", "finish", "error")


def check_json(arm: Arm, at: Where) -> None:
    """Raise Wrong for a mapping that cannot be used, or that is missing or superfluous."""
    if (arm.json is None) != (arm.api != "json"):
        if arm.json is None:
            raise Wrong((*at, "json"), MISSING, 'expected a table with body and text: api = "json" is told by it')
        raise Wrong((*at, "json"), UNSHOWN, f'goes with api = "json", not with "{arm.api}"')
    if arm.json is None:
        return
    if arm.extra_body:
        raise Wrong((*at, "extra_body"), UNSHOWN, 'has no place with api = "json": write it into json.body')
    _check_template(arm.json.body, (*at, "json", "body"))
    for name in PATHS:
        _check_path(getattr(arm.json, name), (*at, "json", name))


def _check_template(body: str, at: Where) -> None:
    for place in re.findall(r"\{\{(.*?)\}\}", body):
        if place not in PLACES:
            raise Wrong(at, UNSHOWN, f"{{{{{place[:40]}}}}} is no place; {unknown(place, PLACES)}")
    if "{{prompt}}" not in body:
        raise Wrong(at, body, 'expected a JSON text with "{{prompt}}" in it')
    tried = re.sub(r"\{\{(\w+)\}\}", lambda place: PLACES[place[1]], body)
    try:
        json.loads(tried)
    except (ValueError, RecursionError) as error:
        text = f'no JSON once its places are filled ({error}): "{{{{prompt}}}}" and "{{{{model}}}}" stand in quotes'
        raise Wrong(at, UNSHOWN, text) from None


def _check_path(path: str, at: Where) -> None:
    if at[-1] == "text" and not path:
        raise Wrong(at, path, 'expected where the text is, such as "choices.0.text" or "/choices/0/text"')
    if path and not path.startswith("/") and not all(path.split(".")):
        raise Wrong(
            at, path, 'expected keys with dots between, such as "usage.prompt_tokens", or "/usage/prompt_tokens"'
        )
