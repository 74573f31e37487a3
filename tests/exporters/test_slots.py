"""The pool of a slot engine: asked for once in each of its lives, and where it is not told, that is said once."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.sampler import Event, Instance, Target
from exporters.server import PageError
from exporters.slots import has_slots, pool_of, props_beside

PAGE = "llamacpp:prompt_tokens_total {tokens}\nllamacpp:requests_processing 0\n"


def props(slots: Any, context: Any) -> str:
    return json.dumps({"default_generation_settings": {"n_ctx": context, "params": {}}, "total_slots": slots})


class Server(ThreadingHTTPServer):
    """Answers what `pages` has for a path (status, text), and keeps which paths were asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.pages: dict[str, tuple[int, str]] = {"/metrics": (200, PAGE.format(tokens=9))}
        self.asked: list[str] = []


class _Page(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, text = self.server.pages.get(self.path, (404, "nothing here"))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def sampled(told: list[Event]) -> Iterator[tuple[Server, Instance]]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        target = Target("server", "a", f"http://127.0.0.1:{server.server_port}/metrics")
        try:
            yield server, Instance(target, "127.0.0.1", told.append)
        finally:
            server.shutdown()


def slots(instance: Instance) -> tuple[float | None, float | None]:
    (sample,) = instance.samples()
    return sample.get("slots"), sample.get("pool_tokens")


def test_a_slot_engine_is_asked_once_in_each_of_its_lives() -> None:
    """Every sample has the pool, /props is asked at the first, after a counter that went back, and after a gap."""
    told: list[Event] = []
    with sampled(told) as (server, instance):
        server.pages["/props"] = 200, props(4, 2048)
        assert [slots(instance) for _ in range(3)] == [(4.0, 8192.0)] * 3
        assert server.asked.count("/props") == 1

        server.pages |= {"/metrics": (200, PAGE.format(tokens=1)), "/props": (200, props(2, 512))}
        assert [slots(instance) for _ in range(2)] == [(2.0, 1024.0)] * 2
        assert server.asked.count("/props") == 2

        server.pages |= {"/metrics": (503, "loading"), "/props": (200, props(1, 512))}
        assert instance.samples() == []
        server.pages["/metrics"] = 200, PAGE.format(tokens=1)
        assert [slots(instance) for _ in range(2)] == [(1.0, 512.0)] * 2
        assert server.asked.count("/props") == 3
    assert [event.what for event in told] == ["restarted", "unreadable"]


@pytest.mark.parametrize(
    ("status", "text", "why"),
    [
        (404, "no", "/props answered 404 with 2 bytes"),
        (401, "{}", "/props answered 401 with 2 bytes"),
        (200, "<html>", "/props tells no slots and no context"),
    ],
)
def test_a_slot_engine_that_does_not_tell_is_sampled_all_the_same(status: int, text: str, why: str) -> None:
    """No pool in any sample, never 0; the reason once; not asked again."""
    told: list[Event] = []
    with sampled(told) as (server, instance):
        server.pages["/props"] = status, text
        assert [slots(instance) for _ in range(3)] == [(None, None)] * 3
        assert server.asked.count("/props") == 1
    assert [(event.what, event.why) for event in told] == [("without pool", why)]


def test_an_engine_of_another_kind_is_not_asked() -> None:
    """vLLM's page tells its pool itself."""
    told: list[Event] = []
    with sampled(told) as (server, instance):
        server.pages["/metrics"] = 200, "vllm:num_requests_running 1\n"
        assert [slots(instance) for _ in range(2)] == [(None, None)] * 2
        assert server.asked == ["/metrics"] * 2
    assert told == []


@given(slots=st.integers(1, 4096), context=st.integers(1, 1 << 20))
def test_props_are_a_pool(slots: int, context: int) -> None:
    """Slots x context, and a slot is one block."""
    pool = {"slots": slots, "pool_tokens": slots * context, "block_tokens": context}
    assert pool_of(props(slots, context)) == pool


NO_COUNT = st.none() | st.integers(max_value=0) | st.just(10**400) | st.floats(allow_nan=False) | st.text()


@given(told=st.text() | st.builds(props, NO_COUNT, st.just(2048)) | st.builds(props, st.just(4), NO_COUNT))
def test_anything_else_is_refused(told: str) -> None:
    """Text that is no JSON, a slot count or a context that is none: one clear refusal, never a pool of 0."""
    with pytest.raises(PageError, match="tells no slots and no context"):
        pool_of(told)


@pytest.mark.parametrize(
    ("path", "beside"), [("/metrics", "/props"), ("/llm/metrics?model=a", "/llm/props"), ("/", "/props")]
)
def test_props_are_beside_metrics(path: str, beside: str) -> None:
    """In the same folder, without its query."""
    assert props_beside(path) == beside


def test_only_its_own_series_make_a_slot_engine() -> None:
    """A comment or a label that names llama.cpp does not."""
    assert has_slots(PAGE)
    assert not has_slots('vllm:num_requests_running{model_name="llamacpp:x"} 1\n# llamacpp: none\n')
