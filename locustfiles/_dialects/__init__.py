"""One small file per API, behind one table."""

from locustfiles._dialects._ask import Ask, Dialect, Reply, Usage
from locustfiles._dialects.anthropic_messages import AnthropicMessages
from locustfiles._dialects.azure_openai_chat import AzureOpenAIChat
from locustfiles._dialects.ollama_chat import OllamaChat
from locustfiles._dialects.openai_chat import OpenAIChat
from locustfiles._dialects.openai_completions import OpenAICompletions
from locustfiles._dialects.openai_embeddings import OpenAIEmbeddings
from locustfiles._dialects.openai_responses import OpenAIResponses
from locustfiles._dialects.plain_json import PlainJson
from locustfiles._dialects.rerank import Rerank
from locustfiles._dialects.tgi_generate import TgiGenerate
from scenarios.scenario import Arm, JsonApi

__all__ = ["DIALECTS", "Ask", "Dialect", "Reply", "Usage", "dialect_of"]

SPOKEN: tuple[Dialect, ...] = (
    OpenAIChat(),
    OpenAICompletions(),
    OpenAIResponses(),
    AnthropicMessages(),
    OllamaChat(),
    TgiGenerate(),
    AzureOpenAIChat(),
    OpenAIEmbeddings(),
    Rerank(),
    PlainJson(JsonApi(body='{"prompt": "{{prompt}}"}', text="text")),
)
DIALECTS = {dialect.name: dialect for dialect in SPOKEN}


def dialect_of(arm: Arm) -> Dialect:
    """How an arm's service is talked to: by its API, or by a mapping of its own."""
    return DIALECTS[arm.api] if arm.json is None else PlainJson(arm.json)
