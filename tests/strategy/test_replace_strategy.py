"""Replace."""

from __future__ import annotations

import math

import pytest

from backtrack_sampler import (
    AntiSlopStrategy,
    BacktrackSampler,
    BaseStrategy,
    ChainStrategy,
    InputError,
    ReplaceStrategy,
    Rollback,
)
from backtrack_sampler.options import SessionOptions
from backtrack_sampler.strategy.base_strategy import Stream
from backtrack_sampler.testing import FakeProvider

WORDS = ["a", ". So", " on", " But", " wait", ".", " so", " S", "o", "<end>", ""]


def run(strategy, spelled: list[str], limit: int = 12, provider=None) -> str:
    """Greedy text that follows `spelled` by position."""
    provider = provider or make(spelled)
    return BacktrackSampler(provider, strategy(provider)).generate_text("a", temperature=0, max_new_tokens=limit)


def make(spelled: list[str]) -> FakeProvider:
    order = [WORDS.index(word) for word in spelled] + [len(WORDS) - 1]

    def logits(tokens: list[int]) -> list[float]:
        wanted = order[min(len(tokens) - 1, len(order) - 1)]
        return [5.0 if token == wanted else -float(token) for token in range(len(WORDS))]

    return FakeProvider(WORDS, logits)


def test_found_text_is_replaced() -> None:
    """The text is taken back and the other forced; a part of its token before it is kept."""
    assert run(lambda p: ReplaceStrategy(p, " So", " But wait"), ["a", ". So", " on"]) == "a. But wait"


def test_across_tokens() -> None:
    """The text is found however it is tokenised."""
    assert run(lambda p: ReplaceStrategy(p, " So", " But"), ["a", " S", "o", " on"]) == "a Buto on"


BYTES = [
    b"a", b"\xc3", b"\xa9X", b"X", b"\xe2\x80", b"\x99a\xc3", b"\xff", b"\xa9\xe2", b"\x80\x99Z", b"Z",
    *("Y", "\u00e9", "\u2019", "\ufffd", ""),
]  # fmt: skip


def replaced(pieces: list[bytes], find: str, **options) -> tuple[str, str]:
    """The text without and with a replacement by Y, where the model wants just these pieces after the prompt "a"."""
    wanted = [*map(BYTES.index, [b"a", *pieces])]

    def logits(tokens: list[int]) -> list[float]:
        row = [0.0] * len(BYTES)
        row[wanted[len(tokens)] if tokens == wanted[: len(tokens)] != wanted else len(BYTES) - 1] = 5.0
        return row

    provider = FakeProvider(BYTES, logits)
    texts = [
        BacktrackSampler(provider, strategy).generate_text("a", temperature=0, max_new_tokens=9)
        for strategy in (BaseStrategy(), ReplaceStrategy(provider, find, "Y", **options))
    ]
    return texts[0], texts[1]


def test_characters_before_the_found_text_stay_whole() -> None:
    """Where its token ends a character, that one stays, also where the token it begins in ends another."""
    assert replaced([b"\xc3", b"\xa9X"], "X") == ("\u00e9X", "\u00e9Y")
    assert replaced([b"\xe2\x80", b"\x99a\xc3", b"\xa9X"], "X") == ("\u2019a\u00e9X", "\u2019a\u00e9Y")
    # The found text itself begins with a part of a character.
    assert replaced([b"\xc3", b"\xa9\xe2", b"\x80\x99Z"], "\u2019Z") == ("\u00e9\u2019Z", "\u00e9Y")


def test_such_a_character_is_pending_until_the_text_is_decided() -> None:
    """It can still be taken back when the found text ends tokens later, and where it begins in the skipped ones."""
    assert replaced([b"\xc3", b"\xa9X", b"Z"], "XZ") == ("\u00e9XZ", "\u00e9Y")
    assert replaced([b"\xc3", b"\xa9X"], "X", skip_tokens=1) == ("\u00e9X", "\u00e9Y")
    assert replaced([b"\xc3", b"\xa9X"], "X", skip_tokens=2) == ("\u00e9X", "\u00e9X")


class DropsTheFirstSpace(FakeProvider):
    """Decodes as SentencePiece does."""

    def decode(self, tokens) -> str:
        return super().decode(tokens).removeprefix(" ")


def test_the_first_word_has_its_space() -> None:
    """Also with a tokenizer that drops the first space that it decodes: the prompt stands before it."""
    provider = DropsTheFirstSpace(["a", " b", "Y", ""], lambda tokens: [0.0, 1.0, 0.0, -9.0])
    sampler = BacktrackSampler(provider, ReplaceStrategy(provider, " b", "Y"))
    assert sampler.generate_text("a", temperature=0, max_new_tokens=2) == "YY"


def test_bytes_that_are_no_character_stay_where_they_are() -> None:
    """Before the found text, in tokens of their own or together with a whole character."""
    assert replaced([b"\xff", b"X"], "X") == ("\ufffdX", "\ufffdY")
    assert replaced([b"\xff", b"\xff", b"X"], "X") == ("\ufffd\ufffdX", "\ufffd\ufffdY")
    assert replaced([b"\xff", b"\xc3", b"\xa9X"], "X") == ("\ufffd\u00e9X", "\ufffd\u00e9Y")


def test_what_was_put_in_is_not_searched() -> None:
    """A replacement that contains what it replaces ends."""
    text = run(lambda p: ReplaceStrategy(p, ".", ". But wait."), ["a", ".", " on", " on", " on", " on"])
    assert text.count("But wait") == 1


def test_max_replacements() -> None:
    """At most so often in a stream."""
    spelled = [" so", " so", " so", " so"]
    assert run(lambda p: ReplaceStrategy(p, " so", " on", max_replacements=2), spelled) == " on on so so"


def test_where_it_applies() -> None:
    """Only after `skip_tokens`, and only in the first `max_new_tokens_for_replace` tokens."""
    spelled = [" so", " so", " so", " so"]
    strategy = lambda p: ReplaceStrategy(p, " so", " on", skip_tokens=1, max_new_tokens_for_replace=3)  # noqa: E731
    assert run(strategy, spelled) == " so on on so"


def test_max_prob() -> None:
    """Only where the found text's first token was not too probable; what another strategy forces is certain."""
    even = FakeProvider(WORDS, lambda tokens: [0.1 * (token == 6) for token in range(len(WORDS))], eos=-1)
    few = BacktrackSampler(even, ReplaceStrategy(even, " so", " on", max_prob=0.2))
    assert few.generate_text("a", temperature=0, max_new_tokens=2) == " on on"

    class Forces(BaseStrategy):
        def on_probs(self, probs, tokens):
            return {6: math.inf}

    for most, text in ((1, " on"), (0.9, " so")):
        forced = BacktrackSampler(even, [Forces(), ReplaceStrategy(even, " so", " on", max_prob=most)])
        assert forced.generate_text("a", temperature=0, max_new_tokens=1) == text
    spelled = [" so"]
    assert run(lambda p: ReplaceStrategy(p, " so", " on", max_prob=0.5), spelled) == " so"
    assert run(lambda p: ReplaceStrategy(p, " so", " on", max_prob=1), spelled) == " on"


def test_replaced_by_nothing() -> None:
    """An empty replacement takes the text back, once, and draws the next best there."""
    provider, events = make([" so", " on"]), []
    sampler = BacktrackSampler(provider, ReplaceStrategy(provider, " so", ""))
    assert sampler.generate_text("a", temperature=0, max_new_tokens=2, on_event=events.append) == "a on"
    assert [event.why for event in events if isinstance(event, Rollback)] == ["replaced by ''"]


def test_a_special_token() -> None:
    """A text that is one token without a text of its own, such as an end-of-thought marker, is found by its id."""
    words = ["a", b"", " think", " on", ""]
    spelled = [2, 1, 3, 4, 4]
    provider = FakeProvider(
        words,
        lambda t: [5.0 if n == spelled[min(len(t) - 1, 4)] else 0.0 for n in range(5)],
        special_tokens={1: "</think>"},
    )
    assert run(lambda p: ReplaceStrategy(p, "</think>", " on think"), [], provider=provider) == " think on think"


def test_the_end_token_can_be_replaced() -> None:
    """Replacing the end token makes the model go on: the end is decided after the rollback."""
    provider = FakeProvider(["a", " b", " on", ""], lambda t: [0.0, 1.0, 0.0, 9.0], special_tokens={3: "<end>"})
    text = run(lambda p: ReplaceStrategy(p, "<end>", " on", max_replacements=2), [], provider=provider)
    assert text == " on on"


def test_two_in_a_chain() -> None:
    """The seed's example: two replacements one after the other in a chain."""
    chain = lambda p: ChainStrategy([  # noqa: E731
        ReplaceStrategy(p, find=[" So", " so"], replace=" on", max_replacements=1),
        ReplaceStrategy(p, find=[" so"], replace=" wait", skip_tokens=2),
    ])  # fmt: skip
    assert run(chain, [" so", " so", " so"]) == " on so wait"


def test_another_strategy_may_take_a_replacement_back() -> None:
    """Anti-slop in the same chain wins over what was put in, and the stream ends."""
    chain = lambda p: ChainStrategy([AntiSlopStrategy(p, [" wait"]), ReplaceStrategy(p, " so", " wait")])  # noqa: E731
    assert " wait" not in run(chain, [" so", " on"])


@pytest.mark.parametrize(("find", "replace"), [([], "x"), ("", "x"), ([""], "x"), ("x", None)])
def test_bad_parameters(find, replace) -> None:
    """One clear line each."""
    with pytest.raises(InputError, match="find|replace"):
        ReplaceStrategy(FakeProvider(), find, replace)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["smollm", "smollm_transformers"])
def test_on_real_models(engine: str, request: pytest.FixtureRequest) -> None:
    """The found words are gone and the replacement is there, on both engines."""
    model = request.getfixturevalue(engine)
    strategy = ReplaceStrategy(model, find=[" the", " a"], replace=" that very", max_replacements=2)
    text = BacktrackSampler(model, strategy).generate_text("Once upon a time", max_new_tokens=40, seed=3)
    assert " that very" in text


def test_a_replacement_the_session_refuses_is_not_put_in() -> None:
    """With the budget used up and "accept", the found text stands and nothing of the other follows it."""
    provider = make(["a", " so", " on", " on"])
    sampler = BacktrackSampler(provider, ReplaceStrategy(provider, " so", " wait wait"))
    options = {"temperature": 0, "max_new_tokens": 4, "max_discarded": 0, "on_exhausted": "accept"}
    assert sampler.generate_text("a", **options) == "a so on on"


def test_a_probability_above_one_is_still_a_probability() -> None:
    """Weights that another strategy has scaled do not keep the replacement from happening."""

    class Scales(BaseStrategy):
        def on_probs(self, probs, tokens):
            return {token: 1000 * p for token, p in probs.items()}

    assert run(lambda p: ChainStrategy([Scales(), ReplaceStrategy(p, " so", " on")]), [" so"]) == " on"


def test_a_replacement_partly_taken_back_frees_its_place() -> None:
    """What another strategy took back of it does not block later matches."""
    chain = lambda p: ChainStrategy([AntiSlopStrategy(p, [" wait wait"]), ReplaceStrategy(p, " so", " on wait wait")])  # noqa: E731
    text = run(chain, [" so", " on", ".", " so"])
    assert " so" not in text


class TakesBack(BaseStrategy):
    """Takes so many tokens back after "ccc", the first time; then wants a letter, once, as the next token."""

    def __init__(self, count: int, then: int) -> None:
        self.asks, self.then, self.waits = [count], then, False

    def on_probs(self, probs, tokens):
        if not self.waits:
            return probs
        self.waits = False
        return {self.then: 1.0}

    def backtrack(self, tokens):
        if tokens != [2, 2, 2] or not self.asks:
            return 0
        self.waits = True
        return self.asks.pop()

    def pending(self, tokens):
        return len(tokens)


def interrupted(count: int, then: str, **options) -> str:
    """b is replaced by ccc, another strategy takes the end of that back and writes `then`; the model wants b at first, then a."""
    provider = FakeProvider("abc", lambda tokens: [1.0, 9.0 * (len(tokens) == 1), 0.0], eos=-1)
    chain = [TakesBack(count, "abc".index(then)), ReplaceStrategy(provider, "b", "ccc", **options)]
    return BacktrackSampler(provider, chain).generate_text("a", temperature=0, max_new_tokens=4)


def test_what_is_taken_back_of_a_replacement_is_void() -> None:
    """Another strategy takes the end of what was put in back: what is written there instead stands, or is searched."""
    assert interrupted(2, "a", max_replacements=1) == "caaa"
    assert interrupted(2, "b", max_replacements=2) == "cccc"


def test_a_replacement_that_is_taken_back_whole_does_not_count() -> None:
    """It can be made again, though `max_replacements` says once."""
    assert interrupted(3, "b", max_replacements=1) == "ccca"


def pending(tokens: str, **options) -> list[int]:
    """How many tokens are pending after each of these, where "aba" is to be replaced."""
    provider = FakeProvider("abc", eos=-1)
    strategy = ReplaceStrategy(provider, "aba", "c", **options)
    strategy.reset()
    strategy.on_start(Stream((2,), provider.decode, SessionOptions(), lambda token: 0.0))
    ids, found = [], []
    for token in map("abc".index, tokens):
        ids.append(token)
        strategy.on_next_token(ids, {token: 1.0})
        found.append(strategy.pending(ids))
    return found


def test_only_what_may_be_replaced_is_pending() -> None:
    """The beginning of a text is; not where it would be left alone anyway, nor when all replacements are made."""
    assert pending("cabcca") == [0, 1, 2, 0, 0, 1]
    assert pending("ab", max_replacements=0) == [0, 0]
    assert pending("cab", max_new_tokens_for_replace=1) == [0, 0, 0]
    assert pending("cab", max_new_tokens_for_replace=2) == [0, 1, 2]
    assert pending("abab", skip_tokens=2) == [0, 0, 1, 2]


def test_removing_keeps_the_filters() -> None:
    """Where a text is only to be left out, what is drawn instead is the next best, with top-k 1 as well."""
    provider = FakeProvider(["", "b", "c", "d", "e"], lambda tokens: [-9.0, 5.0, 4.0, 3.9, 3.8], eos=0)
    for seed in range(5):
        sampler = BacktrackSampler(provider, ReplaceStrategy(provider, "b", ""))
        assert sampler.generate_text([2], max_new_tokens=3, top_k=1, seed=seed) == "ccc"
