"""Every option and environment variable that these locustfiles add to Locust's own. No secret is ever among them."""

from __future__ import annotations

from typing import Any


def add_options(parser: Any, **_: object) -> None:
    """Locust's `init_command_line_parser`."""
    parser.add_argument(
        "--scenario",
        env_var="TOKENSWARM_SCENARIO",
        default="",
        metavar="FILE",
        help="scenario file (TOML): what is asked of which services; presets are in scenarios/",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        include_in_web_ui=False,
        help="override one dotted key of the scenario, e.g. arms.baseline.url=http://127.0.0.1:8000",
    )
    parser.add_argument(
        "--out",
        default="",
        metavar="DIR",
        include_in_web_ui=False,
        help="the run directory itself; default runs/<UTC time>-<scenario>",
    )
    parser.add_argument(
        "--resume",
        default="",
        metavar="DIR",
        include_in_web_ui=False,
        help="do the steps of an earlier run that are not done; takes no scenario",
    )
    parser.add_argument(
        "--copy-to",
        default="",
        metavar="URI",
        include_in_web_ui=False,
        help="copy the run there after each step, e.g. s3://bucket/runs; credentials come from the environment",
    )
    parser.add_argument(
        "--metrics-port",
        env_var="TOKENSWARM_METRICS_PORT",
        type=int,
        default=None,
        metavar="PORT",
        include_in_web_ui=False,
        help="serve /metrics for Prometheus there; workers on one machine take the ports that follow; 0 = any free one",
    )
    parser.add_argument(
        "--metrics-host",
        env_var="TOKENSWARM_METRICS_HOST",
        default="127.0.0.1",
        metavar="HOST",
        include_in_web_ui=False,
        help="where to serve them; 0.0.0.0 = for other machines too",
    )
    _add_page(parser)
    _add_pushing(parser)


def _add_page(parser: Any) -> None:
    """What the page may start."""
    parser.add_argument(
        "--scenarios",
        env_var="TOKENSWARM_SCENARIOS",
        default="",
        metavar="DIR",
        include_in_web_ui=False,
        help="more scenario files that the page /llm may start, beside the presets",
    )


def _add_pushing(parser: Any) -> None:
    """Where metrics are pushed. Credentials are in TOKENSWARM_PUSHGATEWAY_... and TOKENSWARM_REMOTE_WRITE_... only."""
    parser.add_argument(
        "--pushgateway",
        env_var="TOKENSWARM_PUSHGATEWAY",
        default="",
        metavar="URL",
        include_in_web_ui=False,
        help="push metrics to this Pushgateway while a run lasts",
    )
    parser.add_argument(
        "--remote-write",
        env_var="TOKENSWARM_REMOTE_WRITE",
        default="",
        metavar="URL",
        include_in_web_ui=False,
        help="send metrics to this Prometheus by remote-write while a run lasts; path /api/v1/write unless it has one",
    )
    parser.add_argument(
        "--push-every",
        env_var="TOKENSWARM_PUSH_EVERY",
        type=float,
        default=5.0,
        metavar="SECONDS",
        include_in_web_ui=False,
        help="how often metrics are pushed",
    )
    parser.add_argument(
        "--push-ca-file",
        env_var="TOKENSWARM_PUSH_CA_FILE",
        default="",
        metavar="FILE",
        include_in_web_ui=False,
        help="whom to trust when they are pushed over https",
    )
    parser.add_argument(
        "--push-delete",
        env_var="TOKENSWARM_PUSH_DELETE",
        action="store_true",
        default=False,
        include_in_web_ui=False,
        help="delete the run's group from the Pushgateway at its end",
    )
