"""Where a service is, how long it may take, how it failed, and the head of a request to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from scenarios.scenario import Arm

PORTS = {"http": 80, "https": 443}
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # token, RFC 9110 section 5.6.2
PATH = re.compile(r"/[!-~]*")
VALUE = re.compile(r"[\t -~\x80-\xff]*")
OURS = ("host", "accept-encoding", "content-length", "transfer-encoding")  # headers that the wire writes itself


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A service as the wire sees it; `path` is the URL's own path, in front of what an API adds."""

    scheme: Literal["http", "https"] = "http"
    host: str
    port: int
    unix: str | None = None
    path: str = ""
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    server_name: str | None = None
    proxy: tuple[str, int] | None = None

    @classmethod
    def from_arm(cls, arm: Arm) -> Target:
        """The target of an arm: http://, https:// or unix:/PATH."""
        if arm.url.startswith("unix:"):
            return cls(host="localhost", port=0, unix=arm.url.removeprefix("unix:"))
        url = urlsplit(arm.url)
        proxy = urlsplit(arm.proxy) if arm.proxy else None
        return cls(
            scheme="https" if url.scheme == "https" else "http",
            host=_ascii(url.hostname or ""),
            port=url.port or PORTS[url.scheme],
            path=url.path.rstrip("/"),
            ca_file=arm.ca_file,
            client_cert=arm.client_cert,
            client_key=arm.client_key,
            server_name=arm.server_name,
            proxy=(_ascii(proxy.hostname or ""), proxy.port or 80) if proxy else None,
        )

    @property
    def authority(self) -> str:
        """The Host header: host and port, without the scheme's own port, IPv6 in brackets."""
        if self.unix or self.port == PORTS[self.scheme]:
            return bracketed(self.host)
        return f"{bracketed(self.host)}:{self.port}"

    @property
    def place(self) -> str:
        """The target in a message."""
        return f"unix:{self.unix}" if self.unix else f"{bracketed(self.host)}:{self.port}"


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """How long an exchange may take, and the first content chunk after `sent`; 0 = no deadline for the first chunk."""

    total_s: float
    first_token_s: float = 0.0


class Failure(msgspec.Struct, frozen=True):
    """Why an exchange ended without a whole reply: a kind of a closed set, and one clear line."""

    kind: Literal["dns", "connect", "tls", "reset", "closed", "timeout", "first_token_timeout", "protocol"]
    detail: str


def bracketed(host: str) -> str:
    """The host in an authority: IPv6 in brackets, without its zone (RFC 6874: a zone means nothing to others)."""
    return f"[{host.partition('%')[0]}]" if ":" in host else host


def head(method: str, target: Target, path: str, headers: Mapping[str, str], length: int) -> bytes:
    """The request head, blank line included; ValueError for what would not stay one header line.

    `headers` may set Host; Accept-Encoding is always identity, or a proxy could batch our chunks to compress them.
    """
    if not PATH.fullmatch(path):
        raise ValueError(f"path {path!r}: expected '/' and visible ASCII, the rest percent-encoded")
    given = {name.lower(): _checked(name, value) for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", f"Host: {given.get('host', target.authority)}", "Accept-Encoding: identity"]
    if length or method != "GET":
        lines.append(f"Content-Length: {length}")
    lines += [f"{name}: {value}" for name, value in given.items() if name not in OURS]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _checked(name: str, value: str) -> str:
    # The value may be a secret: it is never part of the message.
    if not NAME.fullmatch(name):
        raise ValueError(f"header {name!r} is not a header name")
    if not VALUE.fullmatch(value):
        raise ValueError(f"header {name!r} has a value with a line break or a character beyond Latin-1")
    return value.strip()


def _ascii(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode()
