"""Conversations that grow: `locust -f locustfiles/conversation.py,shapes/ladder.py --scenario FILE`."""

from locust import events

from locustfiles._enlist import enlist
from locustfiles._options import add_options
from locustfiles._user import LlmUser


class ConversationUser(LlmUser):
    """Holds one conversation after another, thinking between its turns; the scenario's [conversation] says how."""


events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(enlist)
