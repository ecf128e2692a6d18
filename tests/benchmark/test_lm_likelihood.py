"""Log-likelihoods in lm-evaluation-harness, against its own model class for transformers."""

from __future__ import annotations

import random
from typing import Any

import pytest
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tiny_models import tiny
from tiny_tokenizer import tokenizer

from backtrack_sampler import InputError
from backtrack_sampler.benchmark.harness.likelihood import Continuation, log_likelihoods
from backtrack_sampler.benchmark.harness.lm import BacktrackLM
from backtrack_sampler.provider.transformers_provider import TransformersProvider
from backtrack_sampler.testing import FakeProvider

WORDS = ["cat", "the dog", " ran", " away", ": A", ": B", "\n", "Question", " 1 + 1 = 2", "x" * 9]


def asked(kind: str, *arguments: tuple[Any, ...]) -> list[Instance]:
    return [Instance(kind, {}, each, 0, ("task", number, 1)) for number, each in enumerate(arguments)]


def text(rng: random.Random, least: int, most: int) -> str:
    return "".join(rng.choice(WORDS) for _ in range(rng.randint(least, most)))


@pytest.fixture(scope="module", params=[True, False], ids=["begins texts", "does not"])
def both(request: pytest.FixtureRequest) -> tuple[BacktrackLM, HFLM]:
    """Ours and the harness's own, of one model whose context is 64 tokens."""
    model, words = tiny("llama"), tokenizer(request.param)
    theirs = HFLM(pretrained=model, tokenizer=words, batch_size=4, max_length=64, device="cpu")
    return BacktrackLM(TransformersProvider(model, words), max_batch=5, max_length=64), theirs


def same(ours: list[Any], theirs: list[Any]) -> None:
    assert len(ours) == len(theirs)
    for (value, greedy), (other, also) in zip(ours, theirs, strict=True):
        assert value == pytest.approx(other, abs=1e-4)
        assert greedy == also


def test_continuations(both: tuple[BacktrackLM, HFLM]) -> None:
    """Of one token and many, after shared contexts, none, and ones that are too long: as the harness has them."""
    ours, theirs = both
    rng = random.Random(1)
    shared = [text(rng, 1, 9) for _ in range(3)]
    contexts = [rng.choice(shared) + text(rng, 0, 2) + rng.choice(["", " "]) for _ in range(20)]
    pairs = [(context, rng.choice(["A", "B", text(rng, 1, 4)])) for context in contexts]
    pairs += [("", "A"), ("", text(rng, 2, 3)), ("a", "b" * 40), ("c" * 100, "AB"), *pairs[:3]]
    requests = asked("loglikelihood", *pairs)
    same(ours.loglikelihood(requests, True), theirs.loglikelihood(requests, True))


@pytest.mark.parametrize("white", [" ", "\n", "  \n"])
def test_contexts_of_nothing_but_white_space(white: str) -> None:
    """They go to the continuation, which then begins the text, also where the model begins none itself; nothing
    after nothing is certain."""
    lm = BacktrackLM(FakeProvider(["a", "b", "c", " ", "\n", ""], eos=5))
    pairs = [("ab", "c"), (white, "ab"), ("", ""), (white, ""), ("", f"{white}ab")]
    found = lm.loglikelihood(asked("loglikelihood", *pairs), True)
    assert found[1] == found[4]
    assert found[2] == (0.0, True)
    assert found[:1] == lm.loglikelihood(asked("loglikelihood", pairs[0]), True)
    assert lm.loglikelihood(asked("loglikelihood", ("", "")), True) == [(0.0, True)]


def test_what_greedy_decoding_writes(both: tuple[BacktrackLM, HFLM]) -> None:
    """A continuation that is the most probable one is said to be so, and one whose last token is not is not."""
    ours, theirs = both
    contexts = [word * count for word in WORDS for count in (1, 2)]
    answers = ours.generate_until(asked("generate_until", *((each, {"max_gen_toks": 5}) for each in contexts)), True)
    # Five characters: a special token would leave no trace in the text.
    context, written = next((each, text) for each, text in zip(contexts, answers, strict=True) if len(text) == 5)
    other = written[:-1] + ("a" if written[-1] != "a" else "b")
    requests = asked("loglikelihood", (context, written), (context, other))
    found = ours.loglikelihood(requests, True)
    assert [greedy for _, greedy in found] == [True, False]
    same(found, theirs.loglikelihood(requests, True))


def test_whole_texts(both: tuple[BacktrackLM, HFLM]) -> None:
    """Windows of texts that are shorter than the context, as long, and much longer: as the harness has them."""
    ours, theirs = both
    rng = random.Random(2)
    texts = ["a", "b" * 63, "c" * 64, "d" * 65, *(text(rng, 10, 60) for _ in range(5))]
    requests = asked("loglikelihood_rolling", *((each,) for each in texts))
    found = ours.loglikelihood_rolling(requests, True)
    assert found == pytest.approx(theirs.loglikelihood_rolling(requests, True), abs=1e-3)


def test_letters_are_read_from_one_row() -> None:
    """Choices of one token cost what their common context costs; equal contexts are evaluated once."""
    provider = FakeProvider(["a", "b", "c", "d", " ", ""], eos=5)
    context = [0, 4, 1, 4]
    found = log_likelihoods(provider, [Continuation([*context, letter], 4) for letter in (0, 1, 2, 3, 0)])
    assert provider.evaluated_tokens == 4
    assert found[0] == found[4]
    assert sum(greedy for _, greedy in found[:4]) <= 1


def test_a_shared_beginning_is_evaluated_once() -> None:
    """Many questions after the same long examples, in whatever order they come, cost those examples once, and each what is its own."""
    provider = FakeProvider()
    rng = random.Random(3)
    tasks = [[rng.randrange(6) for _ in range(200)] for _ in range(3)]
    questions = [[*tasks[n % 3], *(rng.randrange(6) for _ in range(20))] for n in range(18)]
    log_likelihoods(provider, [Continuation([*each, 1, 2, 3], 220) for each in questions], max_batch=2)
    assert provider.evaluated_tokens <= 3 * 200 + 18 * 22 + 60


def test_an_empty_continuation_is_certain() -> None:
    """Nothing to write is written for sure."""
    assert log_likelihoods(FakeProvider(), [Continuation([0, 1], 2)]) == [(0.0, True)]


def test_progress_counts_every_continuation() -> None:
    """Whoever watches is told of all, equal and empty ones too."""
    told: list[int] = []
    each = [Continuation([0, 1, 2], 1), Continuation([0, 1, 2], 1), Continuation([0, 1], 2), Continuation([1, 1], 1)]
    log_likelihoods(FakeProvider(), each, max_batch=1, on_done=told.append)
    assert sum(told) == 4


def test_a_continuation_longer_than_the_context() -> None:
    """It cannot be evaluated: that is said, and its beginning is not cut off in silence."""
    assert Continuation([1, 2, 3, 4, 5], 3).within(3) == ([2, 3, 4, 5], 2)
    with pytest.raises(InputError, match="has 4 tokens, and the model's context holds 3"):
        Continuation([1, 2, 3, 4, 5], 1).within(3)
