"""The reply to an OpenAI chat, as vLLM, SGLang, TGI, llama.cpp, LiteLLM and Azure send it.

Deviations are taken as they come: role chunks without content, `reasoning` beside `reasoning_content`, usage with an
empty `choices` or with one empty delta or in every chunk, plain JSON where events were asked for, and the reverse.
"""

from __future__ import annotations

from locustfiles._dialects._incoming import Incoming
from locustfiles._dialects._openai_json import Choice, Chunk, Delta, decode, tokens
from locustfiles._dialects._said import complaint, line


class ChatReply(Incoming):
    """The reply to one chat, as it comes."""

    __slots__ = ()

    decode = staticmethod(decode)
    decode_whole = staticmethod(decode)

    def _take(self, event: Chunk, at_ns: int) -> None:
        choice = event.choices[0] if event.choices else None
        if choice is None or event.error is not None:
            self._aside(event)
        if self.model is None:
            self._named(event.model)
        if choice is not None:
            if choice.delta is not None and self._content(choice.delta, at_ns) and len(self.chunks) == 1:
                self.first_chunk_tokens = tokens(event.usage.completion_tokens) or None if event.usage else None
            if choice.finish_reason:
                self.finish_reason = line(choice.finish_reason)
        if event.usage is not None:
            self._counts = event.usage

    def _content(self, delta: Delta, at_ns: int) -> bool:
        """Stamp a chunk that brings content, reasoning or part of a tool call; a role alone is none."""
        content = delta.content or delta.refusal
        if content:
            self.text.append(content)
            if self.first_visible_ns is None:
                self.first_visible_ns = at_ns
            if delta.reasoning_content or delta.reasoning or delta.tool_calls:
                self._unseen(delta)
        elif not self._unseen(delta):
            return False
        self.chunks.append(at_ns)
        return True

    def _unseen(self, delta: Delta) -> bool:
        """Take what a delta brings beside its content; whether that is anything."""
        thought, calls = delta.thought, delta.calls
        if thought:
            self.reasoning.append(thought)
        if calls:
            self.tool_calls.append(calls)
        return bool(thought or calls)

    def _aside(self, chunk: Chunk) -> None:
        """Take what is no choice: an error under one of its names, usage, or the filters' word on the prompt."""
        if chunk.error:
            self._fail(complaint(chunk.error))
        elif not chunk.choices and chunk.usage is None and (chunk.message or chunk.detail):
            self._fail(complaint(chunk.message or chunk.detail))

    def _take_whole(self, whole: Chunk) -> None:
        self._aside(whole)
        self._named(whole.model)
        self._counts = whole.usage
        if whole.choices and whole.error is None:
            self._message(whole.choices[0])

    def _message(self, choice: Choice) -> None:
        message = choice.message or Delta()
        self.done, self.finish_reason = True, line(choice.finish_reason or "") or None
        self.text = [text for text in (message.content, message.refusal) if text]
        self.reasoning = [text for text in (message.thought,) if text]
        self.tool_calls = [text for text in (message.calls,) if text]
