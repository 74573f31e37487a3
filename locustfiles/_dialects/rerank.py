"""Rerank in the form of Jina and Cohere, as vLLM, llama.cpp, LiteLLM and Infinity serve it.

https://api.jina.ai/redoc and https://docs.cohere.com/reference/rerank
"""

from __future__ import annotations

from array import array
from functools import lru_cache

import msgspec

from locustfiles._dialects._answers import AnswersReply
from locustfiles._dialects._ask import Ask
from locustfiles._dialects._members import opened
from locustfiles._dialects._openai_body import bearer
from locustfiles._dialects._texts import escaped, text_of

DOCUMENTS = 10  # that a synthetic prompt is cut into


class Rerank:
    """POST /v1/rerank. The query has the nonce, so that no two are alike; the documents are the rest of the prompt."""

    name = "rerank"
    generates = streams = False
    verified = True

    def path(self, ask: Ask) -> str:  # noqa: ARG002 (the same for all)
        """The place under the arm's URL."""
        return "/v1/rerank"

    def body(self, ask: Ask) -> tuple[bytes, ...]:
        """The model, the query, then the documents; of a task the first line is the query, the others are documents."""
        start = opened((("model", ask.model),), ask.extra) + b'"query":"'
        before, after = text_of(ask.prompt)
        if ask.nonce:
            return start + before, ask.nonce, b'","documents":', passages(after), b"}"
        query, documents = lines(before + after)
        return start + query, b'","documents":', documents, b"}"

    def headers(self, key: str | None) -> dict[str, str]:
        """Bearer key, when there is one."""
        return {**bearer(key), "accept": "application/json"}

    def reply(self, chunks: array[int], stream: bool) -> AnswersReply:  # noqa: ARG002 (it is never streamed)
        """An empty reply."""
        return AnswersReply(chunks)


@lru_cache(maxsize=4096)
def passages(text: bytes) -> bytes:
    """A JSON array of DOCUMENTS passages of about as many words each. No space stands inside an escape."""
    words = text.split(b" ")
    each = max(1, -(-len(words) // DOCUMENTS))
    cut = [b" ".join(words[at : at + each]).strip() for at in range(0, len(words), each)]
    return b'["%s"]' % b'","'.join([passage for passage in cut if passage] or [text])


@lru_cache(maxsize=4096)
def lines(text: bytes) -> tuple[bytes, bytes]:
    """The first line of an escaped text, and a JSON array of the others (of that one where there are none)."""
    query, *documents = [line for line in msgspec.json.decode(b'"%s"' % text).splitlines() if line.strip()] or [""]
    return escaped(query), msgspec.json.encode(documents or [query])
