"""OpenAI embeddings, as vLLM, TEI, llama.cpp and Ollama serve them.

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

from array import array

from locustfiles._dialects._answers import AnswersReply
from locustfiles._dialects._ask import Ask
from locustfiles._dialects._members import opened
from locustfiles._dialects._openai_body import bearer
from locustfiles._dialects._texts import text_of


class OpenAIEmbeddings:
    """POST /v1/embeddings. There is no output whose length could be asked."""

    name = "openai-embeddings"
    generates = streams = False
    verified = True

    def path(self, ask: Ask) -> str:  # noqa: ARG002 (the same for all)
        """The place under the arm's URL."""
        return "/v1/embeddings"

    def body(self, ask: Ask) -> tuple[bytes, ...]:
        """The model, then the prompt with its nonce: one text, one vector."""
        before, after = text_of(ask.prompt)
        return opened((("model", ask.model),), ask.extra) + b'"input":"' + before, ask.nonce, after, b'"}'

    def headers(self, key: str | None) -> dict[str, str]:
        """Bearer key, when there is one."""
        return {**bearer(key), "accept": "application/json"}

    def reply(self, chunks: array[int], stream: bool) -> AnswersReply:  # noqa: ARG002 (it is never streamed)
        """An empty reply."""
        return AnswersReply(chunks)
