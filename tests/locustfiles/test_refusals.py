"""A refusal is told by its status and by the words of real servers."""

from __future__ import annotations

import json

import pytest
from openai_pieces import JSON, read

from locustfiles._outcome import classify


@pytest.mark.parametrize(
    ("status", "message", "outcome"),
    [
        (429, "whatever", "rate_limited"),
        (429, "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 41000", "rate_limited"),
        (429, "CUDA out of memory", "rate_limited"),
        (400, "ThrottlingException: Rate exceeded, request was throttled", "rate_limited"),
        (503, "Too many requests, please wait before trying again.", "rate_limited"),
        (403, "You exceeded your current quota, please check your plan", "rate_limited"),
        (500, "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 23.69 GiB total capacity)", "server_oom"),
        (503, "torch.OutOfMemoryError: HIP out of memory", "server_oom"),
        (500, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)", "server_oom"),
        (500, "worker was OOMKilled", "server_oom"),
        (500, "RESOURCE_EXHAUSTED: Out of memory allocating 17179869184 bytes", "server_oom"),
        (500, "failed to find free space in the KV cache", "server_oom"),
        (500, "Out of available cache blocks: asked 5, only 2 free blocks", "server_oom"),
        (500, "CUDA error: an illegal memory access was encountered", "http_error"),
        (500, "there is no room for that in the memory of the people", "http_error"),
        (400, "the word boom is no reason", "http_error"),
        (400, "out of memory is no business of a client", "http_error"),
        # OpenAI
        (400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
         "context_overflow"),
        (400, "Your input exceeds the context window of this model. Please adjust your input and try again.",
         "context_overflow"),
        # vLLM, old and new
        (400, "This model's maximum context length is 1024 tokens. However, you requested 1029 tokens (1028 in the "
              "messages, 1 in the completion).", "context_overflow"),
        (400, "The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure "
              "that `max_model_len` is no smaller than the number of text tokens.", "context_overflow"),
        (400, "You passed 1015 input tokens and requested 10 output tokens. However, the model's context length is "
              "only 1024 tokens", "context_overflow"),
        # SGLang
        (400, "The input (61709 tokens) is longer than the model's context length (40960 tokens).", "context_overflow"),
        (400, "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens).", "context_overflow"),
        # TGI
        (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens "
              "and 20 `max_new_tokens`", "context_overflow"),
        (422, "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000", "context_overflow"),
        # llama.cpp
        (400, "the request exceeds the available context size. try increasing the context size or enable context shift",
         "context_overflow"),
        (500, "Context size has been exceeded.", "context_overflow"),
        # Anthropic, TensorRT-LLM, Gemini, Bedrock
        (400, "prompt is too long: 204000 tokens > 200000 maximum", "context_overflow"),
        (400, "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000", "context_overflow"),
        (400, "Prompt length (5000) exceeds maximum input length (4096)", "context_overflow"),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
         "context_overflow"),
        (400, "Input is too long for requested model.", "context_overflow"),
        # near misses
        (504, "context deadline exceeded", "http_error"),
        (400, "Missing field in request context", "http_error"),
        (400, "Unsupported value: 'max_tokens' must be at least 1, got 0", "http_error"),
        (404, "The model `x` does not exist.", "http_error"),
        (401, "Invalid Authentication", "http_error"),
        (503, "The engine is currently overloaded, please try again later", "http_error"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_by_status_and_words(status: int, message: str, outcome: str) -> None:
    """The wordings of real servers, and others that only look like them."""
    body = json.dumps({"error": {"message": message}}).encode()
    kind, text = classify(read(body, status=status, headers=JSON), None, 8)

    assert kind == outcome
    assert str(text).startswith(f"{status}: {message[:40]}")


def test_an_echoed_prompt_is_no_reason() -> None:
    """FastAPI echoes the input: its words ("context length", "out of memory") classify nothing."""
    echo = {"detail": [{"msg": "Field required", "input": "the context length, out of memory, rate limit"}]}

    assert classify(read(json.dumps(echo).encode(), status=500, headers=JSON), None, None)[0] == "http_error"


def test_a_redirect_says_where_to() -> None:
    """Redirects are not followed; the line says which address to use."""
    kind, text = classify(read(status=308, headers={"location": "https://b/v1/"}), None, None)

    assert kind == "http_error"
    assert text == "308: redirects to https://b/v1/, which is not followed: put that address into url or path"


def test_a_status_that_nobody_defined() -> None:
    """599 without a body is still a line, and a defined one is spelt out."""
    assert classify(read(status=599), None, None) == ("http_error", "599: no body")
    assert classify(read(b" ", status=502), None, None) == ("http_error", "502: Bad Gateway, no body")
