"""OpenAI chat completions: how to ask. https://platform.openai.com/docs/api-reference/chat/create."""

from __future__ import annotations

from array import array

from locustfiles._dialects._ask import Ask
from locustfiles._dialects._openai_body import bearer, head
from locustfiles._dialects._openai_reply import ChatReply


class OpenAIChat:
    """POST /v1/chat/completions."""

    name = "openai-chat"
    generates = streams = verified = True

    def path(self, ask: Ask) -> str:  # noqa: ARG002 (the same for all)
        """The place under the arm's URL."""
        return "/v1/chat/completions"

    def body(self, ask: Ask) -> tuple[bytes, ...]:
        """The options, the lengths, then the messages with prompt and nonce spliced in."""
        if ask.prompt.messages is not None:
            return head(ask) + b',"messages":', ask.prompt.messages, b"}"
        return (
            head(ask) + b',"messages":[{"role":"user","content":"' + ask.prompt.before,
            ask.nonce,
            ask.prompt.after,
            b'"}]}',
        )

    def headers(self, key: str | None) -> dict[str, str]:
        """Bearer key, when there is one."""
        return bearer(key)

    def reply(self, chunks: array[int], stream: bool) -> ChatReply:  # noqa: ARG002 (the server decides in the end)
        """An empty reply."""
        return ChatReply(chunks)
