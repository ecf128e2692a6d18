"""Operators as strategies: what they see, what is taken back, and that it ends."""

from __future__ import annotations

import copy
import math
import random

import numpy as np
import pytest

from backtrack_sampler import (
    AntiSlopStrategy,
    BacktrackSampler,
    BaseStrategy,
    ChainStrategy,
    InputError,
    OperatorStrategy,
    ReplaceStrategy,
    Rollback,
    RollbackError,
    StrategyError,
)
from backtrack_sampler.discovery import operator_names
from backtrack_sampler.operators import (
    BaseOperator,
    EntropyThreshold,
    HistoryOperator,
    NGramOverlap,
    ProbabilityThreshold,
    Repetition,
    Step,
)
from backtrack_sampler.testing import FakeProvider, check_strategy


class Recorder(HistoryOperator):
    """Remembers each step; discards what it is told to."""

    def __init__(self, judge=lambda steps: 0, lookback: int | None = 0) -> None:
        super().__init__()
        self._judge = judge
        self._lookback = lookback
        self.seen: list[Step] = []

    @property
    def lookback(self) -> int | None:
        return self._lookback

    @property
    def tokens(self) -> list[int]:
        return [step.token for step in self._history]

    def measure(self, step: Step) -> Step:
        self.seen.append(step)
        return step

    def judge(self, history: list[Step]) -> int:
        return self._judge(history)


def constant(*logits: float) -> FakeProvider:
    """A model that always says the same of a, b, c, and never ends."""
    return FakeProvider(["a", "b", "c"], lambda tokens: logits, eos=-1)


def text(provider: FakeProvider, strategy: BaseStrategy, **options) -> str:
    return BacktrackSampler(provider, strategy).generate_text("a", **{"max_new_tokens": 12, **options})


@pytest.mark.parametrize("name", operator_names())
@pytest.mark.parametrize("retry", ["ban", "resample"])
@pytest.mark.parametrize("every", [1, 3])
def test_every_operator_keeps_the_contract(name: str, retry: str, every: int) -> None:
    """Streams end, nothing that was streamed changes, and a reset forgets all, whatever the operator."""
    cls = operator_names()[name]
    check_strategy(lambda provider: OperatorStrategy(cls(), every, retry))


@pytest.mark.parametrize("asks", [1, 2, 5])
@pytest.mark.parametrize("lookback", [None, 0, 3])
def test_any_operator_keeps_the_contract(asks: int, lookback: int | None) -> None:
    """The same for one that discards several tokens, and declares as many, fewer or nothing."""

    def judge(steps: list[Step]) -> int:
        return min(asks, len(steps)) if steps[-1].token == 2 else 0

    check_strategy(lambda provider: OperatorStrategy(Recorder(judge, lookback)))


def test_the_operator_hears_of_every_rollback() -> None:
    """Whoever takes tokens back, the operator's memory is that of the tokens that are left."""

    class GoesBack(BaseStrategy):
        """Goes back by a few tokens at random."""

        def __init__(self, seed: int) -> None:
            self.rng = random.Random(seed)

        def backtrack(self, tokens: list[int]) -> int:
            return self.rng.choice([0, 0, 0, min(3, len(tokens)), 1])

        def pending(self, tokens: list[int]) -> int:
            return len(tokens)

    class Checked(OperatorStrategy):
        def on_next_token(self, tokens, probs) -> None:
            super().on_next_token(tokens, probs)
            assert self.operator.tokens == tokens

        def on_rollback(self, tokens) -> None:
            super().on_rollback(tokens)
            assert self.operator.tokens == tokens

    for seed in range(20):
        recorder = Recorder(lambda steps: 2 * (len(steps) % 5 == 0), lookback=None)
        strategies = [GoesBack(seed), Checked(recorder)]
        sampler = BacktrackSampler(FakeProvider(seed=seed, eos=-1), ChainStrategy(strategies[:: 1 if seed % 2 else -1]))
        stream = list(sampler.generate("a", max_new_tokens=30, seed=seed))
        assert sampler.stats.rollbacks > 3
        assert len(stream) == sampler.stats.emitted


def test_what_an_operator_sees() -> None:
    """Probabilities after temperature and top-k, summing to one; the logit before them; the text."""
    recorder = Recorder()
    text(constant(2.0, 1.0, -1.0), OperatorStrategy(recorder), temperature=2.0, top_k=2, seed=1)
    expected = 1 / (1 + math.exp(-0.5))
    assert {step.token for step in recorder.seen} == {0, 1}
    for step in recorder.seen:
        assert step.candidates == pytest.approx({0: expected, 1: 1 - expected})
        assert step.probability == pytest.approx(step.candidates[step.token])
        assert step.logit == pytest.approx((2.0, 1.0)[step.token])
        assert step.text == "ab"[step.token]


def test_greedy_probabilities_are_the_models_own() -> None:
    """At temperature 0 nothing is scaled."""
    recorder = Recorder()
    text(constant(0.0, math.log(3), -99), OperatorStrategy(recorder), temperature=0)
    assert [step.probability for step in recorder.seen] == pytest.approx([0.75] * 12)


def test_whole_characters() -> None:
    """The text of a step is the characters that it completes, also where one spans tokens."""
    provider = FakeProvider([b"\xc3", b"\xa9", "x"], lambda t: [9 * (len(t) % 2), 9 * (1 - len(t) % 2), 0], eos=-1)
    recorder = Recorder()
    BacktrackSampler(provider, OperatorStrategy(recorder)).generate_text([2], max_new_tokens=4, temperature=0)
    assert [step.text for step in recorder.seen] == ["", "é", "", "é"]


def test_greedy_does_not_draw_the_discarded_token_again() -> None:
    """At temperature 0 a discarded token is banned in its place, and the next best is drawn."""
    events = []
    strategy = OperatorStrategy(Repetition(2))
    written = text(constant(2, 1, 0), strategy, temperature=0, on_event=events.append, max_new_tokens=50)
    assert len(written) == 50
    assert not any(3 * letter in written for letter in "abc")
    rollbacks = [event for event in events if isinstance(event, Rollback)]
    assert {(event.who, event.why) for event in rollbacks} == {("Repetition", "the same token 3 times")}
    assert {len(event.tokens) for event in rollbacks} <= {1, 2, 3}


def test_resample_may_draw_it_again() -> None:
    """Without a ban the same token may come again; the attempts are bounded, and then it stands."""
    strategy = OperatorStrategy(ProbabilityThreshold(0.9), retry="resample", max_retries=3)
    sampler = BacktrackSampler(constant(2, 1, 0), strategy)
    assert sampler.generate_text("a", temperature=0, max_new_tokens=5) == "aaaaa"
    assert sampler.stats.rollbacks == 5 * 4


def test_where_nothing_is_better_the_first_choice_stands() -> None:
    """When all attempts at a place have failed, its bans are lifted: not the worst attempt stands, but the best."""
    strategy = OperatorStrategy(ProbabilityThreshold(0.9), max_retries=2)
    sampler = BacktrackSampler(constant(2, 1, 0), strategy)
    assert sampler.generate_text("a", temperature=0, max_new_tokens=5) == "aaaaa"
    assert sampler.stats.rollbacks == 5 * 3


def test_a_second_attempt_is_judged_on_the_same_grounds() -> None:
    """A ban does not make a second choice look like a first one: its probability is the model's."""
    recorder = Recorder(lambda steps: int(len(steps) == 1 and steps[-1].token == 0))
    text(constant(math.log(8), math.log(2), -99), OperatorStrategy(recorder), temperature=0, max_new_tokens=1)
    assert [(step.token, round(step.probability, 3)) for step in recorder.seen] == [(0, 0.8), (1, 0.2)]


def test_every_n() -> None:
    """With `backtrack_every_n` a judgement counts only at every n-th token, and the operator sees all."""
    events = []
    recorder = Recorder(lambda steps: 1)
    strategy = OperatorStrategy(recorder, backtrack_every_n=4, max_retries=1)
    text(constant(2, 1, 0), strategy, on_event=events.append, max_new_tokens=9)
    assert [event.position for event in events if isinstance(event, Rollback)] == [3, 3, 7, 7]
    assert len(recorder.seen) == 9 + 4


def test_max_discarded() -> None:
    """After so many discarded tokens it only watches."""
    sampler = BacktrackSampler(constant(2, 1, 0), OperatorStrategy(Repetition(1), max_discarded=5))
    sampler.generate_text("a", temperature=0, max_new_tokens=30)
    assert 3 <= sampler.stats.discarded <= 5


def test_more_than_is_held() -> None:
    """Where an operator asks for what was streamed, it gets what is still held."""
    events = []
    recorder = Recorder(lambda steps: 4 if len(steps) == 6 else 0, lookback=1)
    text(constant(2, 1, 0), OperatorStrategy(recorder, max_retries=1), on_event=events.append)
    assert [len(event.tokens) for event in events if isinstance(event, Rollback)] == [2, 2]


def test_an_operator_that_declares_nothing_may_go_back_to_the_beginning() -> None:
    """Without a lookback everything is held until the end, and any number can be taken back."""
    events = []
    asked = iter([6])
    function = lambda step: next(asked, 0) if len(seen) == 6 else (seen.append(step), 0)[1]  # noqa: E731
    seen: list[Step] = []
    text(constant(2, 1, 0), OperatorStrategy(function), on_event=events.append)
    assert [event.position for event in events if isinstance(event, Rollback)] == [1]


def test_in_a_chain_with_antislop() -> None:
    """Phrases stay away, and the operator does its part."""
    provider = FakeProvider(["a", "b", "c", " "], seed=3, eos=-1)
    for seed in range(10):
        chain = ChainStrategy([AntiSlopStrategy(provider, ["ab", "c a"]), OperatorStrategy(NGramOverlap(3))])
        sampler = BacktrackSampler(provider, chain)
        tokens = list(sampler.generate("a", max_new_tokens=25, seed=seed))
        written = provider.decode(tokens)
        assert "ab" not in written
        assert "c a" not in written
        triples = [tuple(tokens[i : i + 3]) for i in range(len(tokens) - 2)]
        assert len(set(triples)) == len(triples) or sampler.stats.finish_reason != "length"


@pytest.mark.parametrize("first", [True, False])
def test_what_another_strategy_puts_in(first: bool) -> None:
    """A text that another strategy puts in stands, on either side of the chain."""
    provider = constant(2, 1, -3)
    recorder = Recorder()
    strategies = [ReplaceStrategy(provider, "b", "cc"), OperatorStrategy(recorder)]
    written = text(provider, ChainStrategy(strategies[:: 1 if first else -1]), seed=2, max_new_tokens=20)
    assert "cc" in written
    assert "b" not in written
    # Behind it the operator sees what was put in; before it, what the model thought of it.
    assert (1.0 in {step.probability for step in recorder.seen if step.token == 2}) == first


def test_top_k_1_is_relaxed() -> None:
    """With top-k 1 the banned token leaves nothing to draw, and the filters are relaxed."""
    written = text(constant(2, 1, 0), OperatorStrategy(Repetition(1)), top_k=1)
    assert len(written) == 12
    assert not any(2 * letter in written for letter in "abc")


def test_whole_vocabulary() -> None:
    """Without top-k, candidates of a large vocabulary are an array, and bans, entropy and shares go on working."""
    import numpy as np

    size = 6000
    base = np.zeros(size, dtype=np.float32)
    base[:3] = 9, 8, 7
    provider = FakeProvider([chr(0x4E00 + i) for i in range(size)], lambda tokens: base.tolist(), eos=-1)
    provider._evaluate = lambda tokens, start: base.copy()  # as an engine would answer
    recorder = Recorder(lambda steps: int(steps[-1].token == 0))
    options = {"temperature": 0, "top_k": 0, "max_new_tokens": 3}
    list(BacktrackSampler(provider, OperatorStrategy(recorder)).generate([5], **options))
    assert [step.token for step in recorder.seen] == [0, 1] * 3
    assert recorder.seen[1].probability == pytest.approx(math.exp(8) / np.exp(base).sum(), rel=1e-3)
    sampler = BacktrackSampler(provider, OperatorStrategy(EntropyThreshold(1.0), max_retries=2))
    list(sampler.generate([5], **options))
    assert sampler.stats.rollbacks > 0


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (-1, StrategyError, "returned -1: return how many tokens to take back"),
        (1.0, StrategyError, r"returned 1\.0"),
        (None, StrategyError, "returned None"),
        ("x", StrategyError, "returned 'x'"),
    ],
)
def test_operators_that_answer_nonsense(answer: object, error: type[Exception], message: str) -> None:
    """One line that names the operator; the provider and the sampler stay usable."""

    def odd(step: Step) -> object:
        return answer

    provider = constant(2, 1, 0)
    sampler = BacktrackSampler(provider, OperatorStrategy(odd))
    with pytest.raises(error, match=f"operator odd {message}"):
        sampler.generate_text("a", max_new_tokens=5)
    assert len(text(provider, OperatorStrategy(Repetition()))) == 12


def test_an_operator_that_wants_more_than_there_is() -> None:
    """One that counts for itself is told; a plain function, which cannot, gets what there is."""

    class Greedy(BaseOperator):
        def __call__(self, step: Step) -> int:
            return 9

    with pytest.raises(RollbackError, match="Greedy.* asked for 9 tokens back, but there are only 1"):
        text(constant(2, 1, 0), OperatorStrategy(Greedy()))
    text(constant(2, 1, 0), OperatorStrategy(lambda step: 9))


def test_an_operator_that_raises() -> None:
    """Its error is one line with its name."""

    def broken(step: Step) -> int:
        raise KeyError("no such thing")

    with pytest.raises(StrategyError, match="operator broken raised KeyError: 'no such thing'"):
        text(constant(2, 1, 0), OperatorStrategy(broken))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"operator": "repetition"}, "operator must be an operator or a function of a step, not 'repetition'"),
        ({"operator": Repetition}, "operator must be"),
        ({"operator": Repetition(), "backtrack_every_n": 0}, "backtrack_every_n must be a whole number"),
        ({"operator": Repetition(), "retry": "again"}, "retry must be 'ban' or 'resample'"),
        ({"operator": Repetition(), "max_retries": 0}, "max_retries must be"),
        ({"operator": Repetition(), "max_discarded": -1}, "max_discarded must be"),
    ],
)
def test_parameters_that_make_no_sense(arguments: dict[str, object], message: str) -> None:
    """Refused when it is made."""
    with pytest.raises(InputError, match=message):
        OperatorStrategy(**arguments)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["smollm", "smollm_transformers"])
def test_on_real_models(engine: str, request: pytest.FixtureRequest) -> None:
    """Greedy SmolLM2 repeats itself; with an operator on sequences of four tokens it does not, on both engines."""
    provider = request.getfixturevalue(engine)
    prompt = provider.chat_prompt(
        [{"role": "user", "content": "Tell me a short tale of a dragon who is afraid of heights."}]
    )

    def repeated(strategy: BaseStrategy | None) -> tuple[int, BacktrackSampler]:
        sampler = BacktrackSampler(provider, strategy)
        tokens = list(sampler.generate(prompt, temperature=0, max_new_tokens=100))
        fours = [tuple(tokens[i : i + 4]) for i in range(len(tokens) - 3)]
        return len(fours) - len(set(fours)), sampler

    plain, _ = repeated(None)
    assert plain > 3
    operator = NGramOverlap()
    mended, sampler = repeated(OperatorStrategy(operator))
    assert mended == 0
    assert sampler.stats.rollbacks > 0
    # What was taken back was the token just drawn, which no model had to evaluate; the prompt's logits are remembered.
    assert sampler.stats.forward_passes == sampler.stats.emitted - 1
    assert copy.deepcopy(operator)._history == []  # the stream is over, and nothing is left of it


def test_failed_attempts_are_forgotten_with_the_text_before_them() -> None:
    """After "ab" an attempt has failed; its own rollback to "a" forgets that, and after "ae" the first one counts anew."""
    plan = {"abc": [1], "abd": [2], "aec": [1]}
    likes = {"": "a", "a": "be", "ab": "cd", "ae": "cd"}

    def judge(steps: list[Step]) -> int:
        counts = plan.get("".join(step.text for step in steps))
        return counts.pop(0) if counts else 0

    def logits(tokens: list[int]) -> list[float]:
        row = [-9.0] * 5
        for rank, letter in enumerate(likes["".join("abcde"[token] for token in tokens[1:])]):
            row["abcde".index(letter)] = -rank
        return row

    strategy = OperatorStrategy(Recorder(judge, lookback=None), max_retries=1)
    assert text(FakeProvider("abcde", logits, eos=-1), strategy, temperature=0, max_new_tokens=3) == "aed"


def test_what_a_later_strategy_does_to_a_whole_vocabulary() -> None:
    """An operator judges what the model said, with few candidates and with many."""
    found = []

    class Fewer(BaseStrategy):
        def on_probs(self, probs, tokens):
            del probs[next(iter(probs))]
            return probs

    for size in (100, 5000):
        recorder = Recorder()
        base = np.full(size, -30, dtype=np.float32)
        base[:2] = 5, 2
        provider = FakeProvider([f" {n}" for n in range(size)], lambda tokens: base.tolist(), eos=-1)  # noqa: B023
        provider._evaluate = lambda tokens, start: base.copy()  # noqa: B023  # as an engine would answer
        sampler = BacktrackSampler(provider, [OperatorStrategy(recorder), Fewer()])
        sampler.generate_text([1], max_new_tokens=2, top_k=0, temperature=1, seed=1)
        found.append([step.probability for step in recorder.seen])
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert max(found[0]) < 0.1


def test_each_stream_has_its_own_budget() -> None:
    """What one stream has used up is there again for the next."""
    provider = constant(0.0, 0.0)
    strategy = OperatorStrategy(Recorder(lambda steps: 1), max_discarded=2, retry="resample")
    sampler = BacktrackSampler(provider, strategy)
    for _ in range(2):
        list(sampler.generate([0], max_new_tokens=3))
        assert sampler.stats.discarded == 2


def test_a_forced_token_is_certain_for_an_operator() -> None:
    """Its share is one."""

    class Forces(BaseStrategy):
        def on_probs(self, probs, tokens):
            return {1: math.inf}

    recorder = Recorder()
    sampler = BacktrackSampler(constant(0.0, 0.0), [OperatorStrategy(recorder), Forces()])
    list(sampler.generate([0], max_new_tokens=1, top_k=1))
    assert [step.probability for step in recorder.seen] == [1.0]
