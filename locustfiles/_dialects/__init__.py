"""One small file per API, behind one table."""

from locustfiles._dialects._ask import Ask, Dialect, Reply, Usage
from locustfiles._dialects.anthropic_messages import AnthropicMessages
from locustfiles._dialects.azure_openai_chat import AzureOpenAIChat
from locustfiles._dialects.ollama_chat import OllamaChat
from locustfiles._dialects.openai_chat import OpenAIChat
from locustfiles._dialects.openai_completions import OpenAICompletions
from locustfiles._dialects.openai_embeddings import OpenAIEmbeddings
from locustfiles._dialects.openai_responses import OpenAIResponses
from locustfiles._dialects.rerank import Rerank
from locustfiles._dialects.tgi_generate import TgiGenerate

__all__ = ["DIALECTS", "Ask", "Dialect", "Reply", "Usage"]

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
)
DIALECTS = {dialect.name: dialect for dialect in SPOKEN}
