"""Chat against a server that sends times: `tokenswarm calibrate` reads what this leaves in errors.json of the run."""

import json
from pathlib import Path
from typing import Any

from locust import events

from locustfiles._enlist import enlist
from locustfiles._errors import Errors
from locustfiles._options import add_options
from locustfiles._user import LlmUser


class CalibrationUser(LlmUser):
    """The same user as any chat's; an observer compares its stamps with the server's."""


def observe(environment: Any, **_: object) -> None:
    """Watch every request of this process; write the errors when it ends."""
    if not hasattr(environment, "tokenswarm"):
        return
    errors = Errors()
    environment.tokenswarm.observers.append(errors)

    def write(**_: object) -> None:
        path = Path(environment.parsed_options.out) / "errors.json"
        path.write_text(json.dumps(errors.figures()), encoding="utf-8")

    environment.events.quitting.add_listener(write)


events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(enlist)
events.init.add_listener(observe)
