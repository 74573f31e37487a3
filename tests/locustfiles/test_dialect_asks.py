"""What each dialect sends: bodies, headers and paths."""

from __future__ import annotations

import pytest
from dialect_pieces import ask, sent

from locustfiles._dialects import DIALECTS
from locustfiles._prompts import Prompt

TEXT = 'say é " one two " twice'
CHAT = Prompt(
    id="t",
    messages=b'[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","text":"hi"},'
    b'{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]}]',
)

# api -> path, body of an ordinary forced and streamed request
SENT: dict[str, tuple[str, dict]] = {
    "openai-completions": ("/v1/completions", {
        "model": "m", "stream": True, "stream_options": {"include_usage": True}, "ignore_eos": True, "max_tokens": 7,
        "min_tokens": 7, "prompt": TEXT,
    }),
}  # fmt: skip


@pytest.mark.parametrize("api", SENT)
def test_the_body_of_an_ordinary_request(api: str) -> None:
    """The whole body and the path of a synthetic, streamed request."""
    path, body = SENT[api]

    assert sent(api, ask()) == body
    assert DIALECTS[api].path(ask()) == path


@pytest.mark.parametrize("api", SENT)
def test_a_prompt_is_spliced_not_encoded(api: str) -> None:
    """The nonce is a piece of its own: a body is never encoded as a whole."""
    request = ask()

    assert any(piece is request.nonce for piece in DIALECTS[api].body(request))


def test_one_text_of_many_messages() -> None:
    """APIs that take one text get the messages' texts, parted by an empty line; an image has no place there."""
    assert sent("openai-completions", ask(prompt=CHAT, nonce=b""))["prompt"] == "be brief\n\nhi"
