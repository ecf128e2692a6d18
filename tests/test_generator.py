"""Three lines of Python: a model, an operator, a text."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from backtrack_sampler import (
    AntiSlopStrategy,
    BacktrackError,
    BacktrackSampler,
    ChatPipeline,
    ContextFullError,
    Generator,
    InputError,
    StrategyError,
)
from backtrack_sampler.events import Drawn, Event, Rollback
from backtrack_sampler.operators import Repetition, Step
from backtrack_sampler.testing import FakeProvider

A, B, C, END = range(4)
NEVER = -math.inf


def abc(a: float = 3, b: float = 2, c: float = 1, end: float = NEVER, **options: Any) -> FakeProvider:
    """A model that always finds the same letters as probable."""
    return FakeProvider(["a", "b", "c", ""], lambda tokens: [a, b, c, end], **options)


def test_the_continuation_alone() -> None:
    """generate, a call and stream give the same: the continuation, without the prompt."""
    generator = Generator(abc())
    text = generator.generate("ab", seed=3, max_new_tokens=20)
    assert len(text) == 20
    assert generator("ab", seed=3, max_new_tokens=20) == text
    pieces = list(generator.stream_text("ab", seed=3, max_new_tokens=20))
    assert "".join(pieces) == text
    assert len(pieces) == 20
    assert generator("ab", seed=4, max_new_tokens=20) != text


def test_length() -> None:
    """A hundred tokens where nothing is said; None goes on to the end of the context."""
    assert Generator(abc())("a", temperature=0) == "a" * 100
    assert Generator(abc(context_size=120))("a", temperature=0, max_new_tokens=None) == "a" * 120
    with pytest.raises(ContextFullError):
        Generator(abc(context_size=120))("a", temperature=0, max_new_tokens=None, on_context_full="raise")


def test_operator() -> None:
    """What an operator discards is taken back: no letter more than twice in a row."""
    text = Generator(abc())("c", Repetition(max_repetitions=2), max_new_tokens=30, temperature=0)
    assert len(text) == 30
    assert "aa" in text
    assert not any(letter * 3 in text for letter in "abc")


def test_a_plain_function_is_an_operator() -> None:
    """A function of a step, and it sees the probabilities that were drawn from."""
    seen: list[float] = []

    def no_b(step: Step) -> int:
        seen.append(step.probability)
        return 1 if step.text == "b" else 0

    text = Generator(abc())("a", no_b, max_new_tokens=40, seed=1)
    assert set(text) == {"a", "c"}
    whole = math.exp(3) + math.exp(2) + math.exp(1)
    assert seen[0] == pytest.approx(math.exp({"a": 3, "c": 1}.get(text[0], 2)) / whole)


def test_every_nth_token() -> None:
    """backtrack_every_n lets the operator act on every n-th token only."""

    def no_a(step: Step) -> int:
        return 1 if step.text == "a" else 0

    generator = Generator(abc())
    assert generator("c", no_a, max_new_tokens=12, temperature=0, backtrack_every_n=3) == "aab" * 4
    assert generator("c", no_a, max_new_tokens=12, temperature=0) == "b" * 12


def test_strategy_and_operator() -> None:
    """Both may be given; the strategy is asked first."""
    asked: list[tuple[str, str]] = []

    def listen(event: Event) -> None:
        if isinstance(event, Rollback):
            asked.append((event.who, event.text))

    def no_a_or_b(step: Step) -> int:
        return 1 if step.text in ("a", "b") else 0

    provider = abc()
    text = Generator(provider)(
        "c", no_a_or_b, strategy=AntiSlopStrategy(provider, ["a"]), max_new_tokens=3, temperature=0, on_event=listen
    )
    assert text == "ccc"
    assert asked[:2] == [("AntiSlopStrategy", "a"), ("no_a_or_b", "b")]
    assert (
        Generator(provider)("c", strategy=AntiSlopStrategy(provider, ["a"]), max_new_tokens=3, temperature=0) == "bbb"
    )


@pytest.mark.parametrize("stop", ["b", ["b"], ("cc", "b")])
def test_stop_sequences(stop: str | Sequence[str]) -> None:
    """A string, or several, before which the text ends."""
    generator = Generator(FakeProvider(["a", "ab", ""], lambda tokens: [0, len(tokens) - 3.5, NEVER]))
    assert generator("a", temperature=0, stop_sequences=stop) == "aaaa"
    assert generator.stats.finish_reason == "stop"
    assert len(generator("a", temperature=0, stop_sequences=None)) > 100


def test_options_are_passed_on() -> None:
    """What BacktrackSampler knows besides, such as top_p and on_event."""
    events: list[Event] = []
    text = Generator(abc())("a", top_p=0.5, seed=1, max_new_tokens=20, on_event=events.append)
    assert text == "a" * 20
    assert sum(isinstance(event, Drawn) for event in events) == 20
    with pytest.raises(InputError, match="the prompt alone has 2 tokens"):
        Generator(abc())("ab", max_length=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompt": ""}, "prompt is empty"), ({"prompt": []}, "prompt is empty"), ({"prompt": [0.5]}, "token ids"),
        ({"operator": 5}, "operator must be"), ({"operator": Repetition}, "operator must be"),
        ({"operator": AntiSlopStrategy(abc(), ["a"])}, "pass it as strategy="),
        ({"strategy": 5}, "not a strategy"), ({"strategy": lambda: None}, "no function of one step"),
        ({"strategy": AntiSlopStrategy}, "is a class"), ({"backtrack_every_n": 0}, "backtrack_every_n"),
        ({"backtrack_every_n": 0, "operator": Repetition()}, "backtrack_every_n"),
        ({"max_new_tokens": 0}, "max_new_tokens"), ({"temperature": -1}, "temperature"), ({"top_k": -1}, "top_k"),
        ({"stop_sequences": ""}, "stop"), ({"stop_sequences": [5]}, "stop"), ({"stop": "b", "stop_sequences": "b"}, "the same"),
        ({"prompt": "a" * 20}, "context holds 16"),
    ],
)  # fmt: skip
def test_everything_is_checked_before_the_model_is_asked(arguments: dict[str, Any], message: str) -> None:
    """What cannot be used is one line, from generate and from stream, before anything is evaluated."""
    provider = abc(context_size=16)
    generator = Generator(provider)
    for call in (generator.generate, generator.stream):
        with pytest.raises(InputError, match=message) as raised:
            call(**{"prompt": "a", **arguments})
        assert "\n" not in str(raised.value)
    assert provider.forward_passes == 0


def test_an_operator_that_fails() -> None:
    """An error in an operator names it, and the generator can be used again."""

    def broken(step: Step) -> int:
        raise ZeroDivisionError("no")

    generator = Generator(abc())
    with pytest.raises(StrategyError, match="broken raised ZeroDivisionError: no"):
        generator("a", broken)
    assert generator("a", temperature=0, max_new_tokens=3) == "aaa"


def test_stats() -> None:
    """The costs of the last stream, also while it runs."""
    generator = Generator(abc())
    assert generator.stats.emitted == 0
    stream = generator.stream_text("c", Repetition(max_repetitions=2), max_new_tokens=10, temperature=0)
    next(stream)
    assert 0 < generator.stats.emitted < 10
    list(stream)
    assert generator.stats.emitted == 10
    assert generator.stats.rollbacks > 0
    generator("c", max_new_tokens=3)
    assert (generator.stats.emitted, generator.stats.rollbacks) == (3, 0)


def test_one_stream_at_a_time() -> None:
    """Another stream ends the one before, which says so; operators of the two are kept apart."""
    generator, operator = Generator(abc()), Repetition(max_repetitions=2)
    first = generator.stream_text("c", operator, temperature=0)
    next(first)
    second = generator.stream_text("c", operator, max_new_tokens=9, temperature=0)
    begun = next(second)
    with pytest.raises(BacktrackError, match="another stream"):
        list(first)
    alone = Generator(abc())("c", Repetition(max_repetitions=2), max_new_tokens=9, temperature=0)
    assert begun + "".join(second) == alone


def test_texts_begin_as_the_tokenizer_wants() -> None:
    """With its beginning-of-text token, once, and no end token; token ids as they are; as said where it is said."""

    class Begins(FakeProvider):
        def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
            plain = super().encode(text)
            return [2, *plain, 3] if add_special_tokens else plain

    generator = Generator(Begins(["a", "b", "<s>", "</s>"], eos=-1))
    for prompt, wanted, tokens in [
        ("ab", None, [2, 0, 1]), ("<s>ab", None, [2, 0, 1]), ("ab", False, [0, 1]), ("ab", True, [2, 0, 1, 3]),
        ([0], None, [0]), ("<s>ab", True, [2, 2, 0, 1, 3]),
    ]:  # fmt: skip
        assert generator.stream(prompt, add_special_tokens=wanted).prompt == tokens


def test_signatures_say_what_is_taken() -> None:
    """help() and editors see parameters by name, and so does whoever passes one that is not there."""
    for method in (
        BacktrackSampler.generate, BacktrackSampler.stream_text, BacktrackSampler.generate_text, BacktrackSampler.generate_batch,
        BacktrackSampler.generate_texts, Generator.generate, Generator.stream_text, ChatPipeline.run_turn, ChatPipeline.stream_turn,
    ):  # fmt: skip
        parameters = inspect.signature(method).parameters
        assert {"max_new_tokens", "temperature", "stop", "on_context_full", "on_event"} <= set(parameters)
        assert not any(each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL) for each in parameters.values())
    with pytest.raises(TypeError, match="nonsense"):
        Generator(abc())("a", nonsense=1)


# -- real models ----------------------------------------------------------------------------


@pytest.mark.slow
def test_from_pretrained(smollm_file: Path) -> None:
    """Without a model the embedded one, with what the engine takes."""
    generator = Generator.from_pretrained(n_ctx=64)
    assert generator.provider.context_size == 64
    text = generator("Once upon a time", max_new_tokens=8, seed=1)
    assert text
    assert (
        Generator.from_pretrained(smollm_file, "llamacpp", n_ctx=64)("Once upon a time", max_new_tokens=8, seed=1)
        == text
    )


@pytest.mark.slow
def test_repetition_on_a_real_model(smollm: Any) -> None:
    """A text that repeats one word does not with an operator; then the model writes what it wrote before."""
    generator = Generator(smollm)
    prompt = "ha ha ha ha ha ha ha ha ha ha ha ha"
    # Six: the model wavers later on, and which kernel evaluates it then decides.
    plain = generator(prompt, max_new_tokens=6, temperature=0)
    assert plain == " ha" * 6
    text = generator(prompt, Repetition(max_repetitions=2), max_new_tokens=30, temperature=0)
    assert generator.stats.rollbacks > 0
    assert " ha" * 3 not in text
    assert generator(prompt, max_new_tokens=6, temperature=0) == plain
