"""Writing what is to be compared."""

from __future__ import annotations

import math
from typing import Any

import pytest

from backtrack_sampler import AntiSlopStrategy, BacktrackSampler, BaseStrategy, InputError, StrategyError
from backtrack_sampler.compare import Text, compare, comparing
from backtrack_sampler.compare.recorder import Record
from backtrack_sampler.testing import FakeProvider

PROMPTS = ["a", "b c", "ab", "c"]


class Fails(BaseStrategy):
    """Fails at its third token."""

    def on_next_token(self, tokens: list[int], probs: Any) -> None:
        if len(tokens) == 3:
            raise LookupError("the third")


def antislop(provider: FakeProvider) -> Any:
    return lambda: AntiSlopStrategy(provider, ["b", "c "])


def test_the_texts_are_those_of_the_sampler() -> None:
    """Each text is what `generate_batch` gives alone for all prompts, with `n`, the first seed and the same strategy."""
    provider = FakeProvider()
    found = compare(
        provider, PROMPTS, {"mine": antislop(provider)}, 3, seed=7, max_batch=4, max_new_tokens=12, temperature=1.5
    )
    assert found.complete
    assert found.contenders == ["none", "mine"]
    for name, make in (("none", None), ("mine", antislop(provider))):
        batch = BacktrackSampler(provider).generate_batch(
            PROMPTS, make, n=3, seeds=7, max_new_tokens=12, temperature=1.5
        )
        assert [text.text for text in found.of(name)] == batch.texts()
        for text, row in zip(found.of(name), batch.rows, strict=True):
            assert (text.prompt, text.seed) == (row.index // 3, 7 + row.index)
            stats = row.stats
            assert (text.tokens, text.discarded, text.rollbacks) == (stats.emitted, stats.discarded, stats.rollbacks)
            assert text.finish_reason == stats.finish_reason
    assert sum(text.rollbacks for text in found.of("mine")) > 5
    order = [(text.prompt, text.seed, text.contender) for text in found.texts]
    assert order == [(i, 7 + 3 * i + j, name) for i in range(4) for j in range(3) for name in found.contenders]


def test_nobody_profits_from_another() -> None:
    """A contender that does what the baseline does costs what the baseline costs: nothing is left in the model's memory."""
    provider = FakeProvider()
    found = compare(
        provider, PROMPTS, {"same": lambda: None, "too": lambda: BaseStrategy()}, 2, max_batch=4, max_new_tokens=10
    )
    costs = [found.costs[name] for name in found.contenders]
    assert len({(cost.forward_passes, cost.evaluated_tokens, cost.emitted) for cost in costs}) == 1
    assert costs[0].evaluated_tokens > sum(text.tokens for text in found.of("none"))
    assert [text.text for text in found.of("same")] == [text.text for text in found.of("none")]
    assert found.changed("same") == found.changed("too") == 0
    assert found.total.evaluated_tokens == 3 * costs[0].evaluated_tokens


def test_costs_are_of_all_batches() -> None:
    """What the batches of a contender have cost is added up; speed counts what was kept."""
    provider = FakeProvider()
    found = compare(provider, PROMPTS, {"mine": antislop(provider)}, 2, max_batch=2, max_new_tokens=10)
    for name in found.contenders:
        cost, texts = found.costs[name], found.of(name)
        assert cost.emitted == sum(text.tokens for text in texts)
        assert cost.discarded == sum(text.discarded for text in texts)
        assert cost.seconds > 0


def test_what_notes_take_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that the log-probabilities take is none of the contender's."""

    class Slow(Record):
        def __init__(self) -> None:
            super().__init__()
            self.seconds = 1000.0

    monkeypatch.setattr("backtrack_sampler.compare.run.Record", Slow)
    found = compare(FakeProvider(), ["a"], {"x": lambda: None}, 1, max_new_tokens=2)
    assert all(cost.seconds < -900 for cost in found.costs.values())


def test_turns_change() -> None:
    """The contenders write the same prompts one after the other, and each is the first of them in turn."""
    written: list[Text] = []
    provider = FakeProvider()
    compare(provider, PROMPTS, {"x": lambda: None}, 2, max_batch=2, max_new_tokens=3, on_text=written.append)
    turns = [(text.prompt, text.contender) for text in written[::2]]
    assert turns == [
        (0, "none"), (0, "x"), (1, "x"), (1, "none"), (2, "none"), (2, "x"), (3, "x"), (3, "none")
    ]  # fmt: skip


def test_more_seeds_than_fit() -> None:
    """More seeds than --max-batch run one after the other, a prompt at a time."""
    provider = FakeProvider()
    found = compare(provider, ["a", "b"], {"x": lambda: None}, 5, max_batch=2, max_new_tokens=3)
    assert len(found.of("x")) == 10
    assert len({text.seed for text in found.of("x")}) == 10


def test_it_grows_step_by_step() -> None:
    """What was yielded is whole at any time: all contenders of so many prompts."""
    provider = FakeProvider()
    steps = comparing(provider, PROMPTS, {"x": lambda: None}, 2, max_batch=4, max_new_tokens=3)
    done = []
    for found in steps:
        done.append(found.done)
        assert len(found.texts) == found.done * 2 * 2
        assert found.complete is (found.done == 4)
        assert str(found)  # can be shown at any time
    assert done == [0, 2, 4]


def test_one_that_ends_in_between_leaves_what_it_had() -> None:
    """An error in the middle of a turn leaves the comparison as it was before."""
    provider = FakeProvider()

    def stop(text: Text) -> None:
        if text.prompt == 1 and text.contender == "none":
            raise KeyboardInterrupt

    steps = comparing(provider, PROMPTS, {"x": lambda: None}, 2, max_batch=2, max_new_tokens=3, on_text=stop)
    found = next(steps)
    with pytest.raises(KeyboardInterrupt):
        list(steps)
    assert found.done == 1
    assert len(found.of("x")) == len(found.of("none")) == 2


def test_texts_that_fail() -> None:
    """A text that fails is there with its error, counts nowhere, and takes nobody with it."""
    provider = FakeProvider()
    found = compare(provider, PROMPTS, {"fails": Fails, "x": lambda: None}, 2, max_new_tokens=5)
    errors = [text for text in found.texts if text.error]
    assert 0 < len(errors) == found.failed
    assert {text.contender for text in errors} == {"fails"}
    assert "LookupError: the third" in errors[0].error
    assert len(found.of("fails")) == 8 - len(errors)
    assert found.reasons("fails")["error"] == len(errors)
    assert sum(map(len, found.pairs("fails"))) == 8 - len(errors)
    assert "failed" in str(found)
    short = compare(provider, PROMPTS, {"x": lambda: None}, 2, max_new_tokens=2).of("none")  # all that it has streamed
    worth = {text.seed: text.log_probability for text in short}
    assert all(text.log_probability == pytest.approx(worth[text.seed]) for text in errors)
    assert str(compare(provider, ["a"], {"fails": Fails}, 1, max_new_tokens=5, temperature=0))


def test_phrases_are_those_given() -> None:
    """Phrases of the list are counted where they stand as whole words; without one it is the built-in list."""
    provider = FakeProvider([" delve", " delved", " tapestry of", " a"])
    found = compare(provider, [[0]], {"x": lambda: None}, 3, max_new_tokens=12)
    assert any(text.phrases for text in found.texts)
    assert found.built_in
    own = compare(provider, [[0]], {"x": lambda: None}, 3, max_new_tokens=12, phrases=["delve"])
    for text in own.texts:
        assert text.phrases == text.text.split().count("delve")
        assert all(text.text[start:end] == "delve" for start, end in text.places)
    assert not own.built_in


def test_settings_tell_how_it_was_written() -> None:
    """Model, seeds and everything about drawing, with what nobody has said; a random first seed is told."""
    provider = FakeProvider()
    provider.model_name = "fake"
    found = compare(provider, ["a"], {"x": lambda: None}, 1, max_new_tokens=3, top_p=0.9, stop="b")
    expected = {
        "model": "fake", "seeds": 1, "seed": 0, "max_batch": 16, "max_new_tokens": 3, "temperature": 1.0, "top_k": 50,
        "top_p": 0.9, "min_p": None, "stop": "b", "max_retries": 100, "max_discarded": None, "on_exhausted": "stop",
        "on_context_full": "stop",
    }  # fmt: skip
    assert found.settings == expected
    seeds = {
        compare(provider, ["a"], {"x": lambda: None}, 1, seed=-1, max_new_tokens=1).settings["seed"] for _ in range(3)
    }
    assert len(seeds) == 3


def test_prompts_may_be_tokens() -> None:
    """Token ids are shown as their text."""
    provider = FakeProvider()
    found = compare(provider, [[0, 1]], {"x": lambda: None}, 1, max_new_tokens=2)
    assert found.prompts == ["ab"]


def test_measures_of_a_text() -> None:
    """Repetition is of its tokens without an end token, words are counted, and the log-probability is the mean of its tokens."""
    provider = FakeProvider(["a ", ""], lambda tokens: [0.0, 2.0 if len(tokens) > 10 else -20.0])
    found = compare(provider, ["a "], {"x": lambda: None}, 1, max_new_tokens=50, temperature=0)
    (text, _) = found.texts
    assert (text.tokens, text.words, text.finish_reason) == (11, 10, "end")
    assert text.repeated == 6 / 7
    assert text.log_probability == pytest.approx(-math.log(1 + math.exp(-2)) / 11, rel=1e-3)


def test_what_cannot_be_compared() -> None:
    """Whatever is wrong is said before anything is evaluated."""
    provider = FakeProvider()

    def refused(
        prompts: Any = ("a",), contenders: Any = None, error: type[Exception] = InputError, **options: Any
    ) -> str:
        with pytest.raises(error) as caught:
            compare(provider, prompts, {"x": lambda: None} if contenders is None else contenders, **options)
        return str(caught.value)

    assert "one at least" in refused([])
    assert "prompt 1: the prompt is empty" in refused(["a", ""])
    assert "list of prompts" in refused("a")
    assert "contenders must be names" in refused(contenders={})
    assert "contenders must be names" in refused(contenders=[Fails])
    assert "cannot be called 'none'" in refused(contenders={"none": Fails})
    assert "cannot be called ' '" in refused(contenders={" ": Fails})
    assert "lambda: AntiSlopStrategy(...)" in refused(contenders={"x": lambda: None, "y": AntiSlopStrategy})
    assert "pass a function that makes one" in refused(contenders={"y": Fails()})
    assert "seeds must be" in refused(seeds=0)
    assert "max_batch must be" in refused(max_batch=0)
    assert "temperature" in refused(temperature=-1)
    assert "list of texts" in refused(phrases="delve")
    assert "ValueError: broken" in refused(contenders={"x": _broken}, error=StrategyError)
    assert provider.forward_passes == 0


def _broken() -> None:
    raise ValueError("broken")


@pytest.mark.slow
def test_a_real_model(smollm: Any) -> None:
    """SmolLM2 with two contenders: what is banned is found with none and not with anti-slop, and the model finds its own words likelier."""
    phrases = ["the", "a", "and"]
    found = compare(
        smollm, ["Once upon a time", "The door opened and"],
        {"antislop": lambda: AntiSlopStrategy(smollm, phrases, whole_words=True), "same": lambda: None},
        2, max_new_tokens=20, phrases=phrases, top_k=0,
    )  # fmt: skip
    assert sum(text.phrases for text in found.of("none")) > 3
    assert not any(text.phrases for text in found.of("antislop"))
    assert found.changed("same") == 0
    assert found.costs["same"].forward_passes == found.costs["none"].forward_passes
    assert all(-9 < text.log_probability < -0.3 for text in found.texts)
