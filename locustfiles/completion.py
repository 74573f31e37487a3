"""Completions: `locust -f locustfiles/completion.py,shapes/ladder.py --scenario FILE`."""

from locust import events

from locustfiles._enlist import enlist
from locustfiles._options import add_options
from locustfiles._user import LlmUser


class CompletionUser(LlmUser):
    """Sends one prompt at a time, as the scenario's arms say."""


events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(enlist)
