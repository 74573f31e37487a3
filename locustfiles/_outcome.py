"""What became of a request: one outcome of a closed set (METRICS) and one clear, bounded line. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from exporters.sample import Outcome
from locustfiles._dialects import Reply
from locustfiles._wire import Failure

LONGEST_ERROR = 200
OUT_OF_MEMORY = re.compile(r"out of memory|\boom\b|cuda.*memory|no space in kv|kv cache is full", re.IGNORECASE)
TOO_LONG = re.compile(
    r"context.{0,20}(length|window|size)|maximum context|max_model_len|longer than the (model|maximum)|too many tokens"
    r"|prompt is too long|input length.{0,40}exceed|`?inputs`? tokens|exceeds? the (available )?context",
    re.IGNORECASE,
)
RATE_LIMIT = re.compile(r"rate.?limit|too many requests|quota", re.IGNORECASE)
SECRETS = re.compile(r"(Bearer\s+)\S+|\b(sk-|hf_|ghp_)[\w-]{6,}", re.IGNORECASE)
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b.|[\x00-\x1f\x7f-\x9f]+")


def classify(reply: Reply, failure: Failure | None, asked_tokens: int | None) -> tuple[Outcome, str | None]:
    """Outcome and error of a reply. `asked_tokens`: the length that was forced, None when the model stops by itself."""
    if failure is not None:
        return _of_failure(reply, failure)
    if reply.status != 200:
        return _of_status(reply)
    if reply.error is not None:
        kind = _of_words(reply.error) or "error_in_stream"
        return kind, line(reply.error)
    if not (reply.text or reply.reasoning or reply.tool_calls):
        return _of_nothing(reply)
    if reply.streamed and not reply.done and reply.finish_reason is None:
        return "stream_broken", "the stream ended without a finish reason and without [DONE]"
    if reply.finish_reason == "length" and not _as_asked(reply, asked_tokens):
        made = reply.usage.output if reply.usage else None
        return "truncated", f"stopped by a limit after {made} tokens, {asked_tokens or 'a natural end'} was asked"
    return "ok", None


def _as_asked(reply: Reply, asked: int | None) -> bool:
    """Whether stopping at a length is what was asked: the forced length, or nobody can tell."""
    if asked is None:
        return False
    return reply.usage is None or reply.usage.output >= asked


def _of_failure(reply: Reply, failure: Failure) -> tuple[Outcome, str]:
    text = line(failure.detail)
    if failure.kind in ("timeout", "first_token_timeout"):
        return "timeout", text
    if failure.kind in ("dns", "connect", "tls") or (failure.kind in ("reset", "closed") and not reply.status):
        return "connection", text
    return "stream_broken", text


def _of_status(reply: Reply) -> tuple[Outcome, str]:
    message = message_of(reply.head)
    text = line(f"{reply.status}: {message}" if message else str(reply.status))
    if reply.status == 429:
        return "rate_limited", text
    return _of_words(message) or "http_error", text


def _of_words(text: str) -> Outcome | None:
    if OUT_OF_MEMORY.search(text):
        return "server_oom"
    if TOO_LONG.search(text):
        return "context_overflow"
    return "rate_limited" if RATE_LIMIT.search(text) else None


def _of_nothing(reply: Reply) -> tuple[Outcome, str]:
    if is_html(reply.head):
        return "http_error", line(f"answered HTML instead of JSON: {message_of(reply.head)}")
    return "empty", "the reply has no token" + (f": {line(message_of(reply.head))}" if not reply.streamed else "")


def is_html(head: bytes) -> bool:
    """Whether a body is a page."""
    return head.lstrip()[:100].lower().startswith((b"<!doctype", b"<html"))


class _Body(msgspec.Struct):
    """An error body, as OpenAI, FastAPI and others write it."""

    error: object = None
    message: object = None
    detail: object = None


def message_of(head: bytes) -> str:
    """What an error body says: the message of its JSON, the title of its page, else its first bytes."""
    if is_html(head):
        title = re.search(rb"<title>(.*?)</title>", head, re.IGNORECASE | re.DOTALL)
        return title[1].decode(errors="replace").strip() if title else "a page without a title"
    try:
        body = msgspec.json.decode(head, type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return head[:LONGEST_ERROR].decode(errors="replace")
    said = body.error or body.message or body.detail
    return str(
        said.get("message", said) if isinstance(said, dict) else said or head[:LONGEST_ERROR].decode("utf-8", "replace")
    )


def line(text: str) -> str:
    """One bounded line: no control characters, no terminal escapes, no secrets."""
    clean = " ".join(ESCAPES.sub(" ", text).split())
    return SECRETS.sub(lambda found: f"{found[1] or found[2] or ''}***", clean)[:LONGEST_ERROR]


def retry_after_s(reply: Reply, now: float) -> float | None:
    """Seconds that the server asks us to wait: a number, or an HTTP date against `now` (seconds since the epoch)."""
    asked = reply.headers.get("retry-after", "").strip()
    if not asked:
        return None
    if asked.replace(".", "", 1).isdigit():
        return float(asked)
    try:
        when = parsedate_to_datetime(asked)
    except ValueError:
        return None
    return max(
        0.0,
        (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - datetime.fromtimestamp(now, UTC).timestamp(),
    )
