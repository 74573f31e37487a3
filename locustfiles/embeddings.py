"""Embeddings and rerank: `locust -f locustfiles/embeddings.py,shapes/ladder.py --scenario FILE`."""

from locust import events

from locustfiles._enlist import enlist
from locustfiles._options import add_options
from locustfiles._user import LlmUser


class EmbeddingsUser(LlmUser):
    """Sends one text (or query with documents) at a time, as the scenario's arms say."""


events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(enlist)
