"""What a client asks, and what the simulator would refuse."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locustfiles._outcome import TOO_LONG
from simulator import vocabulary
from simulator.faults import Draw, Fault, Faults, split_model
from simulator.options import parse
from simulator.requests import DEFAULT_TOKENS, Chat, overflow
from simulator.vocabulary import Quarters, contents, load_vocabulary


def chat(**members: object) -> Chat:
    return msgspec.convert({"messages": [{"role": "user", "content": "Why?"}], **members}, Chat)


def test_a_forced_length_is_exact() -> None:
    """ignore_eos makes max_tokens the length; the newer name of the limit wins."""
    assert chat(max_tokens=7, ignore_eos=True).length() == (7, "length")
    assert chat(max_tokens=7, max_completion_tokens=9, ignore_eos=True).length() == (9, "length")
    assert chat(ignore_eos=True).length() == (DEFAULT_TOKENS, "length")


@given(st.text(max_size=40), st.integers(1, 400), st.integers(0, 400))
def test_a_natural_length_is_the_texts_own_within_its_limits(text: str, limit: int, least: int) -> None:
    """At most the limit, at least min_tokens, equal for equal text, `stop` only below the limit."""
    asked = chat(messages=[{"content": text}], max_tokens=limit, min_tokens=min(least, limit))
    length, finish = asked.length()

    assert min(least, limit) <= length <= limit
    assert finish == ("stop" if length < limit else "length")
    assert (length, finish) == msgspec.structs.replace(asked).length()


def test_parts_are_read_like_text() -> None:
    """Content as parts is their text; others and null count for nothing."""
    parts = [{"type": "text", "text": "a b"}, {"type": "image_url"}, "odd"]

    assert chat(messages=[{"content": parts}, {"content": None}, {"content": "c"}]).text.split() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"messages": []}, "messages"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -3}, "-3"),
        ({"max_tokens": 5, "min_tokens": 6}, "min_tokens"),
        ({"n": 2}, "n = 2"),
    ],
)
def test_impossible_requests_get_an_objection_that_names_them(members: dict[str, object], said: str) -> None:
    """Each names the key or the value."""
    assert said in (chat(**members).objection() or "")
    assert chat().objection() is None


def test_the_words_for_a_long_prompt_are_those_that_the_client_knows() -> None:
    """Exactly beyond the limit, with the numbers, and read by our own client as an overflow."""
    said = overflow(100, 90, 11) or ""

    assert overflow(100, 90, 10) is None
    assert "100 tokens" in said
    assert "at least 90 input tokens" in said
    assert "requested 11 output tokens" in said
    assert TOO_LONG.search(said)


def test_the_bundled_vocabulary_counts_like_tiktoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known tokens of o200k_base, special ones as ordinary text; the environment is left as it was."""
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    words = load_vocabulary()

    assert list(words.encode("hello there")) == [24912, 1354]
    assert len(words.encode("<|endoftext|>")) > 1
    assert "TIKTOKEN_CACHE_DIR" not in vocabulary.os.environ


def test_without_a_vocabulary_four_characters_are_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No file, no download: a quarter of the characters, equal for equal prefixes."""
    monkeypatch.setattr(vocabulary, "BUNDLED", tmp_path / "absent.gz")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    words = load_vocabulary()

    assert isinstance(words, Quarters)
    assert len(words.encode("a" * 10)) == 3
    assert words.encode("abcdefgh")[:1] == words.encode("abcdxyz")[:1]


@given(st.lists(st.integers(0, 50), max_size=80), st.lists(st.integers(0, 50), max_size=80))
def test_contents_are_equal_exactly_as_long_as_the_prompts_are(first: list[int], second: list[int]) -> None:
    """One content per whole block; those of two prompts agree up to the first block that differs."""
    common = next(
        (at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
    one, two = list(contents(first)), list(contents(second))
    equal = [a == b for a, b in zip(one, two, strict=False)]

    assert (len(one), len(two)) == (len(first) // 16, len(second) // 16)
    assert equal == [block < common // 16 for block in range(len(equal))]


def test_shares_of_faults_come_as_often_as_asked() -> None:
    """5 % and 20 % of 4,000 draws within four standard errors, none in those that are spared; the seed decides."""

    def drawn(seed: int) -> list[str | None]:
        faults = Faults(shares={"429": 0.05, "reset": 0.2}, after=100)
        draw = Draw(faults, random.Random(seed))
        return [fault.name if fault else None for fault in (draw.next() for _ in range(4100))]

    names = drawn(1)
    assert names == drawn(1) != drawn(2)
    assert names[:100] == [None] * 100
    assert abs(names.count("429") - 200) < 4 * (4000 * 0.05 * 0.95) ** 0.5
    assert abs(names.count("reset") - 800) < 4 * (4000 * 0.2 * 0.8) ** 0.5


def test_a_fault_can_be_asked_for_by_name_and_by_model() -> None:
    """name=seconds; a plus sign that names no fault belongs to the model."""
    faults = Faults(stall_s=3.0)

    assert faults.parsed("stall") == Fault("stall", 3.0)
    assert faults.parsed("stall=0.5") == Fault("stall", 0.5)
    assert faults.parsed("reset") == Fault("reset", None)
    assert split_model("llama+lora", faults) == ("llama+lora", None)
    assert split_model("llama+lora+reset", faults) == ("llama+lora", Fault("reset", None))
    for wrong in ("", "nonsense", "stall=soon", "stall=-1", "stall=nan"):
        with pytest.raises(ValueError):
            faults.parsed(wrong)


@pytest.mark.parametrize(
    "words",
    [
        ("--fail-reset", "1.5"), ("--fail-reset", "0.6", "--fail-429", "0.6"), ("--profile", "huge"), ("--tokens", "0"),
        ("--gap-ms", "-1"), ("--decode-speed", "0"), ("--noise", "2"), ("--port", "70000"), ("--no-such",),
    ],
)  # fmt: skip
def test_wrong_options_end_with_2_and_name_themselves(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """argparse's exit code, the value or the option in the last line."""
    with pytest.raises(SystemExit) as ended:
        parse(words)

    said = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == 2
    assert words[-1].strip("-") in said or words[0].strip("-").replace("-", "_") in said


def test_options_become_one_frozen_struct() -> None:
    """What is given arrives; what is not is the default."""
    options = parse(["--profile", "small", "--fail-stream-error", "0.1", "--stall-s", "2", "--faults-after", "3"])

    assert options.faults == Faults(shares={"stream-error": 0.1}, after=3, stall_s=2.0)
    assert (options.host, options.port, options.scripted, options.model) == ("127.0.0.1", 0, False, None)
