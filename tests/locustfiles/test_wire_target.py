"""Where a service is, and the heads of requests to it."""

from __future__ import annotations

import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locustfiles._wire import Target, get, head, raise_file_limit
from scenarios.scenario import Arm

TARGET = Target(host="127.0.0.1", port=1)


@given(st.binary(min_size=1, max_size=20))
def test_a_head_refuses_what_would_not_stay_one_line(junk: bytes) -> None:
    """No header name, value or path can end its line; what is refused is not repeated in the message."""
    text = junk.decode("latin-1") + "\r\nX-Injected: 1"
    for refused in ({"a": text}, {text: "a"}):
        with pytest.raises(ValueError) as error:
            head("GET", TARGET, "/", refused, 0)
        assert "Injected" not in str(error.value) or "a" not in refused
    with pytest.raises(ValueError):
        head("GET", TARGET, "/" + text, {}, 0)


def test_a_head_is_ours_where_the_measurement_depends_on_it() -> None:
    """Host comes from the target unless given, Accept-Encoding is identity whatever is asked, lengths are true."""
    written = head("POST", TARGET, "/v1", {"accept-ENCODING": "gzip", "content-length": "9", "X-A": " b "}, 3)
    assert written == (
        b"POST /v1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\nAccept-Encoding: identity\r\nContent-Length: 3\r\nx-a: b\r\n\r\n"
    )
    assert b"Host: model.test\r\n" in head("GET", TARGET, "/", {"Host": "model.test"}, 0)


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://a.test", "a.test", ""),
        ("https://a.test:443/v1/", "a.test", "/v1"),
        ("http://a.test:443", "a.test:443", ""),
        ("http://[::1]:8000", "[::1]:8000", ""),
        ("unix:/run/a.sock", "localhost", ""),
    ],
)
def test_a_target_names_its_host(url: str, authority: str, path: str) -> None:
    """The Host header holds the port unless it is the scheme's own, and brackets an IPv6 address."""
    target = Target.from_arm(Arm(url=url, proxy="http://proxy.test:3128"))

    assert (target.authority, target.path) == (authority, path)
    assert target.proxy == (None if target.unix else ("proxy.test", 3128))


def test_a_name_that_does_not_exist_is_a_dns_failure() -> None:
    """A name of the reserved top-level domain `invalid` fails as dns, in one line that names it."""
    with pytest.raises(OSError, match=r"^dns: nowhere\.invalid: "):
        get(Target(host="nowhere.invalid", port=80), "/", {}, 20)


def test_the_file_limit_is_the_hard_limit() -> None:
    """As many files as the system allows, and the number says how many."""
    assert raise_file_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[1]
