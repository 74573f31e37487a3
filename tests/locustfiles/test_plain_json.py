"""Plain JSON services: a template asks, paths read; on recorded replies the paths tell what the API's dialect tells."""

from __future__ import annotations

import json
from array import array

import pytest
from dialect_pieces import EVENTS, JSON, LINES, ask, kind_of, read, recorded, told

from locustfiles._dialects import Reply, Usage, dialect_of
from locustfiles._outcome import classify
from scenarios.scenario import Arm, JsonApi

BODY = '{"q": "{{prompt}}", "m": "{{model}}", "n": {{max_tokens}}, "live": {{stream}}, "again": "{{prompt}}!"}'
COMPLETION = {
    "text": "choices.0.text", "input_tokens": "usage.prompt_tokens", "output_tokens": "/usage/completion_tokens",
    "finish": "/choices/0/finish_reason",
}  # fmt: skip
CHAT = {"text": "message.content", "input_tokens": "prompt_eval_count", "output_tokens": "eval_count",
        "finish": "done_reason"}  # fmt: skip


def mapped(body: bytes, headers: dict[str, str], asked: bool = True, **mapping: str) -> Reply:
    """A reply as a mapping reads it, in one piece."""
    arm = Arm(url="http://x", api="json", json=JsonApi(body=BODY, **{"text": "text", **mapping}))  # type: ignore[arg-type]
    reply = dialect_of(arm).reply(array("q"), asked)
    reply.begin(200, dict(headers))
    reply.feed(body, 100)
    reply.close()
    return reply


def test_the_template_is_filled_in_its_places() -> None:
    """Texts are escaped, numbers and switches bare, the prompt may come twice."""
    dialect = dialect_of(Arm(url="http://x", api="json", json=JsonApi(body=BODY, text="t", stream="sse")))
    text = 'say é " one two " twice'

    assert json.loads(b"".join(dialect.body(ask(model='m"\\')))) == {
        "q": text, "m": 'm"\\', "n": 7, "live": True, "again": text + "!",
    }  # fmt: skip


def test_a_service_that_does_not_stream_is_not_asked_to() -> None:
    """Without a stream in the mapping its place says false, whatever the scenario asks."""
    dialect = dialect_of(Arm(url="http://x", api="json", json=JsonApi(body=BODY, text="t")))

    assert json.loads(b"".join(dialect.body(ask())))["live"] is False
    assert not dialect.streams


@pytest.mark.parametrize(
    ("name", "api", "mapping"),
    [
        ("llamacpp_completions.sse", "openai-completions", {**COMPLETION, "stream": "sse"}),
        ("llamacpp_completions_whole.json", "openai-completions", COMPLETION),
        ("ollama.ndjson", "ollama-chat", {**CHAT, "stream": "ndjson"}),
        ("ollama_natural.ndjson", "ollama-chat", {**CHAT, "stream": "ndjson"}),
        ("ollama_whole.json", "ollama-chat", CHAT),
    ],
)
def test_a_mapping_reads_what_the_dialect_reads(name: str, api: str, mapping: dict[str, str]) -> None:
    """On a recorded reply: same text, chunks, counts and end; cached tokens and the model have no path."""
    usual = read(api, recorded(name), headers=kind_of(name))
    reply = mapped(recorded(name), kind_of(name), **mapping)

    assert {**told(reply), "model": 0, "usage": 0, "done": 0} == {**told(usual), "model": 0, "usage": 0, "done": 0}
    assert (reply.usage, usual.usage) == (Usage(usual.usage.input, usual.usage.output), usual.usage)
    assert classify(reply, None, 8) == ("ok", None)
    assert reply.missing == ()


def test_lines_are_believed_when_they_were_asked_for() -> None:
    """A service that streams lines as application/json is read by its mapping; not asked to stream, a whole."""
    body = b'{"text":"a"}\n{"text":"b","n":2}'

    assert told(mapped(body, JSON, stream="ndjson"))["text"] == "ab"
    assert mapped(body, JSON, stream="ndjson", output_tokens="n").usage == Usage(None, 2)
    whole = mapped(b'{"text":"ab"}', JSON, asked=False, stream="ndjson")
    assert (whole.text, whole.streamed, whole.done) == (["ab"], False, True)


def test_a_mapping_that_matches_nothing_says_so() -> None:
    """No text at its path is an empty reply that names the path; a count that is missing is named too, and absent."""
    reply = mapped(b'{"answer": "x", "text": ""}', JSON, text="out", input_tokens="usage.in")

    assert classify(reply, None, 5) == (
        "empty", 'the reply has no token, json.text matches nothing in it: {"answer":"x","text":""}',
    )  # fmt: skip
    assert (reply.missing, reply.usage) == (("text", "input_tokens"), None)


@pytest.mark.parametrize(
    ("body", "headers", "stream"),
    [
        (b'{"bad":{"message":"boom"}}', JSON, "no"),
        (b'data: {"text":"a"}\n\ndata: {"bad":{"message":"boom"}}\n\n', EVENTS, "sse"),
        (b'{"text":"a"}\n{"bad":{"message":"boom"}}\n', LINES, "ndjson"),
    ],
)
def test_an_error_is_where_the_mapping_says(body: bytes, headers: dict[str, str], stream: str) -> None:
    """Whole or in a stream, after content or before."""
    assert classify(mapped(body, headers, error="bad", stream=stream), None, 5) == ("error_in_stream", "boom")


@pytest.mark.parametrize("value", [b"3", b"[]", b"{}", b"null", b'{"0":1}', b"[[1]]", b'[{"t":"x"}]', b'"x"'])
def test_a_path_into_anything_is_harmless(value: bytes) -> None:
    """Whatever stands where a path leads, there is a text or none."""
    for path in ("a", "0.t", "/0/t", "/", "0.0", "/99999999999999999999", "\u00b2"):
        reply = mapped(value, JSON, text=path)
        assert reply.text == (["x"] if value == b'[{"t":"x"}]' and path in ("0.t", "/0/t") else []), path


def test_a_pointer_reaches_keys_with_slashes_and_dots() -> None:
    """RFC 6901: ~1 is a slash and ~0 a tilde."""
    assert mapped(b'{"a/b":{"c.d":{"~":"x"}}}', JSON, text="/a~1b/c.d/~0").text == ["x"]
