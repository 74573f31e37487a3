"""One small file per API, behind one table."""

from locustfiles._dialects._ask import Ask, Dialect, Reply, Usage
from locustfiles._dialects.openai_chat import OpenAIChat
from locustfiles._dialects.openai_completions import OpenAICompletions

__all__ = ["DIALECTS", "Ask", "Dialect", "Reply", "Usage"]

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (OpenAIChat(), OpenAICompletions())}
