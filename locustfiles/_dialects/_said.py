"""What a server says in words: from error objects, error bodies and pages to one clean line. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

LONGEST_LINE = 200
DEEPEST = 8  # errors inside errors, as gateways pack them
LONGEST_INPUT = 20 * LONGEST_LINE  # beyond it nothing is looked at: a line is taken from its beginning
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  # what decoding any bytes as JSON may raise

ESCAPES = re.compile(
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC: titles, links
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|\x1b[PX^_].*?(?:\x1b\\|$)|\x1b.?"  # DCS and the like; any other escape
)
SECRETS = (
    re.compile(r"(\b(?:Bearer|Basic)\s+)[\w.~+/=-]{6,}", re.IGNORECASE),
    re.compile(
        r"(\b(?:api|access|secret|auth)[ _-]?(?:key|token)\b[^:=]{0,20}[:=]\s*[\"']?)[^\s\"',;]{6,}", re.IGNORECASE
    ),
    re.compile(r"(://)[^/\s@]+(?=@)"),
    re.compile(r"\b((?:sk|pk|rk)-|hf_|gh[pousr]_|nvapi-|AIza|AKIA|eyJ)[\w.*-]{6,}"),
)
TITLE = re.compile(rb"<title[^>]*>([^<]*)", re.IGNORECASE)
CUT_MESSAGE = re.compile(rb'"(?:message|detail|msg|error)"\s*:\s*"((?:[^"\\]|\\.)*)')


def line(text: str, longest: int = LONGEST_LINE) -> str:
    """One printable line of bounded length: no controls or terminal escapes, nothing invisible, no secrets."""
    clean = ESCAPES.sub(" ", text[:LONGEST_INPUT])
    if not clean.isprintable():
        clean = "".join([char if char.isprintable() else " " for char in clean])
    clean = " ".join(clean.split())
    for secret in SECRETS:
        clean = secret.sub(r"\1***", clean)
    return clean if len(clean) <= longest else clean[: longest - 1].rstrip() + "…"


def complaint(error: Any) -> str:
    """What an error object says: its innermost message, with its code where that is a word; without one, its JSON."""
    code = ""
    for _ in range(DEEPEST):
        if isinstance(error, list) and error:
            error = error[0]  # FastAPI: [{"loc": ..., "msg": ..., "input": ...}]; the input may be the prompt
        if not isinstance(error, dict):
            break
        words = [error[key] for key in ("code", "type", "error_type") if isinstance(error.get(key), str)]
        code = next((word for word in words if not word.isdigit()), code)
        said = next((error[key] for key in ("message", "error", "detail", "msg") if error.get(key)), None)
        if said is None:
            break
        error = said
    text = error if isinstance(error, str) else _json(error)
    return f"{text[:LONGEST_INPUT]} ({code})" if code and code not in text else text


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        return "an error nested too deep to be shown"


def message_of(head: bytes) -> str:
    """What the beginning of a body says: the message of its JSON, the title of its page, else its text."""
    if is_html(head):
        title = TITLE.search(head)
        return title[1].decode(errors="replace").strip() if title else "a page without a title"
    try:
        return complaint(msgspec.json.decode(head))
    except UNREADABLE:
        cut = CUT_MESSAGE.search(head) if head.lstrip().startswith(b"{") else None
        return (cut[1] if cut else head[:LONGEST_INPUT]).decode(errors="replace")


def is_html(head: bytes) -> bool:
    """Whether a body is a page."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:100].lower().startswith((b"<!doctype", b"<html", b"<head", b"<!--"))
