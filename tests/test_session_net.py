"""What a session forgets with the tokens that are taken back, and what it keeps: each guard has a test of its own."""

from __future__ import annotations

from backtrack_sampler import BaseStrategy, Session, SessionOptions
from backtrack_sampler.testing import ListLogits

LETTERS = "abcdef"


class Planned(BaseStrategy):
    """Offers nothing after some texts, and takes so many tokens back after others, once for each number."""

    def __init__(self, takes_back: dict[str, list[int]], dead_ends: tuple[str, ...] = ()) -> None:
        self.takes_back, self.dead_ends = takes_back, dead_ends

    def on_probs(self, probs, tokens):
        return {} if text(tokens) in self.dead_ends else probs

    def backtrack(self, tokens):
        counts = self.takes_back.get(text(tokens))
        return counts.pop(0) if counts else 0

    def pending(self, tokens):
        return len(tokens)


def text(tokens) -> str:
    return "".join(LETTERS[token] for token in tokens)


def session(strategy: BaseStrategy, **options) -> Session:
    return Session([strategy], SessionOptions(temperature=0, **options), decode=text)


def write(s: Session, *liked: str) -> str:
    """A step for each of these; in it the model likes these letters best, the first one most."""
    for letters in liked:
        row = ListLogits([-10.0] * len(LETTERS))
        for rank, letter in enumerate(letters):
            row[LETTERS.index(letter)] = -float(rank)
        s.step(row)
    return text(s.tokens)


def test_a_ban_goes_with_the_text_before_it() -> None:
    """A dead end has banned c after "ab"; once that "b" is taken back, c may follow "ad"."""
    s = session(Planned({"abe": [2]}, dead_ends=("abc",)))
    assert write(s, "a", "b", "c", "a") == "ab"  # "abc" leads nowhere
    assert write(s, "ce") == "a"  # e is drawn, as c is banned, and taken back together with b
    assert write(s, "d", "ce") == "adc"


def test_a_ban_stands_as_long_as_the_text_before_it() -> None:
    """What is taken back behind "ab" lifts no ban there."""
    s = session(Planned({"abef": [2]}, dead_ends=("abc",)))
    assert write(s, "a", "b", "c", "a", "ce", "f") == "ab"
    assert write(s, "cd") == "abd"


def test_failed_attempts_are_counted_for_a_text() -> None:
    """Two attempts failed after "ab"; after "ae" they are no longer counted, and one more may fail there."""
    s = session(Planned({"abc": [1, 1], "abd": [2], "aec": [1]}), max_retries=2)
    assert write(s, "a", "b", "c", "c", "d") == "a"
    assert write(s, "e", "c") == "ae"


def test_failed_attempts_are_counted_as_long_as_the_text_stands() -> None:
    """One attempt failed after "ab", and one behind it: the next one after "ab" is one too many, and takes b back."""
    s = session(Planned({"abc": [1], "abdf": [1], "abde": [2]}), max_retries=1)
    assert write(s, "a", "b", "c", "d", "f") == "abd"
    assert write(s, "e") == "a"
    assert write(s, "bd") == "ad"  # and bans it


def test_half_a_stop_string_goes_with_its_tokens() -> None:
    """Of "cd", the c is taken back: the d behind something else stops nothing."""
    s = session(Planned({"ac": [1]}), stop=["cd"])
    assert write(s, "a", "c", "d") == "ad"
    assert not s.finished
    assert write(s, "c", "d") == "ad"
    assert s.stats.finish_reason == "stop"


def test_a_whole_stop_string_that_is_taken_back() -> None:
    """A strategy takes the end of a stop string back: the stream goes on, also when it is drawn anew."""
    s = session(Planned({"acd": [1]}), stop=["cd"])
    assert write(s, "a", "c", "d") == "ac"
    assert not s.finished
    assert write(s, "e", "f") == "acef"
