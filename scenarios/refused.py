"""What a scenario may not hold: a secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from scenarios.wrong import UNSHOWN, Where, Wrong

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


def _leaves(data: Any, at: Where = ()) -> Iterator[tuple[Where, Any]]:
    if isinstance(data, dict) and (data or not at):
        for key, value in data.items():
            yield from _leaves(value, (*at, key))
    elif isinstance(data, list) and data:
        for index, value in enumerate(data):
            yield from _leaves(value, (*at, index))
    else:
        yield at, data


def _has_login(text: str) -> bool:
    try:
        return "@" in urlsplit(text).netloc
    except ValueError:
        return "://" in text
