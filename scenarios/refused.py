"""What a scenario may not hold: a secret, or a feature that this version does not have yet (never silently ignored)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from scenarios.wrong import UNSHOWN, Where, Wrong

ANY: Final = object()

NOT_YET: tuple[tuple[tuple[str, ...], Any], ...] = (
    (("cost", "api", "source"), "genai-prices"),
    (("arms", "*", "cost", "api", "source"), "genai-prices"),
)
"""Key (a `*` is any name) and the value that is not available; ANY: the key as a whole."""

LATER_KEYS = frozenset(path[-1] for path, value in NOT_YET if value is ANY)

SECRETS = frozenset({
    "api_key", "apikey", "x_api_key", "authorization", "proxy_authorization", "cookie", "password", "secret", "token",
    "access_token", "auth_token", "api_token", "bearer", "bearer_token",
})  # fmt: skip
NO_SECRET = 'a secret has no place in a scenario: name it by api_key_env = "VARIABLE" or api_key_file = "PATH"'
NO_LOGIN = "a URL here holds no user or password"


def refuse_secrets(data: dict[str, Any]) -> None:
    """Raise Wrong, without the value, when a key or a URL gives a secret literally."""
    for where, value in _leaves(data):
        name = str(where[-1]).lower().replace("-", "_")
        if name in SECRETS:
            raise Wrong(where, UNSHOWN, NO_SECRET)
        if isinstance(value, str) and "@" in value and _has_login(value):
            raise Wrong(where, UNSHOWN, f"{NO_LOGIN}; {NO_SECRET}")


def refuse_later(data: dict[str, Any]) -> None:
    """Raise Wrong for the first key that only a later version honours."""
    for path, refused in NOT_YET:
        for where, value in _matching(data, path, ()):
            if refused is ANY or value == refused:
                raise Wrong(where, value, "not available yet in this version; remove it")


def _leaves(data: Any, at: Where = ()) -> Iterator[tuple[Where, Any]]:
    if isinstance(data, dict) and (data or not at):
        for key, value in data.items():
            yield from _leaves(value, (*at, key))
    elif isinstance(data, list) and data:
        for index, value in enumerate(data):
            yield from _leaves(value, (*at, index))
    else:
        yield at, data


def _matching(data: Any, path: tuple[str, ...], at: Where) -> Iterator[tuple[Where, Any]]:
    """The values at a path of keys, a `*` standing for every one."""
    if not path:
        yield at, data
    elif isinstance(data, dict):
        for key in data if path[0] == "*" else (path[0],):
            if key in data:
                yield from _matching(data[key], path[1:], (*at, key))


def _has_login(text: str) -> bool:
    try:
        return "@" in urlsplit(text).netloc
    except ValueError:
        return "://" in text
