"""What became of a request: one outcome of a closed set (METRICS) and one clear, bounded line. Pure."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from exporters.sample import Outcome
from locustfiles._dialects import Reply
from locustfiles._dialects._said import is_html, line, message_of
from locustfiles._wire import Failure

# The words of OpenAI, Azure, vLLM, SGLang, TGI, llama.cpp, TensorRT-LLM, Anthropic, Gemini and Bedrock. They are looked
# for in messages only: the rest of an error body may echo our own prompt.
TOO_LONG = re.compile(
    r"context[ _-]?(?:length|window|size|limit)|max(?:imum)?[ _](?:model[ _]len|seq[ _]len)|prompt is too long"
    r"|(?:input|prompt)(?: length| token count)?\b.{0,40}\b(?:exceeds|longer than|too long|too large|too big)\b"
    r"|`?inputs`? tokens \+ `?max_new_tokens`? must be|`?inputs`? must have less than",
    re.IGNORECASE,
)
OUT_OF_MEMORY = re.compile(
    r"out ?of ?memory|\boom(?:killed)?\b|CUBLAS_STATUS_ALLOC_FAILED|cudaMalloc failed|failed to allocate"
    r"|out of available cache blocks|free space in the kv cache|kv cache is full",
    re.IGNORECASE,
)
RATE_LIMIT = re.compile(
    r"rate.?limit|too many requests|throttl(?:ed|ing)|insufficient_quota|exceeded.{0,30}quota|quota.{0,20}exceeded"
    r"|(?:requests|tokens) per (?:min|sec|hour|day)",
    re.IGNORECASE,
)
NEVER_CONNECTED = ("dns", "connect", "tls")


def classify(reply: Reply, failure: Failure | None, asked_tokens: int | None) -> tuple[Outcome, str | None]:
    """Outcome and error of a reply. `asked_tokens`: the length that was forced, None when the model stops by itself."""
    if failure is not None and failure.kind in ("timeout", "first_token_timeout"):
        return "timeout", line(failure.detail)
    if reply.status not in (0, 200):
        return _of_status(reply)
    if reply.error is not None:
        return _of_words(reply.error, 500) or "error_in_stream", line(reply.error)
    if failure is not None:
        return _of_failure(reply, failure)
    if reply.finish_reason in ("error", "abort"):
        return "error_in_stream", f"the server ended the reply with finish reason {reply.finish_reason}"
    if not (reply.text or reply.reasoning or reply.tool_calls or reply.answers):
        return _of_nothing(reply)
    if not reply.done and reply.finish_reason is None:
        return "stream_broken", "the stream ended without a finish reason and without [DONE]"
    if reply.finish_reason == "length" and not _as_asked(reply, asked_tokens):
        return "truncated", _too_short(reply, asked_tokens)
    return "ok", None


def _of_failure(reply: Reply, failure: Failure) -> tuple[Outcome, str]:
    lost = failure.kind in NEVER_CONNECTED or (failure.kind in ("reset", "closed") and not reply.status)
    return ("connection" if lost else "stream_broken"), line(failure.detail)


def _of_status(reply: Reply) -> tuple[Outcome, str]:
    """A refusal is a refusal, also when the connection broke while its body came."""
    message = message_of(reply.head)
    said = message if message.strip() else _standard_words(reply)
    kind = "rate_limited" if reply.status == 429 else _of_words(message, reply.status)
    return kind or "http_error", line(f"{reply.status}: {said}")


def _standard_words(reply: Reply) -> str:
    """What a status means when the body is empty."""
    place = reply.headers.get("location")
    if 300 <= reply.status < 400 and place:
        return f"redirects to {place}, which is not followed: put that address into url or path"
    try:
        return f"{HTTPStatus(reply.status).phrase}, no body"
    except ValueError:
        return "no body"


def _of_words(message: str, status: int) -> Outcome | None:
    """The outcome that a message names; only a server that fails (5xx, or in the stream) is out of memory."""
    if status >= 500 and OUT_OF_MEMORY.search(message):
        return "server_oom"
    if RATE_LIMIT.search(message):
        return "rate_limited"
    return "context_overflow" if TOO_LONG.search(message) else None


def _of_nothing(reply: Reply) -> tuple[Outcome, str]:
    said = message_of(reply.head)
    if is_html(reply.head):
        return "http_error", line(f"answered HTML instead of JSON: {said}")
    if reply.streamed or not reply.head:
        return "empty", f"the reply has no token{_why_nothing(reply)}"
    if reply.malformed:
        return "http_error", line(f"answered something that is no JSON: {said}")
    return "empty", line(f"the reply has no token{_why_nothing(reply)}: {said}")


def _why_nothing(reply: Reply) -> str:
    usage, reason = reply.usage, reply.finish_reason
    if usage and usage.reasoning:
        return f": {usage.reasoning} tokens of hidden reasoning, then finish reason {reason}; raise the output length"
    if "text" in reply.missing:
        return ", json.text matches nothing in it"
    return f", finish reason {reason}" if reason else ""


def _as_asked(reply: Reply, asked: int | None) -> bool:
    """Whether a stop at a length is the one that was forced: by the server's count, by chunks, or nobody can tell."""
    if asked is None:
        return False
    made = reply.usage.output if reply.usage else None
    return made is None or max(made, len(reply.chunks)) >= asked


def _too_short(reply: Reply, asked: int | None) -> str:
    made = reply.usage.output if reply.usage else None
    after = "a limit" if made is None else f"a limit after {made} tokens"
    return f"stopped by {after}; {'a natural end' if asked is None else f'{asked} tokens'} was asked"


def retry_after_s(reply: Reply, now: float) -> float | None:
    """Seconds that the server asks us to wait: a number, or an HTTP date against `now` (seconds since the epoch)."""
    asked = reply.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?", asked):
        return float(asked)
    try:
        when = parsedate_to_datetime(asked)
        return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
