"""What a simulator is asked to be: options of the command line, as one frozen struct."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import msgspec

from simulator.profiles import PROFILES


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of requests that go wrong, drawn by the seed; the first `after` requests are spared."""

    rate_limited: float = 0.0
    error_500: float = 0.0
    stall: float = 0.0
    reset: float = 0.0
    malformed: float = 0.0
    stream_error: float = 0.0
    empty: float = 0.0
    after: int = 0


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """One simulator."""

    port: int = 0
    profile: str = "small"
    model: str | None = None
    seed: int = 0
    decode_speed: float = 1.0
    prefill_speed: float = 1.0
    noise: float | None = None
    api_key_env: str | None = None
    scripted: bool = False
    ttft_ms: float = 50.0
    gap_ms: float = 10.0
    tokens: int = 100
    faults: Faults = Faults()


def parse(words: Sequence[str] | None = None) -> Options:
    """Options from a command line; argparse exits with 2 on a wrong one."""
    parser = argparse.ArgumentParser(
        prog="tokenswarm simulate",
        description="A stand-in LLM service on loopback: OpenAI chat, /v1/models, /metrics in vLLM's names, /tokenize.",
        epilog="Prints one JSON line with its URL when it listens; stops on SIGTERM or Ctrl-C.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="small", help="which engine")
    parser.add_argument("--model", help="refuse other model names with 404; default: take any")
    parser.add_argument("--seed", type=int, default=0, help="of the noise and the faults")
    parser.add_argument("--decode-speed", type=float, default=1.0, help="1.1 decodes a tenth faster")
    parser.add_argument("--prefill-speed", type=float, default=1.0, help="1.1 prefills a tenth faster")
    parser.add_argument("--noise", type=float, help="sd of the log of a step's time; default: the profile's")
    parser.add_argument(
        "--api-key-env", metavar="NAME", help="environment variable with the key that clients must send"
    )
    scripted = parser.add_argument_group("scripted mode: exact times, each token's text is its send time in ns")
    scripted.add_argument("--scripted", action="store_true", help="answer by schedule, not by an engine")
    scripted.add_argument("--ttft-ms", type=float, default=50.0, help="milliseconds to the first token")
    scripted.add_argument("--gap-ms", type=float, default=10.0, help="milliseconds between tokens")
    scripted.add_argument("--tokens", type=int, default=100, help="tokens of a reply, whatever is asked")
    faults = parser.add_argument_group("faults: shares of the requests, 0 to 1")
    for name, what in FAULTS.items():
        faults.add_argument(f"--fail-{name}", type=float, default=0.0, metavar="SHARE", help=what)
    faults.add_argument("--faults-after", type=int, default=0, metavar="N", help="spare the first N requests")
    return _options(parser.parse_args(words))


FAULTS = {
    "429": "rate limited, with Retry-After",
    "500": "internal error",
    "stall": "stop in the middle of the stream, for ever",
    "reset": "reset the connection in the middle of the stream",
    "malformed": "an event that is no JSON",
    "stream-error": "an error object in the stream, under 200",
    "empty": "a stream without a token",
}


def _options(given: argparse.Namespace) -> Options:
    fields = {name: getattr(given, name) for name in Options.__struct_fields__ if name != "faults"}
    faults = Faults(
        rate_limited=given.fail_429,
        error_500=given.fail_500,
        stall=given.fail_stall,
        reset=given.fail_reset,
        malformed=given.fail_malformed,
        stream_error=given.fail_stream_error,
        empty=given.fail_empty,
        after=given.faults_after,
    )
    return Options(**fields, faults=faults)
