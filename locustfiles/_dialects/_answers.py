"""The reply of an API that answers with vectors or scores: it comes whole, and its tokens are the input's."""

from __future__ import annotations

from typing import Any

import msgspec

from locustfiles._dialects._ask import Usage
from locustfiles._dialects._incoming import Incoming
from locustfiles._dialects._openai_json import Number, tokens
from locustfiles._dialects._said import complaint


class WireUsage(msgspec.Struct, gc=False):
    """Counts as OpenAI, Jina and vLLM send them; some send only the total, which is the input's."""

    prompt_tokens: Number = None
    total_tokens: Number = None
    input_tokens: Number = None  # Cohere's name for it

    def usage(self) -> Usage:
        """In our words; there is no output."""
        told = (self.prompt_tokens, self.input_tokens, self.total_tokens)
        return Usage(tokens(next((count for count in told if count is not None), None)), None)


class Meta(msgspec.Struct, gc=False):
    """Where Cohere has its counts."""

    tokens: WireUsage | None = None
    billed_units: WireUsage | None = None


class Answers(msgspec.Struct, gc=False):
    """A whole reply. What the answers are is not looked at: they are counted."""

    data: list[msgspec.Raw] | None = None  # vectors
    results: list[msgspec.Raw] | None = None  # scores
    model: str | None = None
    usage: WireUsage | None = None
    meta: Meta | None = None
    error: Any = None


class AnswersReply(Incoming):
    """The reply to one request for vectors or scores."""

    __slots__ = ()

    decode = decode_whole = staticmethod(msgspec.json.Decoder(Answers).decode)

    def _streams(self, begins: bytes) -> bool | None:  # noqa: ARG002 (whatever it begins with)
        return False

    def _take_whole(self, whole: Answers) -> None:
        meta = whole.meta or Meta()
        self._named(whole.model)
        self._counts = whole.usage or meta.tokens or meta.billed_units
        if whole.error:
            self._fail(complaint(whole.error))
        self.answers = len(whole.data or whole.results or ())
        self.done = self.answers > 0
