"""Text that is typed and erased, on a terminal emulator."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence

import pytest
from emulator import Emulator
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrack_sampler import BacktrackSampler
from backtrack_sampler.events import Drawn, Released, Rollback
from backtrack_sampler.matching import Detokenizer
from backtrack_sampler.strategy.base_strategy import BaseStrategy
from backtrack_sampler.terminal.layout import printable
from backtrack_sampler.terminal.live_text import LiveText
from backtrack_sampler.testing import FakeProvider

ROWS = 80
WORDS = [
    "a", " b", "word ", " the", " a longer piece of text", "supercalifragilisticexpialidocious", "     ",
    "\n", "x\n\ny", "\t", "漢", "字漢字", "😀", "é", "e\u0301", "\u0301",
    b"\xe6", b"\xbc", b"\xa2", b"\xf0\x9f", b"\x98\x80", "\x1b[2J", "",
]  # fmt: skip
PROVIDER = FakeProvider(WORDS)


def screen_of(text: str, columns: int) -> Emulator:
    screen = Emulator(columns, ROWS)
    screen.type(text)
    return screen


def text_of(tokens: Sequence[int]) -> str:
    detokenizer = Detokenizer(PROVIDER.decode)
    return "".join(map(detokenizer.push, tokens)) + detokenizer.finish()


def assert_same(shown: str, text: str, columns: int) -> None:
    """The screen is what writing the text straight would have made of it."""
    live = screen_of(shown, columns)
    straight = screen_of(printable(text, keep="\n"), columns)
    assert live.display == straight.display
    assert (live.cursor.y, live.cursor.x) == (straight.cursor.y, straight.cursor.x)
    assert not any(live.style(row, "strikethrough") for row in range(ROWS))


class GoesBackAtRandom(BaseStrategy):
    """Takes back up to everything that is held; tokens are released by the dozen."""

    def __init__(self, seed: int, often: float) -> None:
        self._random = random.Random(seed)
        self._often = often

    def backtrack(self, tokens: list[int]) -> int:
        held = (len(tokens) - 1) % 12 + 1
        return self._random.randint(1, held) if self._random.random() < self._often else 0

    def pending(self, tokens: list[int]) -> int:
        return len(tokens) % 12


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 40), st.sampled_from([0.1, 0.3, 0.6]))
def test_screen_shows_the_stream_in_the_end(seed: int, columns: int, often: float) -> None:
    """After a stream with rollbacks, the screen is what writing its text straight would show."""
    out = io.StringIO()
    provider = FakeProvider(WORDS, seed=seed)
    live = LiveText(out, provider.decode, pause=0, columns=lambda: columns)
    sampler = BacktrackSampler(provider, GoesBackAtRandom(seed, often))
    text = sampler.generate_text([0], max_new_tokens=30, temperature=3, seed=seed, on_event=live, max_discarded=3000)
    live.finish(text)
    assert_same(out.getvalue(), text, columns)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(5, 40), st.sampled_from([0, 1e-9]))
def test_screen_is_right_after_every_event(data: st.DataObject, columns: int, pause: float) -> None:
    """At each moment the screen is what writing the tokens drawn so far would show."""
    out = io.StringIO()
    live = LiveText(out, PROVIDER.decode, pause=pause, columns=lambda: columns)
    tokens: list[int] = []
    released = 0
    for _ in range(data.draw(st.integers(1, 25))):
        held = len(tokens) - released
        what = data.draw(st.sampled_from(["draw", "draw", "draw", "back", "release"])) if held else "draw"
        if what == "draw":
            token = data.draw(st.integers(0, len(WORDS) - 1))
            live(Drawn(len(tokens), token, 1.0, {}))
            tokens.append(token)
        elif what == "back":
            count = data.draw(st.integers(1, held))
            gone = tuple(tokens[-count:])
            del tokens[-count:]
            live(Rollback(len(tokens), gone, "", "test", ""))
        else:
            count = data.draw(st.integers(1, held))
            live(Released(released, tuple(tokens[released : released + count])))
            released += count
    detokenizer = Detokenizer(PROVIDER.decode)
    settled = "".join(map(detokenizer.push, tokens))
    assert_same(out.getvalue(), settled, columns)
    live.finish(text_of(tokens))
    assert_same(out.getvalue(), text_of(tokens), columns)


@pytest.mark.parametrize(
    ("kept", "gone", "then"),
    [
        ("abcde", "f", "x"),  # the kept text fills its line
        ("abcde", "fghij", "x"),  # so does what goes
        ("abcde", "f", ""),
        ("abcde", "f", "\nx"),
        ("abc漢", "字", "x"),
        ("abcd", "漢", "x"),  # a wide character at the margin goes to the next line
        ("abcd漢", "x", ""),
        ("abcd", "e\u0301", "f"),
        ("abcde", "\u0301", "f"),  # an accent goes away, its letter stays
        ("a\n", "b\nc", "d"),
        ("", "abcdefghijklmnop", "x"),
        ("\n", "\n\n\n", "x"),
    ],
)
@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("pause", [0, 1e-9])
def test_corners_of_the_screen(kept: str, gone: str, then: str, settled: bool, pause: float) -> None:
    """Full lines, wide characters at the margin and accents are erased to the cell."""
    provider = FakeProvider([kept, gone, then])
    out = io.StringIO()
    live = LiveText(out, provider.decode, pause=pause, columns=lambda: 5)
    live(Drawn(0, 0, 1.0, {}))
    if settled:
        live(Released(0, (0,)))
    live(Drawn(1, 1, 1.0, {}))
    live(Rollback(1, (1,), gone, "test", ""))
    assert_same(out.getvalue(), kept, 5)
    live(Drawn(1, 2, 1.0, {}))
    live.finish(kept + then)
    assert_same(out.getvalue(), kept + then, 5)


def test_rollback_is_struck_out_first() -> None:
    """With a pause, what is about to go is shown struck out in its place."""
    states: list[Emulator] = []

    class Watching(io.StringIO):
        def flush(self) -> None:
            states.append(screen_of(out.getvalue(), 8))

    out = Watching()
    live = LiveText(out, FakeProvider(["good ", "bad words"]).decode, pause=1e-9, columns=lambda: 8)
    live(Drawn(0, 0, 1.0, {}))
    live(Drawn(1, 1, 1.0, {}))
    before = states[-1]
    live(Rollback(1, (1,), "bad words", "test", ""))
    struck = states[-2]
    assert struck.display == before.display
    assert [struck.style(row, "strikethrough") for row in range(2)] == ["bad", " words"]
    assert states[-1].text == "good"


def test_stop_string_leaves_the_part_before_it() -> None:
    """The beginning of the token in which a stop string begins is shown in the end."""
    out = io.StringIO()
    provider = FakeProvider(["so", " it. END of"], lambda tokens: [0.0, 9.0] if len(tokens) > 1 else [9.0, 0.0])
    live = LiveText(out, provider.decode, pause=0, columns=lambda: 20)
    text = BacktrackSampler(provider).generate_text([0], stop=["END"], temperature=0, on_event=live, max_new_tokens=9)
    live.finish(text)
    assert text == "so it. "
    assert_same(out.getvalue(), text, 20)


def test_first_word_keeps_its_space() -> None:
    """Where a tokenizer decides a word's space from what stands before, the prompt is asked."""

    def decode(tokens: Sequence[int]) -> str:  # as sentencepiece does it
        return "".join(f" w{token}" for token in tokens)[1:]

    out = io.StringIO()
    live = LiveText(out, decode, [7, 8], pause=0)
    live(Drawn(0, 1, 1.0, {}))
    assert out.getvalue() == " w1"


def test_finish_without_a_text_shows_incomplete_characters() -> None:
    """What is left of a character that was never completed is shown at the end."""
    out = io.StringIO()
    live = LiveText(out, FakeProvider(["a", b"\xe6\xbc"]).decode, pause=0)
    live(Drawn(0, 0, 1.0, {}))
    live(Drawn(1, 1, 1.0, {}))
    assert out.getvalue() == "a"
    live.finish()
    assert out.getvalue() == "a\ufffd"
