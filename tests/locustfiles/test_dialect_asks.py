"""What each dialect sends: bodies, headers and paths."""

from __future__ import annotations

import pytest
from dialect_pieces import ask, sent

from locustfiles._dialects import DIALECTS
from locustfiles._dialects._texts import holds_more
from locustfiles._prompts import Prompt
from scenarios.scenario import APIS, ONE_TEXT

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
    "anthropic-messages": ("/v1/messages", {
        "model": "m", "stream": True, "max_tokens": 7, "messages": [{"role": "user", "content": TEXT}],
    }),
    "openai-responses": ("/v1/responses", {"model": "m", "stream": True, "max_output_tokens": 7, "input": TEXT}),
    "ollama-chat": ("/api/chat", {
        "model": "m", "stream": True, "options": {"num_predict": 7}, "messages": [{"role": "user", "content": TEXT}],
    }),
    "tgi-generate": ("/generate_stream", {"parameters": {"details": True, "max_new_tokens": 7}, "inputs": TEXT}),
    "azure-openai-chat": ("/openai/deployments/m/chat/completions?api-version=2024-10-21", {
        "model": "m", "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 7,
        "messages": [{"role": "user", "content": TEXT}],
    }),
    "json": ("", {"prompt": TEXT}),
    "openai-embeddings": ("/v1/embeddings", {"model": "m", "input": TEXT}),
    "rerank": ("/v1/rerank", {"model": "m", "query": 'say é " one two ', "documents": ['"', "twice"]}),
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


@pytest.mark.parametrize("api", APIS)
def test_an_image_goes_as_it_is_or_is_said_to_be_lost(api: str) -> None:
    """Content parts pass through every API that takes messages; `check` warns of the others, which are named so."""
    body = b"".join(DIALECTS[api].body(ask(prompt=CHAT, nonce=b"")))

    assert (b"image_url" in body) == (api not in ONE_TEXT)
    assert holds_more(CHAT.messages or b"")
    assert not holds_more(b'[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"a","content":"x"}]')


def test_anthropic_has_a_place_of_its_own_for_the_system() -> None:
    """A task's system message leaves the messages; the others go as they are, parts and all."""
    body = sent("anthropic-messages", ask(prompt=CHAT, nonce=b""))

    assert body["system"] == "be brief"
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert body["messages"][0]["content"][1]["type"] == "image_url"


@pytest.mark.parametrize("api", ["anthropic-messages", "openai-responses"])
def test_extra_body_adds_but_the_scenario_wins(api: str) -> None:
    """What the scenario says elsewhere cannot be changed by extra_body; everything else goes through."""
    extra = b'"temperature":0,"model":"other","stream":false'

    assert sent(api, ask(extra=extra)) == {**SENT[api][1], "temperature": 0}


def test_keys_go_where_each_api_wants_them() -> None:
    """A bearer for most, x-api-key with a version for Anthropic; without a key no such header."""
    assert DIALECTS["openai-responses"].headers("k")["authorization"] == "Bearer k"
    assert DIALECTS["anthropic-messages"].headers("k")["x-api-key"] == "k"
    assert DIALECTS["anthropic-messages"].headers(None)["anthropic-version"] == "2023-06-01"
    assert DIALECTS["azure-openai-chat"].headers("k")["api-key"] == "k"
    assert "authorization" not in DIALECTS["azure-openai-chat"].headers("k")
    secret = {"authorization", "x-api-key", "api-key"}
    assert [api for api in DIALECTS if set(DIALECTS[api].headers(None)) & secret] == []


@pytest.mark.parametrize(("api", "inner"), [("ollama-chat", "options"), ("tgi-generate", "parameters")])
def test_options_of_extra_body_stand_beside_the_limit(api: str, inner: str) -> None:
    """Where an API nests its options, those of extra_body go in with the limit, whatever they are."""
    body = sent(api, ask(extra=b'"x":1,"%s":{"temperature":0}' % inner.encode()))

    assert body[inner] == {**SENT[api][1][inner], "temperature": 0}
    assert body["x"] == 1
    assert sent(api, ask(extra=b'"%s":3' % inner.encode())) == SENT[api][1]


def test_tgi_has_two_paths() -> None:
    """A request that is not streamed goes to another place."""
    assert DIALECTS["tgi-generate"].path(ask(stream=False)) == "/generate"


def test_a_deployment_is_a_part_of_a_path() -> None:
    """Whatever a deployment is called, it is one part of the path."""
    path = DIALECTS["azure-openai-chat"].path(ask(model="gpt 4/o?"))

    assert path.startswith("/openai/deployments/gpt%204%2Fo%3F/chat/completions?")


def test_a_synthetic_prompt_is_reranked_in_ten_passages() -> None:
    """The query has the nonce; the rest of the prompt is the documents, every word of it once."""
    after = " ".join(f"w{number}\\n" for number in range(1003)).encode()
    body = sent("rerank", ask(prompt=Prompt(id="p", before=b"find", after=b" " + after)))

    assert body["query"] == "find one two "
    assert len(body["documents"]) == 10
    assert " ".join(body["documents"]).split() == [f"w{number}" for number in range(1003)]


def test_a_task_is_reranked_line_by_line() -> None:
    """Of a task the first line is the query, each other line a document; a single line is both."""
    task = Prompt(id="t", after=b'what?\\nthis \\"one\\"\\n\\nthat')

    body = sent("rerank", ask(prompt=task, nonce=b""))
    assert (body["query"], body["documents"]) == ("what?", ['this "one"', "that"])
    body = sent("rerank", ask(prompt=Prompt(id="t", after=b"alone"), nonce=b""))
    assert (body["query"], body["documents"]) == ("alone", ["alone"])
