"""What a simulator is asked to be: options of the command line, as one frozen struct."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import msgspec

from simulator.around import Plan, plan_of
from simulator.faults import FAULTS, Faults
from simulator.profiles import PROFILES


class SimulatorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One simulator."""

    host: str = "127.0.0.1"
    port: int = 0
    profile: str = "small"
    model: str | None = None
    seed: int = 0
    decode_speed: float = 1.0
    prefill_speed: float = 1.0
    noise: float | None = None
    api_key_env: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    log: bool = False
    scripted: bool = False
    ttft_ms: float = 50.0
    gap_ms: float = 10.0
    tokens: int = 100
    slots: int | None = None
    drift: float = 0.0
    switch_ms: float = 0.0
    name: str | None = None
    share_port: int | None = None
    faults: Faults = Faults()
    around: Plan = Plan()

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ValueError(f"profile {self.profile!r} is unknown: {', '.join(PROFILES)} are accepted")
        for name, least in (
            ("decode_speed", 0.001),
            ("prefill_speed", 0.001),
            ("ttft_ms", 0),
            ("gap_ms", 0),
            ("switch_ms", 0),
            ("tokens", 1),
        ):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} = {getattr(self, name)}: at least {least} is accepted")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port = {self.port}: 0 to 65535 is accepted")
        if self.tls_key and not self.tls_cert:
            raise ValueError(f"--tls-key {self.tls_key} is of no use without its --tls-cert")
        if self.slots is not None and (self.slots < 1 or not self.scripted):
            raise ValueError(f"slots = {self.slots}: 1 or more are accepted, with --scripted")
        if not 0 <= self.drift < 1:
            raise ValueError(f"drift = {self.drift}: 0 to below 1 is accepted")
        if self.name is not None and not (self.name.isprintable() and self.name.isascii() and self.name.strip()):
            raise ValueError("name: printable ASCII is accepted")
        if self.share_port is not None and not 1 <= self.share_port <= 65535:
            raise ValueError(f"share_port = {self.share_port}: 1 to 65535 is accepted")
        if self.noise is not None and not 0 <= self.noise <= 1:
            raise ValueError(f"noise = {self.noise}: 0 to 1 is accepted")


def parse(words: Sequence[str] | None = None) -> SimulatorOptions:
    """Options from a command line; argparse exits with 2 on a wrong one."""
    parser = argparse.ArgumentParser(
        prog="tokenswarm simulate",
        description="A stand-in LLM service: OpenAI chat, /v1/models, /metrics in vLLM's names, /tokenize.",
        epilog="Prints one JSON line with its URL when it listens; stops on SIGTERM or Ctrl-C. A request may ask for a "
        "fault by itself: header `X-Simulator-Fault: stall=2`, or a model name that ends in `+stall=2`.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_service(parser)
    _add_script(parser.add_argument_group("scripted mode: exact times, each token's text is its send time in ns"))
    _add_around(parser.add_argument_group("service mode: an application around the model, which tells of its stages"))
    _add_faults(parser.add_argument_group("faults: shares of the requests, 0 to 1"))
    given = parser.parse_args(words)
    try:
        return _options(given)
    except ValueError as error:
        parser.error(str(error))


def _add_service(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port; 0 takes a free one")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="small", help="which engine")
    parser.add_argument("--model", help="refuse other names (several: a,b) with 404; default: take any")
    parser.add_argument("--seed", type=int, default=0, help="of the noise and the faults")
    parser.add_argument("--decode-speed", type=float, default=1.0, help="1.1 decodes a tenth faster")
    parser.add_argument("--prefill-speed", type=float, default=1.0, help="1.1 prefills a tenth faster")
    parser.add_argument("--noise", type=float, help="sd of the log of a step's time; default: the profile's")
    parser.add_argument(
        "--api-key-env", metavar="NAME", help="environment variable with the key that clients must send"
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="serve https with this PEM certificate (chain)")
    parser.add_argument("--tls-key", metavar="FILE", help="its private key, unless that is in the same file")
    parser.add_argument("--name", help="say who served a reply: header `x-served-by: NAME`")
    parser.add_argument(
        "--share-port", type=int, metavar="PORT", help="this port, with others that say so too: connections are spread"
    )
    parser.add_argument("--log", action="store_true", help="log requests to stderr")


def _add_script(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--scripted", action="store_true", help="answer by schedule, not by an engine")
    group.add_argument("--ttft-ms", type=float, default=50.0, help="milliseconds to the first token")
    group.add_argument("--gap-ms", type=float, default=10.0, help="milliseconds between tokens")
    group.add_argument("--switch-ms", type=float, default=0.0, help="later, after a request for another model")
    group.add_argument("--tokens", type=int, default=100, help="tokens of a reply, whatever is asked")
    group.add_argument("--slots", type=int, metavar="N", help="streams at once; others wait. Default: no limit")
    group.add_argument(
        "--drift", type=float, default=0.0, metavar="SHARE", help="slots are drawn anew, so far off, after each pause"
    )


def _add_around(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--stages", default="", metavar="NAME=MS,...", help="its own work; post... comes after the model"
    )
    group.add_argument("--fan-out", type=int, default=1, metavar="N", help="model calls for a request, one by one")
    group.add_argument("--more-input", type=int, default=0, metavar="N", help="tokens that it adds to each prompt")
    group.add_argument("--stages-lost", type=float, default=0.0, metavar="SHARE", help="replies without their headers")
    group.add_argument("--truth", metavar="FILE", help="write what each request really took, a JSON line each")


def _add_faults(group: argparse._ArgumentGroup) -> None:
    for name, what in FAULTS.items():
        group.add_argument(f"--fail-{name}", type=float, default=0.0, metavar="SHARE", help=what)
    group.add_argument("--faults-after", type=int, default=0, metavar="N", help="spare the first N requests")
    group.add_argument("--stall-s", type=float, metavar="S", help="seconds that a stall lasts; default: for ever")
    group.add_argument("--slow-start-s", type=float, default=2.0, metavar="S", help="seconds that a slow start takes")


def _options(given: argparse.Namespace) -> SimulatorOptions:
    own = [name for name in SimulatorOptions.__struct_fields__ if name not in ("faults", "around")]
    fields = {name: getattr(given, name) for name in own}
    shares = {name: getattr(given, f"fail_{name.replace('-', '_')}") for name in FAULTS}
    faults = Faults(
        shares={name: share for name, share in shares.items() if share},
        after=given.faults_after,
        stall_s=given.stall_s,
        slow_start_s=given.slow_start_s,
    )
    around = plan_of(given.stages, given.fan_out, given.more_input, given.stages_lost, given.truth)
    return SimulatorOptions(**fields, faults=faults, around=around)
