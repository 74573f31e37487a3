"""OpenAI completions, as vLLM, SGLang, llama.cpp and TGI serve them: one prompt without a chat template.

https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from array import array
from typing import Any

import msgspec

from locustfiles._dialects._ask import Ask
from locustfiles._dialects._incoming import Incoming
from locustfiles._dialects._openai_body import bearer, head
from locustfiles._dialects._openai_json import WireUsage, tokens
from locustfiles._dialects._said import complaint, line
from locustfiles._dialects._texts import text_of


class Choice(msgspec.Struct, gc=False):
    """One answer of several; one is asked for."""

    text: str | None = None
    finish_reason: str | None = None


class Completion(msgspec.Struct, gc=False):
    """One event, or a whole reply: they have the same form."""

    choices: list[Choice] | None = None
    usage: WireUsage | None = None
    model: str | None = None
    error: Any = None
    message: Any = None
    detail: Any = None


class CompletionReply(Incoming):
    """The reply to one prompt."""

    __slots__ = ()

    decode = decode_whole = staticmethod(msgspec.json.Decoder(Completion).decode)

    def _take(self, event: Completion, at_ns: int) -> None:
        if not event.choices or event.error is not None:
            self._aside(event)
        if self.model is None:
            self._named(event.model)
        if event.choices:
            choice = event.choices[0]
            self._stamp(self.text, choice.text, at_ns)
            if choice.finish_reason:
                self.finish_reason = line(choice.finish_reason)
        if event.usage is not None:
            if len(self.chunks) == 1 and self._counts is None:
                self.first_chunk_tokens = tokens(event.usage.completion_tokens) or None
            self._counts = event.usage

    def _take_whole(self, whole: Completion) -> None:
        self._aside(whole)
        self._named(whole.model)
        self._counts = whole.usage
        for choice in (whole.choices or ())[:1]:
            self.done, self.text = self.error is None, [choice.text] if choice.text else []
            self.finish_reason = line(choice.finish_reason or "") or None

    def _aside(self, event: Completion) -> None:
        """Take an error under one of its names."""
        said = event.error or (not event.choices and event.usage is None and (event.message or event.detail))
        if said:
            self._fail(complaint(said))


class OpenAICompletions:
    """POST /v1/completions."""

    name = "openai-completions"
    generates = streams = verified = True

    def path(self, ask: Ask) -> str:  # noqa: ARG002 (the same for all)
        """The place under the arm's URL."""
        return "/v1/completions"

    def body(self, ask: Ask) -> tuple[bytes, ...]:
        """The options, the lengths, then the prompt with its nonce."""
        before, after = text_of(ask.prompt)
        return head(ask) + b',"prompt":"' + before, ask.nonce, after, b'"}'

    def headers(self, key: str | None) -> dict[str, str]:
        """Bearer key, when there is one."""
        return bearer(key)

    def reply(self, chunks: array[int], stream: bool) -> CompletionReply:  # noqa: ARG002 (the server decides in the end)
        """An empty reply."""
        return CompletionReply(chunks)
