"""A service around a model, and the model: `locust -f locustfiles/service.py,shapes/ladder.py --scenario FILE`."""

from locust import events

from locustfiles._enlist import enlist
from locustfiles._options import add_options
from locustfiles._user import LlmUser


class ServiceUser(LlmUser):
    """Sends one request at a time to each arm in its turn; what a reply tells of its stages and calls is in its row."""


events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(enlist)
