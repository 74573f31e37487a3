"""The texts of a run: the same in every process, whoever counted them."""

from __future__ import annotations

import time
from pathlib import Path

import gevent
import msgspec
import pytest

from locustfiles import _texts
from locustfiles._texts import FITTED, Texts, left_out, make_texts, texts_beside, texts_for_workers
from locustfiles._tokens import ServerTokenizer, Tokenizer, load_tokenizer
from scenarios.load import scenario_of
from scenarios.scenario import Scenario


def scenario(folder: Path) -> Scenario:
    (folder / "tasks.jsonl").write_text('{"id": "mine", "prompt": "Why?"}\n')
    data = {
        "arms": {"a": {"url": "http://127.0.0.1:1"}},
        "matrix": {"input": {"s": 64, "l": 300}, "output": {"o": 8}},
        "tasks": {"file": "tasks.jsonl", "requests": 1},
    }
    return scenario_of(data, folder / "x.toml", [], {})


class Server:
    """A tokenizer that is asked, as a server is: it counts like o200k_base and says how often."""

    def __init__(self) -> None:
        self.asked, self._counter = 0, load_tokenizer("o200k_base")

    def count(self, text: str) -> int:
        self.asked += 1
        return self._counter.count(text)


def through_the_wire(sent: dict) -> dict:
    """As Locust's messages travel: bytes survive, keys are strings."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(sent))


def sent_by(tokenizer: Tokenizer, asked: Scenario, monkeypatch: pytest.MonkeyPatch) -> Texts:
    """What a worker has after the master used this tokenizer; the worker's machine has no tasks file."""
    monkeypatch.setattr(_texts, "choose_tokenizer", lambda *_: tokenizer)
    wire = through_the_wire(texts_for_workers(asked))
    monkeypatch.setattr(_texts, "choose_tokenizer", None)
    Path(asked.tasks.file).unlink()
    return texts_beside(wire, asked)[0]


def test_what_a_vocabulary_counts_is_made_by_each_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is small, the texts are those that the master would have made, and the tasks came with it."""
    asked, tokenizer = scenario(tmp_path), load_tokenizer("o200k_base")
    whole = make_texts(asked, tokenizer)
    monkeypatch.setattr(_texts, "choose_tokenizer", lambda *_: tokenizer)
    assert len(msgspec.msgpack.encode(texts_for_workers(asked))) < 1_000

    assert sent_by(tokenizer, asked, monkeypatch) == whole
    assert [prompt.id for prompt in whole.tasks] == ["mine"]


def test_a_server_is_asked_by_the_master_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts that a server counted are sent as they are: 100 of each size, exact, and the worker asks nobody."""
    asked, server = scenario(tmp_path), Server()
    texts = sent_by(ServerTokenizer(server.count), asked, monkeypatch)
    before = server.asked

    assert {size: len(pool) for size, pool in texts.pools.items()} == {"64": FITTED, "300": FITTED}
    assert all(prompt.tokens == int(size) for size, pool in texts.pools.items() for prompt in pool)
    assert len(texts.words) == 256
    assert [prompt.id for prompt in texts.tasks] == ["mine"]
    assert server.asked == before > 0


def test_the_hub_goes_on_while_texts_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that prepares for long beats its heart meanwhile: its master does not take it for lost."""

    def slow(*_: object) -> Texts:
        ends = time.monotonic() + 0.5
        while time.monotonic() < ends:
            pass
        return Texts(tokenizer="o200k_base")

    def beat() -> None:
        while True:
            beats.append(time.monotonic())
            gevent.sleep(0.02)

    monkeypatch.setattr(_texts, "texts_of_master", slow)
    monkeypatch.setattr(_texts, "output_tokenizer", lambda _: None)
    beats: list[float] = []
    heart = gevent.spawn(beat)
    texts_beside({}, scenario(tmp_path))
    heart.kill()

    assert len(beats) >= 5  # in the hub: one at most


def test_prompts_of_a_data_set_that_a_server_counted_are_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the data set: no size needs a pool, and no worker looks for a vocabulary of the server's name."""
    (tmp_path / "set.jsonl").write_text('{"prompt": "Why?"}\n')
    given = {
        "arms": {"a": {"url": "http://127.0.0.1:1"}}, "data": {"file": "set.jsonl"},
        "matrix": {"input": {"real": "data"}, "output": {"o": 8}},
    }  # fmt: skip
    asked, server = scenario_of(given, tmp_path / "x.toml", [], {}), ServerTokenizer(Server().count)
    monkeypatch.setattr(_texts, "choose_tokenizer", lambda *_: server)
    texts, _ = texts_beside(through_the_wire(texts_for_workers(asked)), asked)

    assert (texts.pools, [prompt.id for prompt in texts.data]) == ({}, ["data-1"])
    assert texts.data[0].tokens is not None


def test_what_files_hold_that_cannot_be_used_is_a_line_for_each(tmp_path: Path) -> None:
    """A row without its column and a line that runs backwards, where the scenario leaves such out; else none."""
    (tmp_path / "set.jsonl").write_text('{"prompt": "Why?"}\n{"promt": "x"}\n')
    (tmp_path / "t.csv").write_text("timestamp,input_tokens,output_tokens\n0,20,1\n2,20,1\n1,20,1\n")
    given = {
        "arms": {"a": {"url": "http://127.0.0.1:1"}}, "data": {"file": "set.jsonl", "on_bad": "skip"}, "tasks": {},
        "ladder": {"arrival": "trace", "trace": "t.csv", "on_bad": "skip"},
    }  # fmt: skip
    rows, lines = left_out(scenario_of(given, tmp_path / "x.toml", [], {}))

    assert "1 of 2 rows cannot be used: no column prompt or messages; there are: promt (1 rows, first 2)" in rows
    assert "line 4: time runs backwards" in lines
    assert left_out(scenario(tmp_path)) == []
