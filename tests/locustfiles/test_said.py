"""What servers say in words becomes one clean line, wherever they put it and whatever they hide in it."""

from __future__ import annotations

import time

import pytest

from locustfiles._dialects._said import line, message_of

SHAPES = {
    "OpenAI": (b'{"error":{"message":"M","type":"t","param":null,"code":"C"}}', "M (C)"),
    "vLLM of 2024, SGLang": (
        b'{"object":"error","message":"M","type":"BadRequestError","code":400}',
        "M (BadRequestError)",
    ),
    "TGI": (b'{"error":"M","error_type":"validation"}', "M (validation)"),
    "FastAPI": (b'{"detail":"M"}', "M"),
    "FastAPI, a list": (
        b'{"detail":[{"loc":["body"],"msg":"M","type":"missing","input":"our prompt"}]}',
        "M (missing)",
    ),
    "a gateway around another": (b'{"error":{"message":{"error":{"message":"M","code":"C"}},"code":"502"}}', "M (C)"),
    "a string": (b'"M"', "M"),
    "other JSON": (b'{"a":1}', '{"a":1}'),
    "plain text": (b"M\n", "M"),
    "a page": (b"<html><head><title>\nM </title>", "M"),
    "a page without a title": (b"<html>", "a page without a title"),
    "JSON cut off": (b'{"error":{"message":"M \\u00e9","param":"xxx', "M \\u00e9"),
    "nothing": (b"", ""),
    "Latin-1": (b"\xe9t\xe9", "�t�"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_an_error_body_is_understood(shape: str) -> None:
    """The message of a refusal is found wherever servers put it."""
    body, said = SHAPES[shape]

    assert line(message_of(body)) == said


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("two\r\nlines\tand  more ", "two lines and more"),
        ("\x1b[1;31mred\x1b[0m \x1b]0;title\x07x\x1b]8;;http://a\x1b\\link \x9b2Jy\x1bcz", "red x link y z"),
        ("\x1bPq#0;2\x1b\\a\x00\x08b\x7fc\x85d", "a b c d"),
        ("safe\u202egnp.exe\u2066\u200b\u2028next\ufeff\ud800.", "safe gnp.exe next ."),
        ("Bearer abc.def-123 failed", "Bearer *** failed"),
        ("Incorrect API key provided: my-own-key-99. You can", "Incorrect API key provided: *** You can"),
        ("key sk-proj-abcdefghij, hf_abcdefghij", "key sk-***, hf_***"),
        ("jwt eyJhbGciOi.eyJzdWIi.c2ln end", "jwt eyJ*** end"),
        ("http://user:password@host/x", "http://***@host/x"),
        ("a task-force asks for risk-free-returns", "a task-force asks for risk-free-returns"),
    ],
)
def test_a_line_is_clean(text: str, clean: str) -> None:
    """No control characters, terminal escapes, invisible characters or secrets."""
    assert line(text) == clean


def test_a_line_is_bounded_and_says_so() -> None:
    """At most 200 characters; what was cut ends in an ellipsis; a secret across the cut is masked before."""
    assert line("x" * 300) == "x" * 199 + "…"
    assert line("x" * 200) == "x" * 200
    assert line("y" * 190 + " sk-" + "a" * 50) == "y" * 190 + " sk-***"


def test_a_large_error_body_is_searched_quickly() -> None:
    """A body of 16 KiB that teases every pattern takes no more than a few milliseconds."""
    for tease in (
        b"<title" * 3000,
        b'{"message":"' + b"\\" * 16000,
        b"api key " * 2000,
        b"input " * 3000,
        b"://a" * 4000,
    ):
        start = time.process_time()
        line(message_of(tease))
        line(tease.decode())
        assert time.process_time() - start < 0.2
    assert message_of(b"<title" * 3000)
