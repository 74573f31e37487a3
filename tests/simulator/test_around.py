"""The simulator as a service around a model: its stages take their time, and it tells what they took in every way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.around import plan_of
from simulator.process import served
from tests.simulator.plain_client import PlainClient, Reply, metrics

STAGES = ("--stages", "preprocess=12,retrieve=25,postprocess=8", "--fan-out", "3", "--more-input", "50")
SCRIPT = ("--scripted", "--ttft-ms", "10", "--gap-ms", "2", "--tokens", "5")  # a hidden call takes 10 + 7 x 2 ms


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    truth = tmp_path_factory.mktemp("service") / "truth.jsonl"
    with served("simulator", (*SCRIPT, *STAGES, "--truth", str(truth))) as url:
        yield url, truth


def asked(service: tuple[str, Path], **members: Any) -> tuple[Reply, dict[str, str], dict[str, Any]]:
    """One reply, what came behind its last chunk, and what the service says that it took."""
    url, truth = service
    with PlainClient(url) as client:
        reply = client.chat(max_tokens=5, **members)
        return reply, client.trailers, json.loads(truth.read_text().splitlines()[-1])


def milliseconds(timing: str) -> dict[str, float]:
    """A plain Server-Timing header as the simulator writes it."""
    return {name: float(dur) for name, dur in (part.strip().split(";dur=") for part in timing.split(","))}


def test_a_whole_reply_tells_all_of_it(service: tuple[str, Path]) -> None:
    """Header, named headers, usage list and truth agree; each stage took at least its time; the sum is the total."""
    reply, _, truth = asked(service)
    told, usage = milliseconds(reply.headers["server-timing"]), reply.json["usage"]

    assert told == pytest.approx({name: 1000 * took for name, took in truth["stages"].items()}, abs=1e-5)
    assert {name: float(reply.headers[f"x-{name}-ms"]) for name in told} == told
    assert usage["timings"] == pytest.approx({f"{name}_ms": took for name, took in told.items()}, abs=1e-5)
    for name, least in (("preprocess", 12), ("retrieve", 25), ("postprocess", 8)):
        assert told[name] >= 0.9 * least  # its noise is that of the engine, 2 %
    assert told["model"] == pytest.approx(2 * 24 + 18, rel=0.25)  # two hidden calls of 8 tokens, then 5 tokens
    assert sum(told.values()) == pytest.approx(1000 * truth["total_s"], abs=3)
    assert usage["calls"] == truth["calls"]
    assert [call["completion_tokens"] for call in usage["calls"]] == [8, 8, 5]
    assert {call["prompt_tokens"] for call in usage["calls"]} == {usage["prompt_tokens"]} == {54}
    assert reply.headers["x-model-calls"] == "3"


def test_a_stream_tells_what_it_knows_then_the_rest_in_a_trailer(service: tuple[str, Path]) -> None:
    """The head has the stages before the model, the trailer the model and what came after the last token."""
    reply, trailers, truth = asked(service, stream=True, stream_options={"include_usage": True})
    late = milliseconds(trailers["server-timing"])

    assert set(milliseconds(reply.headers["server-timing"])) == {"preprocess", "retrieve"}
    assert late == pytest.approx({name: 1000 * truth["stages"][name] for name in ("model", "postprocess")}, abs=1e-5)
    assert len(reply.events[-1]["usage"]["calls"]) == 3


def test_every_call_is_in_the_engine_s_counters(service: tuple[str, Path]) -> None:
    """A request of three calls counts three times, with the tokens of all."""
    before = metrics(service[0])
    asked(service)
    after = metrics(service[0])

    def grew(name: str) -> float:
        return sum(after[key] - before.get(key, 0.0) for key in after if key.partition("{")[0] == f"vllm:{name}")

    assert (grew("request_success_total"), grew("prompt_tokens_total"), grew("generation_tokens_total")) == (3, 162, 21)


@pytest.mark.parametrize("stages", ["retrieve", "retrieve=", "retrieve=-1", "model=3", "a b=1", "=5"])
def test_wrong_stages_are_refused(stages: str) -> None:
    """One line that names what is accepted."""
    with pytest.raises(ValueError, match="NAME=MILLISECONDS is accepted"):
        plan_of(stages, 1, 0)
