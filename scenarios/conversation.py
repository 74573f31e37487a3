"""Conversations: requests whose prompts hold everything that was said before."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from scenarios.kinds import Delay, Frozen

CHATS = ("openai-chat", "azure-openai-chat", "ollama-chat", "anthropic-messages")  # that take earlier messages
MOST_TURNS = 200


class Conversation(Frozen, frozen=True):
    """Each user holds one conversation after another, of `turns` requests.

    A turn adds one message of the cell's input size; in place of the replies before it stand texts of the cell's output
    size, so that both arms get the same words. `system` tokens stand in front of all conversations. Of `uncached_share`
    of them no turn begins like another request: what a prefix cache saves is the difference to those.
    """

    turns: Annotated[int, msgspec.Meta(ge=2, le=MOST_TURNS)] = 6
    think: Delay = 0.0  # seconds between a reply and the next message: the mean
    thinking: Literal["exponential", "constant"] = "exponential"
    system: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    uncached_share: Annotated[float, msgspec.Meta(ge=0, le=0.9)] = 0.0

    def input_tokens(self, turn: float, message: int, reply: int) -> int:
        """Tokens of the prompt of a turn, counted from 1; between two whole turns, as on average."""
        return round(self.system + message * turn + reply * (turn - 1))
