"""The text with what was taken back in its place."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.lib.pretty import pretty
from streams import broken_off, record, taken_back

from backtrack_sampler import Drawn, Finished, Released, Rollback, Trace
from backtrack_sampler.testing import FakeProvider
from backtrack_sampler.trace.marks import static
from backtrack_sampler.trace.summary import is_stop_string

#: Words that are drawn, (after so many draws, take so many back) ..., and the text with marks.
READ = [
    (["one", " two", " three"], [(2, 1)], "one ~~two~~ three"),
    (["one", " two", " three", " four"], [(2, 1), (3, 1)], "one ~~two~~ ~~three~~ four"),
    (["one", " two", ", ", "three"], [(2, 1)], "one ~~two~~, three"),
    (["L", "ithia", "oki"], [(2, 1)], "L~~ithia~~oki"),
    (["Once", "One", " day"], [(1, 1)], "~~Once~~ One day"),
    (["the ", "city ", "town"], [(2, 1)], "the ~~city~~ town"),
    (["a.\n", "\n", " b"], [(2, 1)], "a.\n~~↵~~ b"),
    (["a", " ", " b"], [(2, 1)], "a ~~␣~~ b"),
    (["a", "\tx\ty\r\nz", " b"], [(2, 1)], "a ~~x⇥y↵z~~ b"),
    (["a", " b", " c", " d", " e"], [(4, 3)], "a ~~b c d~~ e"),
    (["a", " b", " c", " d", " e"], [(3, 1), (4, 2)], "a ~~b~~ ~~c~~ ~~d~~ e"),  # c went before d came
    (["a", " b"], [(2, 1)], "a ~~b~~"),
]


@pytest.mark.parametrize(("words", "rollbacks", "text"), READ)
def test_it_can_be_read(words: list[str], rollbacks: list[tuple[int, int]], text: str) -> None:
    """Marks stand at the words, words apart, and what was taken back is on one line."""
    trace, _ = taken_back(words, rollbacks)
    assert trace.marked() == text
    assert trace.marked("<", ">") == re.sub("~~(.*?)~~", r"<\1>", text)


@given(st.integers(0, 10**6), st.sampled_from([0.1, 0.5]), st.sampled_from([(), ("STOP",)]))
def test_nothing_is_left_out(seed: int, often: float, stop: tuple[str, ...]) -> None:
    """But for white space, the unmarked part is the text, and the marked parts are all that was taken back."""
    trace, text, _ = record(seed, often, stop=stop)
    marked = trace.marked("\ue000", "\ue001")
    kept = re.sub("\ue000.*?\ue001", "", marked, flags=re.DOTALL)
    assert "".join(kept.split()) == "".join(text.split())
    erased = re.findall("\ue000(.*?)\ue001", marked, flags=re.DOTALL)
    assert all(erased)
    rollbacks = [event for event in trace.events if isinstance(event, Rollback) and not is_stop_string(event)]
    cut = any(isinstance(event, Rollback) and is_stop_string(event) for event in trace.events)
    assert len(erased) >= len(rollbacks)
    texts, standing = trace.replay()
    if not cut:
        gone = "".join(text for index, text in enumerate(texts) if index not in set(standing))
        assert sum(map(_letters, erased)) == _letters(gone)


def _letters(text: str) -> int:
    return sum(map(text.count, "ab漢😀"))


def test_end_tokens_that_were_taken_back() -> None:
    """They have no text, and yet it is seen that the model wanted to end there."""
    trace = Trace(FakeProvider(["a", " b", ""], eos=2))
    drawn = [Drawn(0, 0, 1.0, {}), Drawn(1, 2, 1.0, {}), Rollback(1, (2,), "", "X", "too short"), Drawn(1, 1, 1.0, {})]
    for event in [*drawn, Released(0, (0, 1)), Finished("length")]:
        trace(event)
    assert trace.marked() == "a ~~[end]~~ b"
    assert Trace(FakeProvider()).marked() == ""


def test_tokens_that_were_never_streamed() -> None:
    """Nobody took them back: they are not in it."""
    assert broken_off().marked() == "a"


def test_a_stop_string_is_cut_off() -> None:
    """Nor did anybody take that back."""
    trace, text = taken_back(["so", " it", ". END of"], [(2, 1)], stop=["END"])
    assert (trace.marked(), text) == ("so ~~it~~. ", "so. ")


def test_static_html_has_only_what_every_website_keeps() -> None:
    """No attribute, no style, no script; the text is escaped, and its lines and indents are kept."""
    trace, _ = taken_back(["<script>\n  x", " &amp; y", "\n\nz", " end"], [(2, 1)])
    trace.prompt = "<i>" + "long " * 1000
    found = static(trace)
    assert set(re.findall("<(/?[^>]*)>", found)) <= {
        f"{end}{name}" for end in ("", "/")
        for name in ("p", "b", "i", "blockquote", "del", "br", "table", "thead", "tbody", "tr", "th", "td", "code")
    }  # fmt: skip
    assert "&lt;script&gt;<br>\n\u00a0\u00a0x <del>&amp;amp; y</del><br>\n<br>\nz end" in found
    assert len(found) < 2000


def test_consoles() -> None:
    """A console shows the text with marks after a line of counts; `print` only the counts."""
    trace, _ = taken_back(["one", " two", " three"], [(2, 1)])
    told = "<Trace: 3 tokens in the text; 1 attempt taken back, 1 token in all>"
    assert repr(trace) == told
    assert pretty(trace) == f"{told}\none ~~two~~ three"
