"""Several streams in one llama.cpp context, on tiny random models of every kind of memory, and on real ones."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import pytest
import tiny_gguf
from stream_walks import random_tokens, walk

from backtrack_sampler import InputError, ModelError
from backtrack_sampler.provider import llamacpp_batch
from backtrack_sampler.provider.llamacpp_provider import LlamacppProvider

Make = Callable[..., LlamacppProvider]

ATTENTION = ["gemma3", "gemma3 with a small cache"]
KINDS = [*ATTENTION, "mamba", "lfm2"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tiny")
    return {name: getattr(tiny_gguf, f"write_{name}")(folder / f"{name}.gguf") for name in ("gemma3", "mamba", "lfm2")}


@pytest.fixture
def make(files: dict[str, Path]) -> Make:
    def of(kind: str, **options: Any) -> LlamacppProvider:
        options = {"n_ctx": 1024, "swa_full": kind == "gemma3", **options}
        return LlamacppProvider.from_pretrained(files[kind.split()[0]], **options)

    return of


def words(seed: int, count: int) -> list[int]:
    return random_tokens(seed, count, tiny_gguf.VOCABULARY)


class Checker:
    """A provider, and another of the same model that evaluates each text anew."""

    def __init__(self, make: Make, kind: str, **options: Any) -> None:
        self.provider = make(kind, **options)
        self._fresh = make(kind, cache_bytes=10, **options)

    def alone(self, tokens: list[int]) -> np.ndarray:
        self._fresh.reset()
        return self._fresh.logits(tokens)

    def check(self, sequences: list[list[int]]) -> tuple[int, int]:
        """Each row is what a fresh provider says; returns forward passes and evaluated tokens."""
        before = self.provider.forward_passes, self.provider.evaluated_tokens
        for tokens, found in zip(sequences, self.provider.logits_batch(sequences), strict=True):
            # Keys and values are 16-bit numbers: 2e-3 was seen. A wrong memory is off by 0.1 and more.
            np.testing.assert_allclose(found, self.alone(tokens), rtol=1e-2, atol=1e-2)
        return self.provider.forward_passes - before[0], self.provider.evaluated_tokens - before[1]


# -- every kind of memory ------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_random_walks(kind: str, make: Make) -> None:
    """Streams that grow, go back by up to 400, end, begin, share beginnings and change places are each as alone."""
    checker = Checker(make, kind)
    checker.provider._remember = 3
    for streams, single in walk(1, 40, tiny_gguf.VOCABULARY, longest=900, singles=0.2):
        checker.check(streams)
        if single is not None:
            np.testing.assert_allclose(checker.provider.logits(single), checker.alone(single), rtol=1e-2, atol=1e-2)
    assert checker.provider.batched


@pytest.mark.parametrize("kind", KINDS)
def test_going_back_while_others_go_on(kind: str, make: Make) -> None:
    """Back by 1, 5, 40 and 400 and on with other tokens, beside streams that know nothing of it."""
    checker = Checker(make, kind)
    streams = [words(1, 500), words(2, 90), words(3, 17)]
    checker.check(streams)
    for back in (1, 5, 40, 400):
        streams[1:] = [tokens + [7] for tokens in streams[1:]]
        checker.check([streams[0][:-back], *streams[1:]])
        for count in range(1, 4):
            streams[1:] = [tokens + [8] for tokens in streams[1:]]
            checker.check([streams[0][:-back] + [5, 6, 7][:count], *streams[1:]])
        checker.check(streams)


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_of_more_tokens_than_a_pass_takes(kind: str, make: Make) -> None:
    """A short prompt between long ones: llama.cpp is called several times, and each row gets its own answer."""
    checker = Checker(make, kind, n_batch=64)
    assert checker.check([words(n, length) for n, length in enumerate((400, 3, 700, 1, 512, 30))])[0] > 1


@pytest.mark.parametrize("kind", KINDS)
def test_streams_as_long_as_the_context(kind: str, make: Make) -> None:
    """Every row may be as long as the context that the model was loaded with; a token more is refused."""
    checker = Checker(make, kind, n_ctx=512)
    streams = [words(n, 510) for n in range(3)]
    for step in range(3):
        checker.check([tokens + words(9, step) for tokens in streams])
    checker.check([words(n, 512) for n in range(3, 6)])
    with pytest.raises(InputError, match="do not fit"):
        checker.provider.logits_batch([words(1, 20), words(2, 513)])


# -- what it costs -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_one_forward(kind: str, make: Make) -> None:
    """Rows of all lengths, a token each: one forward pass, and nothing is evaluated but the new tokens."""
    checker = Checker(make, kind)
    streams = [words(n, 10 + 40 * n) for n in range(5)]
    checker.check(streams)
    for step in range(20):
        streams = [tokens + [3 + step] for tokens in streams]
        assert checker.check(streams) == (1, 5)
    assert checker.check([streams[0], streams[1][:-5], *streams[2:]]) == (0, 0)


@pytest.mark.parametrize("kind", ATTENTION)
def test_going_back_inside_the_window_costs_one_token(kind: str, make: Make) -> None:
    """What is left of a stream is kept: going on from there costs the new token, and the others nothing."""
    checker = Checker(make, kind)
    streams = [words(1, 40), words(2, 10)]
    for _ in range(12):
        streams = [tokens + [5] for tokens in streams]
        checker.check(streams)
    assert checker.check([streams[0][:-10] + [6], streams[1]]) == (1, 1)


# What cannot drop a suffix, and how many tokens lie between its saved states.
SAVING = [("mamba", 16), ("lfm2", 16), ("gemma3 with a small cache", 64)]


def grown(checker: Checker, streams: list[list[int]], length: int) -> list[list[int]]:
    """Token by token."""
    for step in range(length):
        streams = [tokens + words(step, 1) for tokens in streams]
        checker.provider.logits_batch(streams)
    return streams


@pytest.mark.parametrize(("kind", "interval"), SAVING)
def test_going_back_to_a_saved_state(kind: str, interval: int, make: Make) -> None:
    """Only what follows the state is evaluated again, in the same pass as the other rows; then on, and back again."""
    checker = Checker(make, kind)
    checker.provider._remember = 1
    streams = grown(checker, [words(1, 40), words(2, 90)], 200)
    for back in (1, 50, 120):
        streams = [streams[0][:-back] + [6], streams[1] + [7]]
        forwards, evaluated = checker.check(streams)
        assert forwards == 1
        assert evaluated <= interval + 2
    state = 40 + 1 + interval
    assert checker.check([streams[0][:state] + [8], streams[1] + [5]]) == (1, 2)  # exactly to one
    assert checker.check([streams[0][:state] + [8, 9], streams[1][:30]])[1] == 1 + 30  # before the first of them


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_stream_of_a_prompt(kind: str, make: Make) -> None:
    """Samples of one prompt, one after the other: it is evaluated once."""
    checker = Checker(make, kind)
    prompt = words(1, 60)
    for sample in range(3):
        cost = checker.check([prompt, words(2, 5)])
        assert (cost[1] <= 1) is (sample > 0)
        for length in range(1, 30):
            assert checker.check([prompt + words(sample, length), words(2, 5)]) == (1, 1)


@pytest.mark.parametrize(("kind", "interval"), SAVING)
def test_beginning_as_another_row_once_was(kind: str, interval: int, make: Make) -> None:
    """A new stream takes over a saved state of a stream that is far beyond, which goes on where it was."""
    checker = Checker(make, kind)
    tokens, _ = grown(checker, [words(1, 40), words(2, 5)], 200)
    checker.check([tokens, words(3, 30)])
    new = tokens[:150] + [9]
    forwards, evaluated = checker.check([tokens + [5], new])
    assert (forwards, evaluated <= interval + 2) == (2, True)  # a prompt is evaluated as it would be alone
    assert checker.check([tokens + [5, 6], new + [6]]) == (1, 2)


def test_a_slid_window_that_is_copied_late(make: Make) -> None:
    """llama.cpp copies when it next evaluates, over what was restored in between: such a row begins anew."""
    checker = Checker(make, "gemma3 with a small cache", n_ctx=2048)
    prompt, other = words(1, 480), words(2, 3)
    checker.provider.logits_batch([other, prompt])
    (tokens, _) = grown(checker, [prompt, other], 1200)
    checker.check([tokens[:500] + [2]])  # moves down, and goes back
    checker.check([tokens[:500] + [2, 3]])
    checker.provider.reset()
    checker.provider.logits_batch([other, prompt])
    for step in range(1200):
        tokens = prompt + words(9, step)
        checker.provider.logits_batch([other, tokens])
    new = prompt
    for _ in range(4):  # a second sample of the prompt
        checker.check([new, tokens])
        new, tokens = [*new, 5], [*tokens, 5]


def test_saved_states_are_bounded_when_streams_are_added(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """One stream had all the bytes; the others take from them."""
    checker = Checker(make, "mamba")
    monkeypatch.setattr(llamacpp_batch, "_SAVED_BYTES", 60_000)
    streams = [words(1, 20)]
    for n in range(2, 9):
        streams = [*grown(checker, streams, 40), words(n, 20)]
        saved = checker.provider._batch._saved
        assert 0 < sum(len(state) for states in saved.values() for state in states.values()) <= 60_000
    checker.check([tokens[:-3] for tokens in streams])


@pytest.mark.parametrize(("kind", "interval"), SAVING)
def test_saved_states_are_bounded(kind: str, interval: int, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows together keep to their bytes, without any state too; what is there stays dense near the end."""
    checker = Checker(make, kind)
    streams = [words(n, 5) for n in range(3)]

    def saved() -> list[int]:
        batch = checker.provider._batch
        assert isinstance(batch, llamacpp_batch.LlamacppBatch)
        return [len(state) for states in batch._saved.values() for state in states.values()]

    grown(checker, streams, 8 * interval)
    size = max(saved())
    assert len(saved()) > 9
    for room in (0, 3, 9):
        checker.provider.reset()
        monkeypatch.setattr(llamacpp_batch, "_SAVED_BYTES", room * size)
        longer = grown(checker, streams, 8 * interval)
        assert len(saved()) == room
        assert sum(saved()) <= room * size
        checker.check([tokens[:-3] + [5] for tokens in longer])
    checker.provider._batch.reset()
    assert saved() == []


@pytest.mark.parametrize("kind", ["mamba", "lfm2"])
def test_a_saved_state_that_cannot_be_restored(kind: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row is evaluated from its start."""
    checker = Checker(make, kind)
    checker.provider._remember = 1
    streams = grown(checker, [words(1, 40), words(2, 9)], 30)
    monkeypatch.setattr(llama_cpp, "llama_state_seq_set_data_ext", lambda *_: 0)
    assert checker.check([streams[0][:-5], streams[1] + [5]])[1] == 65 + 1


@pytest.mark.parametrize("kind", KINDS)
def test_equal_prompts_are_evaluated_once(kind: str, make: Make) -> None:
    """Recurrent states are copied as well as keys and values; each stream goes on from its own."""
    checker = Checker(make, kind)
    prompt = words(1, 60)
    assert checker.check([prompt] * 6) == (1, 60)
    for step in range(3):
        assert checker.check([prompt + [5 + n] * (step + 1) for n in range(6)]) == (1, 6)


@pytest.mark.parametrize("kind", ATTENTION)
def test_what_prompts_share_is_evaluated_once(kind: str, make: Make) -> None:
    """The whole pieces of a beginning once, and each ending as it would be alone, in a pass of its own."""
    checker = Checker(make, kind)
    prompt = words(1, 70)
    assert checker.check([prompt + [3 + n] * 20 for n in range(6)]) == (1 + 6, 64 + 6 * 26)
    assert checker.check([prompt + [3 + n] * 21 for n in range(6)]) == (1, 6)


@pytest.mark.parametrize("kind", ATTENTION)
def test_prompts_as_they_come(kind: str, make: Make) -> None:
    """Without pieces all that prompts share is evaluated once, and the rest together."""
    checker = Checker(make, kind)
    checker.provider.piece = 1
    prompt = words(1, 60)
    assert checker.check([prompt + [3 + n] * 20 for n in range(6)]) == (2, 60 + 6 * 20)
    assert checker.check([prompt + [3 + n] * 21 for n in range(6)]) == (1, 6)


def test_many_streams(make: Make) -> None:
    """Sixty-four at once."""
    checker = Checker(make, "gemma3", n_ctx=256)
    prompt = words(1, 40)
    assert checker.check([prompt] * 64) == (1, 40)
    for count in (1, 2):
        assert checker.check([prompt + words(n, count) for n in range(64)]) == (1, 64)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_move(kind: str, make: Make) -> None:
    """Streams end in any order: what is left moves together, costs one forward a step, and is not evaluated again."""
    checker = Checker(make, kind)
    streams = [words(n, 30 + 10 * n) for n in range(6)]
    checker.check(streams)
    for ending in (0, 3, 1, 2, 0):
        del streams[ending]
        streams = [tokens + [5] for tokens in streams]
        assert checker.check(streams) == (1, len(streams))


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_moved_comes_back(kind: str, make: Make) -> None:
    """What is left of a moved row in its old place disturbs nobody who begins there."""
    checker = Checker(make, kind)
    streams = [words(n, 40) for n in range(4)]
    checker.check(streams)
    checker.check([streams[3] + [5]])
    checker.check([streams[3] + [5, 6], *(words(n, 45) for n in range(10, 13))])
    checker.check([streams[3] + [5, 6, 7], *streams[:3]])


# -- the context grows ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_longer_streams(kind: str, make: Make) -> None:
    """Past 256 and past 512 tokens: a larger context takes over, and nothing is evaluated again."""
    checker = Checker(make, kind)
    streams = [words(n, 128) for n in range(3)]
    checker.check(streams)
    for more in (128, 300, 1):
        streams = [tokens + words(n + more, more) for n, tokens in enumerate(streams)]
        assert checker.check(streams)[1] == 3 * more


@pytest.mark.parametrize("kind", KINDS)
def test_more_streams(kind: str, make: Make) -> None:
    """From two to five: all are right. (Attention is evaluated anew: llama.cpp moves it only between equally many sequences.)"""
    checker = Checker(make, kind)
    streams = [words(n, 100) for n in range(5)]
    checker.check(streams[:2])
    assert checker.check(streams)[1] == (300 if kind == "mamba" else 500)
    assert checker.check([tokens + [5] for tokens in streams]) == (1, 5)


@pytest.mark.parametrize("kind", KINDS)
def test_growing_right_after_a_prompt_was_copied(kind: str, make: Make) -> None:
    """llama.cpp copies late, when it next evaluates: a context that is left before then must not leave the copy behind."""
    prompt = words(1, 40)
    checker = Checker(make, kind)
    checker.check([prompt] * 3)
    checker.check([prompt + words(n, 240) for n in range(3)])  # longer
    checker.provider.reset()
    checker.check([prompt] * 3)
    checker.check([prompt + [5 + n] for n in range(6)])  # more
    checker.check([prompt + [5 + n, 9] for n in range(6)])


@pytest.mark.parametrize("kind", KINDS)
def test_growing_right_after_a_row_has_moved(kind: str, make: Make) -> None:
    """A move is a copy too."""
    checker = Checker(make, kind)
    streams = [words(n, 40) for n in range(3)]
    checker.check(streams)
    checker.check([streams[2]])  # moves, and is remembered: nothing is evaluated
    checker.check([streams[2] + words(5, 240)])


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_that_cannot_be_moved(kind: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the larger context does not take is evaluated again."""
    checker = Checker(make, kind)
    streams = [words(n, 200) for n in range(2)]
    checker.check(streams)
    monkeypatch.setattr(llamacpp_batch, "_move_state", lambda *_: False)
    assert checker.check([tokens + words(9, 400) for tokens in streams])[1] == 2 * 600


def test_going_back_behind_a_window_that_was_moved(make: Make) -> None:
    """A state that has moved to a larger context holds only its window: going back behind it is still right."""
    checker = Checker(make, "gemma3")
    streams = [words(n, 256) for n in range(2)]
    checker.check(streams)
    streams = [tokens + words(9, 250) for tokens in streams]
    assert checker.check(streams)[1] == 2 * 250
    streams = grown(checker, streams, 30)
    assert checker.check([streams[0][:100] + [9], streams[1][:530] + [7]])[1] == 101 + 1
    checker.check([streams[0][:100] + [9, 8], streams[1][:285] + [7]])


# -- limits and errors ---------------------------------------------------------------------


def test_more_streams_than_llama_cpp_takes(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clear line that says what to do; fewer streams are right afterwards."""
    checker = Checker(make, "gemma3")
    streams = [words(n, 40) for n in range(5)]
    checker.check(streams[:3])
    monkeypatch.setattr(llama_cpp, "llama_max_parallel_sequences", lambda: 4)
    with pytest.raises(InputError, match="at most 4 streams at once, not 5: make max_batch smaller"):
        checker.provider.logits_batch(streams)
    checker.check([tokens + [5] for tokens in streams[:4]])


def test_no_memory_for_the_context(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clear line, and a smaller request is right afterwards."""
    checker = Checker(make, "gemma3")
    streams = [words(n, 40) for n in range(5)]
    checker.check(streams[:2])
    monkeypatch.setattr(llama_cpp, "llama_init_from_model", lambda *_: None)
    with pytest.raises(ModelError, match="no room for 5 streams of 256 tokens: make max_batch smaller"):
        checker.provider.logits_batch(streams)
    monkeypatch.undo()
    checker.check([tokens + [5] for tokens in streams[:2]])


@pytest.mark.parametrize("code", [1, -3])
@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_decode(kind: str, call: int, code: int, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first call or the second: ModelError with llama.cpp's code, and the provider is right afterwards."""
    checker = Checker(make, kind)
    old = [words(1, 40), words(2, 30)]
    checker.check(old)
    decode, calls = llama_cpp.llama_decode, iter(range(1, 100))
    monkeypatch.setattr(llama_cpp, "llama_decode", lambda *args: code if next(calls) == call else decode(*args))
    prompt = words(3, 40)
    wanted = [old[0] + [5], prompt, prompt + [7] * 20]
    with pytest.raises(ModelError, match=rf"could not evaluate \d+ tokens of 3 streams \({code}\)"):
        checker.provider.logits_batch(wanted)
    monkeypatch.undo()
    checker.check([tokens + [9] for tokens in old])
    checker.check(wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_decode_that_fails_in_the_middle_of_a_row(kind: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the new tokens are in llama.cpp's memory by then: they do not stay there."""
    checker = Checker(make, kind, n_batch=64)
    old = [words(1, 40), words(2, 30)]
    checker.check(old)
    decode, calls = llama_cpp.llama_decode, iter(range(1, 100))
    monkeypatch.setattr(llama_cpp, "llama_decode", lambda *args: 1 if next(calls) == 2 else decode(*args))
    with pytest.raises(ModelError, match="could not evaluate"):
        checker.provider.logits_batch([old[0] + words(3, 400), old[1] + words(4, 400)])
    monkeypatch.undo()
    checker.check([tokens + [9] for tokens in old])


@pytest.mark.parametrize("token", [-1, tiny_gguf.VOCABULARY])
def test_a_token_outside_the_vocabulary(token: int, make: Make) -> None:
    """InputError before llama.cpp sees it, in a prompt or in a new token; the other streams are right afterwards."""
    checker = Checker(make, "gemma3")
    streams = [words(1, 40), words(2, 30)]
    for bad in ([token], [*words(3, 30), token], [*streams[0], token]):
        with pytest.raises(InputError, match="outside the vocabulary"):
            checker.provider.logits_batch([streams[1], bad])
        checker.check(streams)


def test_arrays_of_tokens(make: Make) -> None:
    """NumPy's integers are as good as Python's, in a prompt and as new tokens."""
    checker = Checker(make, "gemma3")
    tokens = words(1, 40)
    checker.check([tokens])
    for sequence in (np.array(tokens[:20]), np.array([*tokens, 5]), (*tokens, np.int64(6))):
        found = checker.provider.logits_batch([sequence])[0]
        np.testing.assert_allclose(found, checker.alone([int(token) for token in sequence]), rtol=1e-2, atol=1e-2)


# -- whose memory it is --------------------------------------------------------------------


def test_reset_frees_the_context(make: Make) -> None:
    """llama.cpp's memory is given back at once, and what comes next is right."""
    checker = Checker(make, "gemma3")
    streams = [words(1, 40), words(2, 30)]
    checker.check(streams)
    memory: Any = checker.provider._batch
    free = memory._free
    assert free.alive
    del memory
    checker.provider.reset()
    assert not free.alive
    assert not checker.provider.batched
    assert checker.check(streams) == (2, 70)


def test_contexts_are_freed_when_nobody_needs_them(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """After growing, after an error and with the provider itself; each once."""
    gc.collect()  # of other tests
    alive: list[Any] = []
    init, free = llama_cpp.llama_init_from_model, llama_cpp.llama_free
    monkeypatch.setattr(llama_cpp, "llama_init_from_model", lambda *args: alive.append(init(*args)) or alive[-1])
    monkeypatch.setattr(llama_cpp, "llama_free", lambda context: alive.remove(context) or free(context))
    provider = make("gemma3")
    alive.clear()  # its own goes with the model
    provider.logits_batch([words(1, 40)])
    provider.logits_batch([words(1, 40), words(2, 30)])
    provider.logits_batch([words(1, 400), words(2, 300)])
    assert len(alive) == 1
    with monkeypatch.context() as failing:
        failing.setattr(llama_cpp, "llama_decode", lambda *_: 1)
        with pytest.raises(ModelError):
            provider.logits_batch([words(3, 40)])
    assert alive == []
    provider.logits_batch([words(3, 40)])
    assert len(alive) == 1
    del provider
    gc.collect()
    assert alive == []


@pytest.mark.parametrize("kind", KINDS)
def test_one_stream_is_undisturbed(kind: str, make: Make) -> None:
    """`logits` keeps its own memory, at a token a step, beside any number of rows, and they theirs."""
    checker = Checker(make, kind)
    single, streams = words(1, 60), [words(2, 30), words(1, 60)]
    checker.provider.logits(single)
    checker.check(streams)
    for _ in range(5):
        single = [*single, 5]
        before = checker.provider.evaluated_tokens
        np.testing.assert_allclose(checker.provider.logits(single), checker.alone(single), rtol=1e-2, atol=1e-2)
        assert checker.provider.evaluated_tokens == before + 1
        streams = [tokens + [6] for tokens in streams]
        assert checker.check(streams) == (1, 2)


def test_using_the_model_directly_changes_nothing(make: Make) -> None:
    """The streams have a context of their own: the same `Llama` may be used, and reset, in between."""
    checker = Checker(make, "gemma3")
    streams = [words(1, 40), words(2, 30)]
    checker.check(streams)
    checker.provider._llm.reset()
    checker.provider._llm.eval(words(5, 100))
    assert checker.check([tokens + [5] for tokens in streams]) == (1, 2)


def test_two_providers_on_one_model(make: Make) -> None:
    """Each has its own rows."""
    checker = Checker(make, "gemma3")
    second = LlamacppProvider(checker.provider._llm)
    streams, others = [words(1, 40), words(2, 30)], [words(3, 40), words(4, 30)]
    for _ in range(3):
        checker.check(streams)
        for tokens, found in zip(others, second.logits_batch(others), strict=True):
            np.testing.assert_allclose(found, checker.alone(tokens), rtol=1e-2, atol=1e-2)
        streams, others = [tokens + [5] for tokens in streams], [tokens + [6] for tokens in others]
    second.reset()
    assert checker.check(streams) == (1, 2)


# -- real models ---------------------------------------------------------------------------


def assert_alike(found: np.ndarray, expected: np.ndarray) -> None:
    """As close as quantised kernels allow, which round differently for several rows at once."""
    assert np.corrcoef(found, expected)[0, 1] > 0.99
    shares = [np.exp(row - row.max()) / np.exp(row - row.max()).sum() for row in (found, expected)]
    assert np.abs(shares[0] - shares[1]).max() < 0.1


def tell(provider: LlamacppProvider, fresh: LlamacppProvider, streams: list[list[int]], steps: int) -> None:
    """Stories that go on, go back by up to 40 and end: each as a fresh provider tells it alone."""
    rng = random.Random(1)
    for step in range(steps):
        found = provider.logits_batch(streams)
        for tokens, row in zip(streams, found, strict=True):
            fresh.reset()
            assert_alike(row, fresh.logits(tokens))
        streams = [tokens + [int(row.argmax())] for tokens, row in zip(streams, found, strict=True)]
        if step % 3 == 2:
            index = rng.randrange(len(streams))
            streams[index] = streams[index][: -rng.choice([2, 5, 40])] + [rng.randrange(1000, 2000)]
        if step == steps // 2:
            del streams[0]


@pytest.mark.slow
def test_a_real_model(smollm: LlamacppProvider, smollm_file: Path) -> None:
    """SmolLM2, four stories."""
    smollm.reset()
    fresh = LlamacppProvider.from_pretrained(smollm_file, n_ctx=512, cache_bytes=10)
    start = "Once upon a time, in a land that nobody has seen since, at the end of a very long road, there lived a"
    tell(smollm, fresh, [smollm.encode(f"{start} {who}") for who in ("dragon", "cat", "king", "robot")], 20)


@pytest.mark.slow
@pytest.mark.parametrize("swa_full", [True, False])
def test_a_real_sliding_window(gemma_file: Path, swa_full: bool) -> None:
    """Gemma 3 270M, beyond its window of 512."""
    provider = LlamacppProvider.from_pretrained(gemma_file, n_ctx=1024, swa_full=swa_full)
    fresh = LlamacppProvider.from_pretrained(gemma_file, n_ctx=1024, cache_bytes=10)
    text = provider.encode("The old lighthouse keeper counted the steps every evening, always the same. " * 45, True)
    tell(provider, fresh, [text[:640], text[:30], text[:560]], 7)
