"""Azure OpenAI: its chats are OpenAI's, at a place that names the deployment and with a key under a name of its own.

https://learn.microsoft.com/azure/ai-services/openai/reference
"""

from __future__ import annotations

from array import array
from urllib.parse import quote

import msgspec

from locustfiles._dialects._ask import Ask
from locustfiles._dialects._openai_body import bearer
from locustfiles._dialects._openai_reply import ChatReply
from locustfiles._dialects.openai_chat import OpenAIChat

VERSION = "2024-10-21"  # the last that is generally available; an arm's `path` says another


class AzureOpenAIChat:
    """POST /openai/deployments/MODEL/chat/completions. Azure refuses ignore_eos and min_tokens: no length is forced."""

    name = "azure-openai-chat"
    generates = streams = True
    verified = False

    def path(self, ask: Ask) -> str:
        """The place under the arm's URL: its deployment is the model."""
        return f"/openai/deployments/{quote(ask.model, safe='')}/chat/completions?api-version={VERSION}"

    def body(self, ask: Ask) -> tuple[bytes, ...]:
        """An OpenAI chat's."""
        return OpenAIChat().body(msgspec.structs.replace(ask, force_length=False))

    def headers(self, key: str | None) -> dict[str, str]:
        """The key under Azure's name."""
        return {**bearer(None), **({"api-key": key} if key else {})}

    def reply(self, chunks: array[int], stream: bool) -> ChatReply:  # noqa: ARG002 (the server decides in the end)
        """An OpenAI chat's."""
        return ChatReply(chunks)
