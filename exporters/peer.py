"""A server that takes what is sent to it: address, TLS, credentials from the environment, one connection."""

from __future__ import annotations

import base64
import http.client
import ssl
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

TIMEOUT_S: Final = 5.0
LONGEST_SAID: Final = 4096
RETRIED: Final = (429,)  # of 4xx


class PushError(Exception):
    """An address or credentials that cannot be used; the text is one clear line without secrets."""


class Reply(NamedTuple):
    """What became of a request: `status` 0 when nothing came back."""

    status: int
    said: str = ""
    retry_after_s: float | None = None

    @property
    def delivered(self) -> bool:
        """Whether it was taken."""
        return 200 <= self.status < 300

    @property
    def final(self) -> bool:
        """Whether another try would get the same answer."""
        return self.status != 0 and not self.delivered and self.status < 500 and self.status not in RETRIED

    @property
    def why(self) -> str:
        """In words, what went wrong."""
        clean = "".join(letter if letter.isprintable() else " " for letter in self.said)[:200].strip()
        if self.status in (401, 403):
            return f"answered {self.status}: look at the credentials in the environment"
        return clean if not self.status else f"answered {self.status}{': ' if clean else ''}{clean}"


class Peer:
    """One server under a base URL. `prefix` names its environment variables: PREFIX_USERNAME and PREFIX_PASSWORD, or
    PREFIX_BEARER_TOKEN."""

    def __init__(self, url: str, prefix: str, ca_file: str | None, environment: Mapping[str, str]) -> None:
        parts = _checked(url)
        self.path = parts.path.rstrip("/")
        self._query = f"?{parts.query}" if parts.query else ""
        self.shown = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{self.path}"
        self._headers = {"User-Agent": "tokenswarm", **authorization(prefix, environment)}
        self._connection = _connection(parts, ca_file)

    def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """One request; OSError or HTTPException when nothing came back. Redirects are not followed."""
        try:
            self._connection.request(method, path + self._query, body, {**self._headers, **headers})
            reply = self._connection.getresponse()
            said = reply.read(LONGEST_SAID).decode("utf-8", "replace")
            if reply.read(1):  # too long to go on with this connection
                self._connection.close()
        except BaseException:
            self._connection.close()
            raise
        after = reply.headers.get("Retry-After", "")
        return Reply(reply.status, said, float(after) if after.isdecimal() else None)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _checked(url: str) -> SplitResult:
    """The parts of an address that can be used."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise PushError("the address is no URL: http://host:port or https://host") from None
    if "@" in parts.netloc:
        raise PushError("an address with a login in it is refused: credentials come from the environment")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PushError(f"{url} is no address: http://host:port or https://host is one")
    return parts


def authorization(prefix: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The header that the environment's credentials make; none without any."""
    user, password, token = (
        environment.get(f"{prefix}_{name}", "").strip() for name in ("USERNAME", "PASSWORD", "BEARER_TOKEN")
    )
    if token and (user or password):
        raise PushError(f"{prefix}_BEARER_TOKEN and {prefix}_USERNAME exclude each other: set one of both")
    if any(not letter.isprintable() for letter in user + password + token):
        raise PushError(f"the credentials in {prefix}_... hold letters that no header can")
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user or password:
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
    return {}


def _connection(parts: SplitResult, ca_file: str | None) -> http.client.HTTPConnection:
    assert parts.hostname is not None, "checked"
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=TIMEOUT_S)
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise PushError(f"the CA file {ca_file} cannot be used: {error.strerror or error}") from None
    return http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=TIMEOUT_S, context=context)
