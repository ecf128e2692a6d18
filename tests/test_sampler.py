"""BacktrackSampler, on fakes for speed and faults, and on real models."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrack_sampler import (
    AntiSlopStrategy,
    BacktrackError,
    BacktrackSampler,
    BaseStrategy,
    ChainStrategy,
    ContextFullError,
    CreativeWritingStrategy,
    ExhaustedError,
    InputError,
    ModelError,
    StrategyError,
)
from backtrack_sampler.events import Drawn
from backtrack_sampler.strategy.base_strategy import Candidates
from backtrack_sampler.testing import FakeProvider

WORDS = ["a", "b", "ab", " ", "c", "stop", ""]


def greedy(*texts: str):
    """Logits that spell these tokens one after the other, then the end."""
    order = [WORDS.index(text) for text in texts] + [len(WORDS) - 1]

    def logits(tokens: list[int]) -> list[float]:
        wanted = order[min(len(tokens) - 1, len(order) - 1)]
        return [5.0 if token == wanted else float(-token) for token in range(len(WORDS))]

    return FakeProvider(WORDS, logits)


def test_generate_yields_ints_and_counts() -> None:
    """Token ids one at a time; statistics while it runs and afterwards."""
    provider = greedy("a", "b", "c")
    sampler = BacktrackSampler(provider)
    tokens = list(sampler.generate("a", temperature=0))
    assert [provider.decode([t]) for t in tokens] == ["a", "b", "c", ""]
    stats = sampler.stats
    assert (stats.emitted, stats.discarded, stats.rollbacks) == (4, 0, 0)
    assert stats.forward_passes == stats.drawn == 4
    assert stats.evaluated_tokens == 4
    assert stats.finish_reason == "end"
    assert stats.seconds > 0


def test_text() -> None:
    """generate_text is stream_text joined; stop strings are cut to the character."""
    sampler = BacktrackSampler(greedy("a", "stop", "c"))
    assert sampler.generate_text("a", temperature=0) == "astopc"
    assert sampler.generate_text("a", temperature=0, stop="op") == "ast"
    assert list(sampler.stream_text("a", temperature=0, stop=["top"])) == ["a", "s"]
    assert sampler.stats.finish_reason == "stop"


def test_max_length_counts_the_prompt() -> None:
    """max_length is prompt and continuation together; the smaller limit wins."""
    sampler = BacktrackSampler(FakeProvider(WORDS[:-1], eos=-1))
    assert len(list(sampler.generate("aa", max_length=5, seed=1))) == 3
    assert len(list(sampler.generate("aa", max_length=5, max_new_tokens=2, seed=1))) == 2
    with pytest.raises(InputError, match="the prompt alone has 2"):
        sampler.generate("aa", max_length=2)


def test_same_seed_same_stream() -> None:
    """A seed makes a stream reproducible; without one, streams differ."""
    sampler = BacktrackSampler(FakeProvider(WORDS))
    runs = [list(sampler.generate("a", max_new_tokens=30, seed=4)) for _ in range(2)]
    assert runs[0] == runs[1]
    assert len({tuple(sampler.generate("a", max_new_tokens=30)) for _ in range(8)}) > 1


def test_the_prompt_is_evaluated_once() -> None:
    """A second stream from the same prompt re-uses what was evaluated."""
    provider = greedy("a", "b")
    sampler = BacktrackSampler(provider)
    prompt = provider.encode("abababab")
    list(sampler.generate(prompt, temperature=0, max_new_tokens=1))
    list(sampler.generate(prompt, temperature=0, max_new_tokens=1))
    assert sampler.stats.evaluated_tokens == 0


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"prompt": ""}, "empty"), ({"prompt": []}, "empty"), ({"top_p": 0}, "top_p"), ({"top_p": 1.5}, "top_p"),
        ({"temperature": -1}, "temperature"), ({"max_length": 0}, "max_length"),
        ({"max_new_tokens": 0}, "max_new_tokens"), ({"prompt": "a" * 40}, "context holds 20"), ({"seed": "x", "stop": [""]}, "stop"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_anything_is_evaluated(bad: dict, says: str) -> None:
    """One clear line, at the call, not at the first token."""
    provider = FakeProvider(WORDS, context_size=20)
    with pytest.raises(InputError, match=says):
        BacktrackSampler(provider).generate(**{"prompt": "a", **bad})
    assert provider.asked == []


def test_what_is_no_strategy() -> None:
    """A class instead of an instance, or anything else, is refused with what to do."""
    with pytest.raises(InputError, match="is a class"):
        BacktrackSampler(FakeProvider(), AntiSlopStrategy)
    with pytest.raises(InputError, match="not a strategy"):
        BacktrackSampler(FakeProvider(), "antislop")


def test_a_context_that_fills_up() -> None:
    """Everything that fits is streamed; that is an end, or one clear error where it is asked for."""
    sampler = BacktrackSampler(FakeProvider(WORDS[:5], eos=-1, context_size=10))
    out = list(sampler.generate("aaa", seed=1))
    assert len(out) == 8  # the last one needs no room: nothing is asked after it
    assert sampler.stats.finish_reason == "context"
    again = []
    with pytest.raises(ContextFullError, match="context of 10 tokens is full"):
        for token in sampler.generate("aaa", seed=1, on_context_full="raise"):
            again.append(token)
    assert again == out


class Counting(BaseStrategy):
    """Counts resets; takes two back now and then."""

    def __init__(self) -> None:
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1
        self.seen = self.longest = 0

    def backtrack(self, tokens) -> int:
        self.seen += 1
        return 2 if self.seen % 5 == 0 and len(tokens) > 1 else 0

    def pending(self, tokens) -> int:
        self.longest = max(self.longest, len(tokens))
        return max(0, len(tokens) - max(0, self.longest - 2))


@pytest.mark.parametrize("way", ["break", "close", "exception", "interrupt"])
def test_an_abandoned_stream_leaves_nothing_behind(way: str) -> None:
    """A consumer that stops reading, in whatever way, leaves provider and strategy as new."""
    provider, strategy = FakeProvider(WORDS), Counting()
    sampler = BacktrackSampler(provider, strategy)
    expected = list(sampler.generate("a", max_new_tokens=20, seed=1))
    stream = sampler.generate("a", max_new_tokens=20, seed=2)
    try:
        for number, _ in enumerate(stream):
            if number == 3:
                if way == "exception":
                    raise ValueError
                if way == "interrupt":
                    raise KeyboardInterrupt
                break
    except (ValueError, KeyboardInterrupt):
        pass
    if way == "close":
        stream.close()
    assert list(sampler.generate("a", max_new_tokens=20, seed=1)) == expected
    del stream
    gc.collect()
    assert strategy.resets % 2 == 0  # once before and once after each stream


def test_an_old_stream_that_is_collected_late_does_not_disturb_the_new_one() -> None:
    """Dropping the last reference to an abandoned stream in the middle of the next one changes nothing."""
    sampler = BacktrackSampler(FakeProvider(WORDS), Counting())
    expected = list(sampler.generate("a", max_new_tokens=20, seed=1))
    old = sampler.generate("a", max_new_tokens=20, seed=2)
    next(old)
    out = []
    for number, token in enumerate(sampler.generate("a", max_new_tokens=20, seed=1)):
        out.append(token)
        if number == 2:
            del old
            gc.collect()
    assert out == expected


def test_a_second_stream_ends_the_first() -> None:
    """Going on with a stream after another was started on the same sampler is an error, not a mixture."""
    sampler = BacktrackSampler(FakeProvider(WORDS[:5], eos=-1), Counting())
    first = sampler.generate("a", max_new_tokens=20, seed=1)
    next(first)
    second = sampler.generate("a", max_new_tokens=20, seed=1)
    next(second)
    with pytest.raises(BacktrackError, match="another stream"):
        list(first)
    assert len(list(second)) == 19
    with pytest.raises(BacktrackError, match="another stream"):
        list(zip(sampler.stream_text("a", max_new_tokens=20), sampler.stream_text("b", max_new_tokens=20), strict=True))


def test_streams_that_are_made_first_and_read_later() -> None:
    """Each begins when it is read, whatever was made in between, with the strategies of when it was made."""
    sampler = BacktrackSampler(FakeProvider(WORDS[:5], eos=-1), Counting())
    first, second = (sampler.generate("a", max_new_tokens=20, seed=seed) for seed in (1, 2))
    found = list(first), list(second)
    assert found == tuple(list(sampler.generate("a", max_new_tokens=20, seed=seed)) for seed in (1, 2))
    assert [len(tokens) for tokens in found] == [20, 20]


@pytest.mark.parametrize("hook", ["on_logits", "on_probs", "on_next_token", "backtrack", "pending", "reset"])
def test_a_strategy_that_raises_leaves_everything_usable(hook: str) -> None:
    """After a strategy's error the provider gives the same answers, and the sampler the same streams."""
    provider = FakeProvider(WORDS)
    expected = list(BacktrackSampler(provider).generate("a", max_new_tokens=10, seed=1))

    def fail(self, *args):
        if len(args[-1] if args and isinstance(args[-1], list) else [0] * 9) >= 0 and self.armed:
            raise RuntimeError("broken")
        return getattr(BaseStrategy, hook)(self, *args)

    strategy = type("Broken", (BaseStrategy,), {hook: fail, "armed": True})()
    sampler = BacktrackSampler(provider, strategy)
    with pytest.raises(StrategyError, match="broken"):
        list(sampler.generate("a", max_new_tokens=10, seed=1))
    strategy.armed = False
    assert list(sampler.generate("a", max_new_tokens=10, seed=1)) == expected


def test_on_exhausted_raise_comes_after_the_last_token() -> None:
    """What was safe is streamed first."""

    class Ban(BaseStrategy):
        def on_probs(self, probs, tokens):
            return probs if len(tokens) < 3 else {}

    sampler = BacktrackSampler(FakeProvider(WORDS[:5], eos=-1), Ban())
    out = []
    with pytest.raises(ExhaustedError, match="on_exhausted"):
        for token in sampler.generate("a", seed=1, on_exhausted="raise", max_new_tokens=9):
            out.append(token)
    assert len(out) == 3


class RandomRollbacks(BaseStrategy):
    """Takes back a random number of held tokens at random draws."""

    def __init__(self, rng, hold: int) -> None:
        self.rng, self.hold = rng, hold

    def backtrack(self, tokens) -> int:
        return self.rng.randint(0, min(len(tokens), self.hold)) if self.rng.random() < 0.4 else 0

    def pending(self, tokens) -> int:
        return min(len(tokens), self.hold)


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 6), st.integers(1, 30), st.booleans())
def test_random_rollbacks(rng, hold: int, limit: int, droppable: bool) -> None:
    """Whatever is taken back, the stream ends, its logits are those of its own text, and counts add up."""
    provider = FakeProvider(WORDS[:5], eos=-1, droppable=droppable)
    sampler = BacktrackSampler(provider, RandomRollbacks(rng, hold))
    drawn = []
    out = list(sampler.generate("a", max_new_tokens=limit, seed=3, max_retries=10**6, max_discarded=500,
                                on_event=lambda e: drawn.append(e) if isinstance(e, Drawn) else None))  # fmt: skip
    assert len(out) <= limit
    assert len(drawn) == sampler.stats.drawn == len(out) + sampler.stats.discarded
    if droppable:
        # One forward for each draw, less those that were remembered: after a rollback none is needed.
        assert sampler.stats.forward_passes <= sampler.stats.drawn
    fresh = FakeProvider(WORDS[:5], eos=-1)
    assert provider.logits([0, *out]) == fresh.logits([0, *out])


alphabet = st.lists(st.text("ab c\u2019'", min_size=1, max_size=3), min_size=1, max_size=6, unique=True)
ban_lists = st.lists(st.text("abc '\u2019", min_size=1, max_size=4), min_size=0, max_size=5)


@settings(max_examples=300, deadline=None)
@given(
    alphabet, ban_lists, st.integers(0, 10**6), st.integers(1, 25), st.sampled_from([0.0, 1.0, 3.0]),
    st.booleans(), st.booleans(), st.sampled_from([None, 1, 3]), st.booleans(),
)  # fmt: skip
def test_no_banned_phrase_in_any_output(
    vocabulary, banned, seed, limit, temperature, whole_words, with_end, top_k, chained
) -> None:
    """For any alphabet, tokenisation and ban list: no banned phrase comes out, nothing streamed changes, it ends."""
    import re

    provider = FakeProvider(vocabulary + ([""] if with_end else []), eos=None if with_end else -1, seed=seed)
    strategy = AntiSlopStrategy(provider, banned, whole_words=whole_words, regexes=["b  *c"])
    if chained:
        strategy = ChainStrategy([CreativeWritingStrategy(provider, 0.5, 3), strategy])
    sampler = BacktrackSampler(provider, strategy)
    seen: list[int] = []
    stream = sampler.stream([0], max_new_tokens=limit, temperature=temperature, seed=seed, top_k=top_k)
    for token in stream:
        seen.append(token)
        assert stream.sequence[1 : len(seen) + 1] == seen  # what was streamed still stands
    prompt = len(provider.decode([0]))  # what it ends with counts where words begin
    text = provider.decode([0, *seen]).replace("\u2019", "'")
    assert len(seen) <= limit
    for phrase in banned:
        plain = re.escape(phrase.replace("\u2019", "'"))
        if whole_words:
            plain = (r"(?<!\w)" if re.match(r"\w", phrase) else "") + plain + (r"(?!\w)" if re.search(r"\w\Z", phrase) else "")  # fmt: skip
        assert not re.compile(plain, re.IGNORECASE).search(text, prompt), (phrase, text)
    assert not re.compile("b  *c", re.IGNORECASE).search(text, prompt)


def chi_square(provider, prompt: str, draws: int) -> float:
    """p-value of drawn first tokens against the softmax of the logits, rare ones pooled."""
    import numpy as np
    from scipy.stats import chisquare

    tokens = provider.encode(prompt)
    row = np.asarray(provider.logits(tokens), dtype=np.float64)
    shares = np.exp(row - row.max())
    shares /= shares.sum()
    common = np.argsort(-shares)[:30]
    sampler = BacktrackSampler(provider, BaseStrategy())
    counts = dict.fromkeys(common.tolist(), 0)
    other = 0
    for seed in range(draws):
        (token,) = sampler.generate(tokens, max_new_tokens=1, top_k=None, seed=seed)
        if token in counts:
            counts[token] += 1
        else:
            other += 1
    expected = [*(shares[common] * draws), (1 - shares[common].sum()) * draws]
    return float(chisquare([*counts.values(), other], expected).pvalue)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["smollm", "smollm_transformers"])
def test_draws_follow_the_models_distribution(engine: str, request: pytest.FixtureRequest) -> None:
    """With a strategy that does nothing, drawn tokens follow the softmax of the model's logits (chi-square)."""
    assert chi_square(request.getfixturevalue(engine), "The dragon looked at the", 3000) > 0.001


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["smollm", "smollm_transformers"])
def test_greedy_is_the_models_own_greedy(engine: str, request: pytest.FixtureRequest) -> None:
    """At temperature 0 each token is the most probable one after those before it."""
    provider = request.getfixturevalue(engine)
    tokens = provider.encode("Once upon a time")
    out = list(BacktrackSampler(provider).generate(tokens, max_new_tokens=12, temperature=0))
    for n, token in enumerate(out):
        assert token == int(provider.logits(tokens + out[:n]).argmax())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["smollm", "smollm_transformers"])
def test_anti_slop_on_real_models(engine: str, request: pytest.FixtureRequest) -> None:
    """Common words, banned, do not appear; the text is that of its tokens; the same on both engines."""
    provider = request.getfixturevalue(engine)
    banned = ["the", "a", "was", "dragon", "and he"]
    strategy = AntiSlopStrategy(provider, banned, whole_words=True)
    sampler = BacktrackSampler(provider, strategy)
    text = sampler.generate_text("Once upon a time", max_new_tokens=60, seed=5)
    assert sampler.stats.rollbacks > 3
    for word in banned:
        assert f" {word} " not in f" {text.lower().replace('.', ' ').replace(',', ' ')} "


@pytest.mark.slow
def test_emoji_stream_whole(smollm) -> None:
    """Text comes out in whole characters also where a character takes several tokens."""
    tokens = smollm.encode(" \U0001f409 caf\u00e9 \u4e2d")

    class Force(BaseStrategy):
        def on_probs(self, probs, so_far):
            return {tokens[len(so_far)]: 1.0}

    parts = list(BacktrackSampler(smollm, Force()).stream_text("A", max_new_tokens=len(tokens)))
    assert "".join(parts) == " \U0001f409 caf\u00e9 \u4e2d"
    assert all("\ufffd" not in part for part in parts)


def test_a_stop_string_in_the_token_that_completes_a_character() -> None:
    """The character comes out once, whole."""
    provider = FakeProvider(
        ["a", b"\xc3", b"\xa9x", ""], lambda t: [5.0 if n == min(len(t), 3) else 0.0 for n in range(4)]
    )
    assert BacktrackSampler(provider).generate_text([0], temperature=0, stop="x") == "\u00e9"


def test_a_tokenizer_that_drops_the_first_space() -> None:
    """As SentencePiece does: the first word keeps its space in text, before a stop string, and for anti-slop."""

    class Spaces(FakeProvider):
        def decode(self, tokens) -> str:
            return super().decode(tokens).removeprefix(" ")

        def neutral_tokens(self) -> list[int]:
            return [0]

    def logits(tokens: list[int]) -> list[float]:
        return [0.0, 3.0 if len(tokens) == 1 else 0.0, 2.0, 0.0, 1.0 if len(tokens) == 1 else 5.0]

    provider = Spaces(["a", " upon", " on.", ".", ""], logits)
    assert BacktrackSampler(provider).generate_text([0], temperature=0) == " upon"
    assert BacktrackSampler(provider, AntiSlopStrategy(provider, [" upon"])).generate_text([0], temperature=0) == " on."
    forced = AntiSlopStrategy(provider, [" upon"])
    assert BacktrackSampler(provider, forced).generate_text([0], temperature=0, stop=".") == " on"


@pytest.mark.parametrize("prompt", [None, 5, ["a"], [[1, 2]], [1.7]])
def test_prompts_that_are_no_prompts(prompt) -> None:
    """One clear line for everything that is neither text nor token ids."""
    with pytest.raises(InputError, match="prompt must be"):
        BacktrackSampler(FakeProvider()).generate(prompt)


def test_prompts_as_arrays() -> None:
    """NumPy and torch ids are as good as a list."""
    import numpy as np
    import torch

    sampler = BacktrackSampler(FakeProvider())
    expected = list(sampler.generate([0, 1], max_new_tokens=5, seed=1))
    for prompt in (np.array([0, 1]), torch.tensor([0, 1]), (0, 1)):
        assert list(sampler.generate(prompt, max_new_tokens=5, seed=np.int64(1))) == expected


def test_a_phrase_that_begins_in_the_prompt() -> None:
    """It is not seen, and the prompt is never gone back into."""
    provider = greedy("b", "c")
    sampler = BacktrackSampler(provider, AntiSlopStrategy(provider, ["ab"]))
    assert sampler.generate_text("a", temperature=0) == "bc"


def test_a_resample_honours_temperature_and_filters() -> None:
    """After a rollback the draw is from the same few candidates as before it."""
    provider = FakeProvider(WORDS[:5], lambda _: [5.0, 4.0, 3.0, 2.0, 1.0], eos=-1)
    sampler = BacktrackSampler(provider, AntiSlopStrategy(provider, ["a"]))
    drawn = set()
    for seed in range(40):
        drawn |= set(sampler.generate([4], max_new_tokens=10, seed=seed, top_k=2))
    assert drawn == {WORDS.index("b"), WORDS.index(" ")}  # the best two that contain no "a"


def test_a_stop_string_that_is_a_special_token() -> None:
    """It ends the stream, though it leaves no text; the token is no part of the stream."""
    provider = FakeProvider(
        ["a", "b", ""], lambda tokens: [0.0, 5.0, 9.0 if len(tokens) > 2 else 0.0], eos=-1, special_tokens={2: "</think>"}
    )  # fmt: skip
    stream = BacktrackSampler(provider).stream("a", temperature=0, stop="</think>", max_new_tokens=9)
    assert list(stream) == [1, 1]
    assert stream.stats.finish_reason == "stop"


def test_a_stop_string_leaves_no_half_character_in_the_tokens() -> None:
    """Where it begins in the token that completes a character, the tokens before it are whole ones; the text has the character."""
    provider = FakeProvider(["a", b"\xc3", b"\xa9X", ""], lambda t: [5.0 if n == min(len(t), 3) else 0.0 for n in range(4)])  # fmt: skip
    stream = BacktrackSampler(provider).stream([0], temperature=0, stop="X")
    assert list(stream) == []
    assert stream.text == "\u00e9"


def test_a_model_goes_with_its_last_user() -> None:
    """After a stream nothing that waits for the garbage collector holds the model."""
    gc.collect()
    gc.disable()
    try:
        provider = FakeProvider()
        sampler = BacktrackSampler(provider)
        sampler.generate_text("a", max_new_tokens=2)
        left = sampler.stream("a", max_new_tokens=9)
        next(iter(left))
        gone = weakref.ref(provider)
        del provider, sampler, left
        assert gone() is None
    finally:
        gc.enable()


def test_an_error_before_the_first_token_is_kept() -> None:
    """The stream knows what has ended it, whether a strategy could not begin or the model could not go on."""

    class Fails(BaseStrategy):
        def on_start(self, stream: object) -> None:
            raise OSError("no")

    class NoModel(FakeProvider):
        def peek(self, tokens: object) -> object:
            raise ModelError("gone")

    for stream in (BacktrackSampler(FakeProvider(), Fails()).stream("a"), BacktrackSampler(NoModel()).stream("a")):
        with pytest.raises(BacktrackError) as caught:
            list(stream)
        assert stream.done
        assert stream.error is caught.value


def test_a_hook_may_wait_for_another_thread() -> None:
    """While a person thinks, or a screen is drawn elsewhere, others may use the same model."""
    provider = FakeProvider(WORDS)
    seen: list[str] = []

    class Waits(BaseStrategy):
        def on_probs(self, probs: Candidates, tokens: list[int]) -> Candidates:
            other = threading.Thread(target=lambda: seen.append(BacktrackSampler(provider).generate_text("b", 9)))
            other.start()
            other.join(20)
            assert not other.is_alive()
            return probs

    plain = BacktrackSampler(FakeProvider(WORDS)).generate_text("a", max_new_tokens=5, seed=1)
    assert BacktrackSampler(provider, Waits()).generate_text("a", max_new_tokens=5, seed=1) == plain
    assert len(seen) >= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.generate_text("half \ud800"), "no valid text: half a character at 5"),
        (lambda s: s.generate_text(b"abc"), "text, or a flat list of token ids"),
        (lambda s: s.generate_batch(None), "must be a list of prompts, not NoneType"),
        (lambda s: s.generate_batch(iter(["a", ""])), "prompt 1: the prompt is empty"),
        (lambda s: ChainStrategy(BaseStrategy()), "a chain needs a list of strategies, not BaseStrategy"),
        (lambda s: FakeProvider(remember="64"), "remember must be a whole number"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_line(call, message: str) -> None:
    """Nothing ends in a raw error."""
    with pytest.raises(InputError, match=message):
        call(BacktrackSampler(FakeProvider()))


@pytest.mark.parametrize("model", [None, "model.gguf", FakeProvider])
def test_a_sampler_needs_a_model(model: object) -> None:
    """What is none is refused at once, with how to get one."""
    with pytest.raises(InputError, match="such as load_provider"):
        BacktrackSampler(model)  # type: ignore[arg-type]
