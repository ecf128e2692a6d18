"""A trace as a file, with all texts."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streams import broken_off, record, taken_back

from backtrack_sampler import BacktrackSampler, BaseStrategy, InputError, OperatorStrategy, Trace
from backtrack_sampler.testing import FakeProvider
from backtrack_sampler.trace.page import page

SEEDS = st.integers(0, 10**6)
SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def again(trace: Trace, folder: Path) -> Trace:
    """Written and read."""
    trace.to_jsonl(folder / "trace.jsonl")
    return Trace.from_jsonl(folder / "trace.jsonl")


def assert_same(read: Trace, trace: Trace) -> None:
    assert read.events == trace.events
    assert (read.started is None) == (trace.started is None)
    if trace.started is not None:
        assert read.started.options == trace.started.options
        assert [each.name for each in read.started.strategies] == [each.name for each in trace.started.strategies]
    assert (read.text, read.prompt, read.replay()) == (trace.text, trace.prompt, trace.replay())
    assert page(read) == page(trace)


@SHARED_FOLDER
@given(SEEDS, st.sampled_from([(), ("STOP",)]))
def test_round_trip(tmp_path: Path, seed: int, stop: tuple[str, ...]) -> None:
    """What is read has the same events and texts, and gives the same page."""
    trace, _, _ = record(seed, stop=stop)
    read = again(trace, tmp_path)
    assert_same(read, trace)
    assert_same(again(read, tmp_path), trace)


def test_round_trip_of_a_stream_that_was_broken_off(tmp_path: Path) -> None:
    """So has a stream without an end."""
    trace = broken_off()
    assert_same(again(trace, tmp_path), trace)


@pytest.mark.slow
def test_round_trip_on_a_real_model(tmp_path: Path, smollm: Any) -> None:
    """So has one from SmolLM2, and no model is needed to read it."""
    from backtrack_sampler import AntiSlopStrategy, BacktrackSampler

    trace = Trace(smollm, "Once upon a time")
    sampler = BacktrackSampler(smollm, AntiSlopStrategy(smollm, ["the", "was"]))
    sampler.generate_text("Once upon a time", max_new_tokens=30, seed=1, on_event=trace)
    assert_same(again(trace, tmp_path), trace)


def test_a_reader_needs_no_model(tmp_path: Path) -> None:
    """The first line says what it is, with the text and the counts; every token comes with its text."""
    face = "😀".encode()
    trace, text = taken_back(["a", face[:2], face[2:], "b"], [(4, 1)])
    trace.to_jsonl(tmp_path / "trace.jsonl")
    header, *events = map(json.loads, (tmp_path / "trace.jsonl").read_text(encoding="ascii").splitlines())
    started = header.pop("started")
    assert (started["prompt"], started["strategies"]) == ([0], [{"name": "Scripted", "parameters": {}}])
    assert started["options"]["seed"] >= 0
    assert header == {
        "format": "backtrack_sampler trace", "version": 1, "prompt": "a", "text": "a😀", "reason": "end",
        "emitted": 4, "discarded": 1, "rollbacks": 1, "end_tokens": [4], "events": len(trace.events),
    }  # fmt: skip
    assert header["text"] == text
    drawn = [event for event in events if event["event"] == "drawn"]
    assert [event["text"] for event in drawn] == ["a", "", "😀", "b", ""]
    assert [event.get("piece") for event in drawn] == [None, "\ufffd", "\ufffd\ufffd", None, None]
    assert drawn[0]["candidates"][0] == {"token": 0, "text": "a", "probability": drawn[0]["probability"]}
    assert [event["event"] for event in events[-3:]] == ["drawn", "released", "finished"]
    (rollback,) = (event for event in events if event["event"] == "rollback")
    assert rollback == {
        "event": "rollback", "position": 3, "tokens": [3], "text": "b", "who": "Scripted", "why": "scripted",
    }  # fmt: skip


def test_any_parameters(tmp_path: Path) -> None:
    """Parameters may be functions, or hold what can neither be copied nor saved; what is read back has their names."""

    class Odd(BaseStrategy):
        def __init__(self, provider: Any, **parameters: Any) -> None:
            pass

    provider = FakeProvider()
    trace = Trace(provider, "a")
    odd = Odd(provider, lock=threading.Lock(), pairs={("a", 1): 2}, words={"b"}, some=(word for word in "ab"))
    operator = OperatorStrategy(lambda step: 0, retry="resample")
    BacktrackSampler(provider, [odd, operator]).generate_text("a", max_new_tokens=3, on_event=trace)
    read = again(trace, tmp_path)
    assert read.started is not None
    (parameters,) = [each.parameters for each in read.started.strategies if each.name == "Odd"]
    assert parameters["parameters"] == {
        "lock": "<unlocked _thread.lock object>", "pairs": {"('a', 1)": 2}, "words": ["b"],
        "some": "<generator object test_any_parameters.<locals>.<genexpr>>",
    }  # fmt: skip
    assert page(read) == page(trace)


def test_a_trace_from_a_file_cannot_record(tmp_path: Path) -> None:
    """It has no model to ask for texts, and says so."""
    trace = again(taken_back(["a"], [])[0], tmp_path)
    assert trace.started is not None
    with pytest.raises(InputError, match="has no model"):
        trace(trace.started)


# -- broken files ---------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, list[Any]]:
    """A file, and its lines: header, a, b, taken back, a, c, d, end token and what is streamed."""
    trace, _ = taken_back(["a", "b", "c", "d"], [(2, 1)])
    trace.to_jsonl(tmp_path / "trace.jsonl")
    return tmp_path / "trace.jsonl", [json.loads(line) for line in (tmp_path / "trace.jsonl").open()]


def change(number: int, **fields: Any) -> Callable[[list[Any]], Any]:
    return lambda lines: lines[number - 1].update(fields)


def drop(number: int, name: str) -> Callable[[list[Any]], Any]:
    return lambda lines: lines[number - 1].pop(name)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda lines: lines.clear(), "line 1: this is no trace: the file is empty"),
        (change(1, format="other"), "line 1: this is no trace"), (drop(1, "format"), "line 1: format is missing"),
        (change(1, version=2), "line 1: the trace has version 2"), (change(1, text="other"), "line 1: the text is not"),
        (lambda lines: lines.pop(), "line 1: .* the file is cut off"), (change(1, end_tokens=["x"]), "line 1: end_tokens"),
        (change(2, position=1), "line 2: a token is drawn at position 1, but 0 stand"), (drop(2, "token"), "line 2: token"),
        (change(2, probability="x"), "line 2: probability"), (change(2, probability=-1), "line 2: probability"),
        (change(2, probability=float("nan")), "line 2: probability"), (change(2, probability=10**400), "line 2: prob"),
        (change(2, token=True), "line 2: token"), (change(2, candidates=[1]), "line 2, candidate 1: this is no JSON object"),
        (change(2, candidates=[{"token": 1, "probability": 1}]), "line 2, candidate 1: text is missing"),
        (change(3, event="nonsense"), "line 3: there is no event 'nonsense'"), (change(3, event=None), "line 3: event"),
        (change(4, tokens=[2]), "line 4: the tokens that are taken back"), (change(4, tokens=[]), "line 4: the tokens"),
        (change(4, position=99), "line 4: the tokens that are taken back"), (change(4, who=3), "line 4: who"),
        (lambda lines: lines.__setitem__(5, []), "line 6: this is no JSON object"),
        (change(5, tokens=[2]), "line 5: the tokens that are streamed"), (change(5, position=1), "line 5: the tokens"),
        (change(0, reason="boredom"), r"line \d+: the reason must be one of"),
        (lambda lines: lines[0]["started"].update(strategies=[{"name": 3}]), "line 1, strategy 1: name is not"),
        (lambda lines: lines[0]["started"].update(strategies=[{"name": "X", "parameters": []}]), "line 1, strategy 1: parameters"),
        (lambda lines: lines[0]["started"]["options"].update(top_p=7), "line 1: started is not .*: top_p must be"),
        (lambda lines: lines[0]["started"]["options"].update(other=7), "line 1: started is not what it should be"),
        (lambda lines: lines.append(lines[-1]), r"line \d+: something follows the end"),
    ],
)  # fmt: skip
def test_broken_files(saved: tuple[Path, list[Any]], break_it: Callable[[list[Any]], Any], message: str) -> None:
    """A file that is no trace, or does not fit together, is refused in one line that names the place."""
    path, lines = saved
    break_it(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match=rf"trace\.jsonl, {message}") as caught:
        Trace.from_jsonl(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"{", b"\xff\xfe", b"[" * 10**5, b"[" + b"9" * 10**4 + b"]", b"\n", b"\x89PNG\r\n\x1a\n"]
)
def test_files_that_are_something_else(tmp_path: Path, data: bytes) -> None:
    """Whatever is no JSON is said to be none, with its line."""
    (tmp_path / "x.jsonl").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.jsonl, line 1: this is no JSON"):
        Trace.from_jsonl(tmp_path / "x.jsonl")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file and a folder are one line."""
    for path in (tmp_path / "missing.jsonl", tmp_path):
        with pytest.raises(InputError, match="cannot read"):
            Trace.from_jsonl(path)


@SHARED_FOLDER
@given(SEEDS)
def test_any_damage_is_one_line_or_harmless(tmp_path: Path, seed: int) -> None:
    """A file with a few random changes is read, and gives a page, or is refused; nothing else happens."""
    rng = random.Random(seed)
    trace, _, _ = record(seed % 10, tokens=12)
    trace.to_jsonl(tmp_path / "trace.jsonl")
    data = bytearray((tmp_path / "trace.jsonl").read_bytes())
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(data))
        data[place : place + rng.randint(0, 2)] = rng.choice(
            [b"", b"1", b"-", b'"', b"\n", b"{", b"null", b"e99", b"\\u"]
        )
    (tmp_path / "trace.jsonl").write_bytes(data)
    refusal = ""
    try:
        assert page(Trace.from_jsonl(tmp_path / "trace.jsonl"))
    except InputError as error:
        refusal = str(error)
    assert "\n" not in refusal
