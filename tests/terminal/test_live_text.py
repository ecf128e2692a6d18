"""Text that is typed and erased, on a terminal emulator."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence

import pytest
from emulator import Emulator
from hypothesis import given, settings
from hypothesis import strategies as st
from screens import MARGIN, assert_shows

from backtrack_sampler import BacktrackSampler
from backtrack_sampler.events import Drawn, Released, Rollback
from backtrack_sampler.matching import Detokenizer
from backtrack_sampler.strategy.base_strategy import BaseStrategy
from backtrack_sampler.terminal.live_text import LiveText
from backtrack_sampler.testing import FakeProvider

WORDS = [
    "a", " b", "word ", " the", " a longer piece of text", "supercalifragilisticexpialidocious", "     ",
    "\n", "x\n\ny", "\t", "漢", "字漢字", "😀", "é", "e\u0301", "\u0301",
    b"\xe6", b"\xbc", b"\xa2", b"\xf0\x9f", b"\x98\x80", "\x1b[2J", "",
]  # fmt: skip
PROVIDER = FakeProvider(WORDS)


def screen_of(drawn: str, columns: int, rows: int) -> Emulator:
    screen = Emulator(columns, rows)
    screen.type(drawn)
    return screen


def text_of(tokens: Sequence[int]) -> str:
    detokenizer = Detokenizer(PROVIDER.decode)
    return "".join(map(detokenizer.push, tokens)) + detokenizer.finish()


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


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(10, 30), st.integers(3, 10), st.sampled_from([0.1, 0.3, 0.6]))
def test_screen_shows_the_stream_in_the_end(seed: int, columns: int, rows: int, often: float) -> None:
    """After a stream with rollbacks, the screen has the last lines of its text, broken at words."""
    out = io.StringIO()
    provider = FakeProvider(WORDS, seed=seed)
    live = LiveText(out, provider.decode, pause=0, columns=lambda: columns, rows=lambda: rows)
    sampler = BacktrackSampler(provider, GoesBackAtRandom(seed, often))
    text = sampler.generate_text([0], max_new_tokens=30, temperature=3, seed=seed, on_event=live, max_discarded=3000)
    live.finish(text)
    assert_shows(screen_of(out.getvalue(), columns, rows), text)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(10, 30), st.integers(3, 10), st.sampled_from([0, 1e-9]))
def test_screen_is_right_after_every_event(data: st.DataObject, columns: int, rows: int, pause: float) -> None:
    """At each moment the screen has the last lines of the tokens drawn so far."""
    out = io.StringIO()
    live = LiveText(out, PROVIDER.decode, pause=pause, columns=lambda: columns, rows=lambda: rows, prompt="one\nprompt")
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
    prompt = "one\nprompt" if rows >= 6 else "…"
    detokenizer = Detokenizer(PROVIDER.decode)
    settled = "".join(map(detokenizer.push, tokens))
    assert_shows(screen_of(out.getvalue(), columns, rows), prompt + settled)
    live.finish(text_of(tokens))
    assert_shows(screen_of(out.getvalue(), columns, rows), prompt + text_of(tokens))


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
@pytest.mark.parametrize("pause", [0, 1e-9])
def test_corners_of_the_screen(kept: str, gone: str, then: str, pause: float) -> None:
    """Full lines, wide characters at the margin and accents are erased to the cell."""
    columns, rows = 5 + MARGIN, 24
    provider = FakeProvider([kept, gone, then])
    out = io.StringIO()
    live = LiveText(out, provider.decode, pause=pause, columns=lambda: columns, rows=lambda: rows)
    live(Drawn(0, 0, 1.0, {}))
    live(Drawn(1, 1, 1.0, {}))
    live(Rollback(1, (1,), gone, "test", ""))
    assert_shows(screen_of(out.getvalue(), columns, rows), kept)
    live(Drawn(1, 2, 1.0, {}))
    live.finish(kept + then)
    assert_shows(screen_of(out.getvalue(), columns, rows), kept + then)


def test_rollback_is_struck_out_first() -> None:
    """With a pause, what is about to go is shown struck out in its place."""
    states: list[Emulator] = []

    class Watching(io.StringIO):
        def flush(self) -> None:
            states.append(screen_of(out.getvalue(), 10, 9))

    out = Watching()
    live = LiveText(out, FakeProvider(["good ", "bad words"]).decode, pause=1e-9, columns=lambda: 10)
    live(Drawn(0, 0, 1.0, {}))
    live(Drawn(1, 1, 1.0, {}))
    before = states[-1]
    live(Rollback(1, (1,), "bad words", "test", ""))
    struck = states[-2]
    assert struck.display == before.display
    assert [struck.style(row, "strikethrough") for row in range(2)] == ["bad", "words"]
    assert states[-1].text == "good"


def test_stop_string_leaves_the_part_before_it() -> None:
    """The beginning of the token in which a stop string begins is shown in the end."""
    out = io.StringIO()
    provider = FakeProvider(["so", " it. END of"], lambda tokens: [0.0, 9.0] if len(tokens) > 1 else [9.0, 0.0])
    live = LiveText(out, provider.decode, pause=0, columns=lambda: 20)
    text = BacktrackSampler(provider).generate_text([0], stop=["END"], temperature=0, on_event=live, max_new_tokens=9)
    live.finish(text)
    assert text == "so it. "
    assert_shows(screen_of(out.getvalue(), 20, 9), text)


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


def test_finish_erases_what_was_pending() -> None:
    """Where the stream was broken off, what was drawn and not released is not part of the text."""
    out = io.StringIO()
    live = LiveText(out, FakeProvider(["good", " bad"]).decode, pause=0, prompt="so ")
    live(Drawn(0, 0, 1.0, {}))
    live(Drawn(1, 1, 1.0, {}))
    live.finish("good")
    live.end_line()
    assert_shows(screen_of(out.getvalue(), 80, 24), "so good\n")


def test_pauses_are_counted() -> None:
    """What struck-out text has cost is known, and a rollback of nothing that was shown costs nothing."""
    live = LiveText(io.StringIO(), FakeProvider(["a", b"\xe6"]).decode, pause=1e-9)
    for _ in range(3):
        live(Drawn(0, 0, 1.0, {}))
        live(Drawn(1, 1, 1.0, {}))
        live(Rollback(1, (1,), "", "test", ""))
        live(Rollback(0, (0,), "a", "test", ""))
    assert live.paused == pytest.approx(3e-9)
