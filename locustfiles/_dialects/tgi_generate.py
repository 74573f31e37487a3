"""Text Generation Inference's own API: one event per token, the last of which has text and counts.

https://huggingface.github.io/text-generation-inference/
"""

from __future__ import annotations

from array import array
from typing import Any

import msgspec

from locustfiles._dialects._ask import Ask, Usage
from locustfiles._dialects._incoming import Incoming
from locustfiles._dialects._members import opened
from locustfiles._dialects._openai_body import bearer
from locustfiles._dialects._openai_json import Number, tokens
from locustfiles._dialects._said import complaint, line
from locustfiles._dialects._texts import text_of

FINISH = {"eos_token": "stop", "stop_sequence": "stop"}


class Token(msgspec.Struct, gc=False):
    """One token; a special one (the end of the sequence) is no text."""

    text: str | None = None
    special: bool | None = None


class Details(msgspec.Struct, gc=False):
    """What is known at the end. `input_length` and `prefill` are the input's tokens, as far as they are told."""

    finish_reason: str | None = None
    generated_tokens: Number = None
    input_length: Number = None
    prefill: list[Any] | None = None

    def usage(self) -> Usage:
        """In our words."""
        given = self.input_length if self.input_length is not None else len(self.prefill or ()) or None
        return Usage(tokens(given), tokens(self.generated_tokens))


class Generated(msgspec.Struct, gc=False):
    """One event, or a whole reply."""

    token: Token | None = None
    generated_text: str | None = None
    details: Details | None = None
    error: Any = None
    error_type: Any = None


class GenerateReply(Incoming):
    """The reply to one prompt."""

    __slots__ = ()

    decode = staticmethod(msgspec.json.Decoder(Generated).decode)
    decode_whole = staticmethod(msgspec.json.Decoder(Generated | list[Generated]).decode)

    def _take(self, event: Generated, at_ns: int) -> None:
        self._failed(event)
        if event.token is not None and not event.token.special:
            self._stamp(self.text, event.token.text, at_ns)
        if event.details is not None:
            self._ended(event.details)

    def _take_whole(self, whole: Generated | list[Generated]) -> None:
        only = whole if isinstance(whole, Generated) else next(iter(whole), Generated())  # "/" answers with a list
        self._failed(only)
        if only.generated_text is not None:
            self.done, self.text = True, [only.generated_text] if only.generated_text else []
        self._ended(only.details or Details())

    def _failed(self, event: Generated) -> None:
        if event.error:
            self._fail(complaint({"error": event.error, "error_type": event.error_type}))

    def _ended(self, details: Details) -> None:
        if details.finish_reason:
            self.done, self._counts = True, details
            self.finish_reason = FINISH.get(details.finish_reason) or line(details.finish_reason)


class TgiGenerate:
    """POST /generate_stream, or /generate. The API forces no length: max_new_tokens is a limit."""

    name = "tgi-generate"
    generates = streams = True
    verified = False

    def path(self, ask: Ask) -> str:
        """The place under the arm's URL: streams have one of their own."""
        return "/generate_stream" if ask.stream else "/generate"

    def body(self, ask: Ask) -> tuple[bytes, ...]:
        """The parameters, the limit among them, then the prompt with its nonce; no model is named."""
        before, after = text_of(ask.prompt)
        start = opened((), ask.extra, inner="parameters")
        start += b'"details":true,"max_new_tokens":%d},"inputs":"' % ask.max_tokens
        return start + before, ask.nonce, after, b'"}'

    def headers(self, key: str | None) -> dict[str, str]:
        """Bearer key, when there is one."""
        return bearer(key)

    def reply(self, chunks: array[int], stream: bool) -> GenerateReply:  # noqa: ARG002 (the server decides in the end)
        """An empty reply."""
        return GenerateReply(chunks)
