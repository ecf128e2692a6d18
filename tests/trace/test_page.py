"""The page of a trace, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, FrameLocator, Locator, Page
from streams import broken_off, record, taken_back

from backtrack_sampler import (
    AntiSlopStrategy,
    BacktrackSampler,
    Drawn,
    Finished,
    OperatorStrategy,
    Released,
    Trace,
)
from backtrack_sampler.operators import NGramOverlap, Step
from backtrack_sampler.testing import FakeProvider
from backtrack_sampler.trace.page import page as page_of

Open = Callable[..., Page]


@pytest.fixture
def show(visit: Open, tmp_path: Path) -> Open:
    """Opens the page of a trace."""
    numbers = count()

    def open_it(trace: Trace | str, **options: Any) -> Page:
        file = tmp_path / f"{next(numbers)}.html"
        if isinstance(trace, Trace):
            trace.to_html(file)
        else:
            file.write_text(trace, encoding="utf-8")
        return visit(file, **options)

    return open_it


def continuation(page: Page) -> Locator:
    return page.locator("#continuation")


def shown(locator: Locator) -> str:
    """What a person sees, and gets by copying."""
    text: str = locator.evaluate("element => element.innerText")
    return text


def chips(page: Page) -> list[str]:
    """The labels of the chips in sight, in order."""
    return [chip.get_attribute("data-label") or "" for chip in page.locator(".chip:visible").all()]


def card(page: Page) -> str:
    assert page.locator("#card").is_visible()
    return page.locator("#card").inner_text()


# -- the text and what was taken back --------------------------------------------------------


@pytest.mark.slow
def test_a_real_stream(show: Open, smollm: Any) -> None:
    """Of SmolLM2 with anti-slop: folded, exactly the text; unfolded, also what was taken back, and who and why."""
    prompt = "Once upon a time"
    trace = Trace(smollm, prompt)
    sampler = BacktrackSampler(smollm, AntiSlopStrategy(smollm, ["the", "a"], whole_words=True))
    text = sampler.generate_text(prompt, max_new_tokens=120, seed=1, on_event=trace)
    page = show(trace)
    assert shown(continuation(page)) == text
    assert shown(page.locator("#prompt")) == prompt
    page.click("#all")
    assert page.locator(".gone").count() == sampler.stats.rollbacks > 0
    erased = page.locator(".gone .t").all_text_contents()
    assert len(erased) == sampler.stats.discarded
    assert {word.strip().lower() for word in erased} & {"the", "a"}
    page.click("#all")
    assert shown(continuation(page)) == text
    page.locator(".chip").first.hover()
    assert "AntiSlopStrategy: found '" in card(page)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.sampled_from([(), ("STOP",)]))
def test_any_stream(browser: Browser, seed: int, stop: tuple[str, ...]) -> None:
    """Whatever was drawn, markup and control characters too, the page has exactly the text, and all that is erased."""
    trace, text, stats = record(seed, stop=stop)
    page = browser.new_page()
    try:
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.set_content(page_of(trace))
        assert continuation(page).text_content() == text
        if stats.discarded:
            page.click("#all")
        kept = page.evaluate(
            "[...document.querySelectorAll('#continuation .t, .rest')].filter(t => !t.closest('.gone')).map(t => t.textContent)"
        )
        assert "".join(kept) == text
        attempts = page.evaluate("[...document.querySelectorAll('.gone')].map(a => a.textContent)")
        assert len(attempts) == trace.rollbacks + sum(1 for row in trace.by_whom if "stop string" in row.reasons)
        assert sum(map(len, attempts)) >= sum(len(part) for part in erased_texts(trace))
        assert complaints == []
    finally:
        page.close()


def erased_texts(trace: Trace) -> list[str]:
    texts, standing = trace.replay()
    return [text for index, text in enumerate(texts) if index not in set(standing)]


def test_unfolding_in_place(show: Open) -> None:
    """A chip unfolds where the tokens were taken back, once more folds; what is inside has chips of its own."""
    words = ["one", " two", " three", " four", " five", " six"]
    trace, text = taken_back(words, [(3, 1), (5, 3)])  # three goes, then two, four and five
    page = show(trace)
    assert shown(continuation(page)) == text == "one six"
    assert chips(page) == ["↺ 3 tokens"]
    page.locator(".chip").click()
    assert shown(continuation(page)) == "one two four five six"
    assert shown(page.locator(".gone")) == " two four five"
    assert chips(page) == ["↺ 3 tokens", "↺ 1 token"]
    assert page.locator(".gone").evaluate("e => getComputedStyle(e).textDecorationLine") == "line-through"
    page.locator(".gone .chip").click()
    assert shown(continuation(page)) == "one two three four five six"
    page.locator(".chip").first.click()
    assert shown(continuation(page)) == text
    assert chips(page) == ["↺ 3 tokens"]


def test_attempts_at_one_place_are_one_chip(show: Open) -> None:
    """Fifty attempts at the same place are one chip, which unfolds to a list with reasons."""
    words = ["start", *(f" try{number}" for number in range(50)), " end"]
    trace, text = taken_back(words, [(number, 1) for number in range(2, 52)])
    page = show(trace)
    assert (chips(page), shown(continuation(page)), text) == (["↺ 50 attempts"], "start end", "start end")
    page.locator(".chip").hover()
    assert "Taken back here: 50 attempts, 50 tokens" in card(page)
    assert "and 42 more" in card(page)
    page.locator(".chip").click()
    assert page.locator(".gone").all_text_contents() == [f" try{number}" for number in range(50)]
    reason = page.locator(".gone").first.evaluate("e => getComputedStyle(e, '::after').content")
    assert reason == '"scripted"'


def test_unfold_all(show: Open) -> None:
    """Button and key unfold everything, at any depth, and fold it again."""
    trace, _, stats = record(5, 0.25, eos=-1)
    page = show(trace)
    page.click("#all")
    assert page.locator(".gone").count() == stats.rollbacks
    assert page.locator(".gone .gone").count() > 0
    assert page.locator("#all").inner_text() == "Fold all"
    page.keyboard.press("u")
    assert page.locator(".gone:visible").count() == 0
    assert page.locator(".t:visible").count() > 0
    page.keyboard.press("u")
    assert page.locator(".gone").count() == stats.rollbacks


def test_nothing_was_taken_back(show: Open) -> None:
    """Then there is nothing to unfold, and the page says so where it says how to read it."""
    page = show(taken_back(["a", " b"], [])[0])
    assert page.locator("#all").is_disabled()
    assert table(page) == [["Scripted", "0", "0", "took nothing back"]]
    assert "Nothing was taken back." in shown(page.locator("#lead"))
    assert not page.locator("#sample").is_visible()
    assert figures(page)["of all tokens drawn"] == "0%"
    assert shown(continuation(page)) == "a b"


def test_an_empty_stream(show: Open) -> None:
    """A stream without a token has a page too."""
    trace = Trace(FakeProvider(), "a")
    trace(Finished("exhausted"))
    page = show(trace)
    assert shown(page.locator("#text")) == "a"
    assert not page.locator("#timeline").is_visible()
    assert figures(page)["ended by"] == "nothing that was allowed was left"
    assert not page.locator("#whom").is_visible()


def test_stop_string(show: Open) -> None:
    """What a stop string leaves of its token is in the text; the rest is a chip of its own, and no rollback."""
    trace, text = taken_back(["so", " it. END of"], [], stop=["END"])
    page = show(trace)
    assert shown(continuation(page)) == text == "so it. "
    assert chips(page) == ["stop string"]
    page.locator(".chip").click()
    assert shown(page.locator(".gone")) == " it. END of"
    assert figures(page)["attempts taken back"] == "0"


def test_tokens_that_were_never_streamed(show: Open) -> None:
    """Where a stream is broken off, what was held is no part of the text, but there to unfold."""
    page = show(broken_off())
    assert (shown(continuation(page)), chips(page)) == ("a", ["4 tokens held"])
    page.locator(".chip").click()
    assert shown(page.locator(".gone")) == "bbbb"
    assert figures(page)["ended by"] == "being broken off"


def test_end_token_is_a_mark(show: Open) -> None:
    """An end token has no text; a mark stands for it, that is not copied."""
    trace, _ = taken_back(["a"], [])
    page = show(trace)
    assert shown(continuation(page)) == "a"
    mark = page.locator(".mark")
    assert mark.evaluate("e => getComputedStyle(e, '::before').content") == '"end"'
    mark.hover()
    assert "end of text" in card(page)


def test_white_space_is_kept(show: Open) -> None:
    """Newlines, tabs and several spaces are shown as they are; other controls as a picture beside themselves."""
    trace, text = taken_back(["a\n", "\n", "  b\t", "c ", "\x1b[2J", "\r", "\u202e", "d"], [])
    page = show(trace)
    assert shown(continuation(page)) == text
    assert page.locator(".c").evaluate_all("all => all.map(e => e.dataset.c)") == ["\\x1b", "\\r", "\\u202e"]


# -- what is said about it --------------------------------------------------------------------


def figures(page: Page) -> dict[str, str]:
    """The counts and settings, by name."""
    found: dict[str, str] = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('#counts div, #how div')]"
        ".map(d => [d.querySelector('dt').textContent, d.querySelector('dd').textContent]))"
    )
    return found


def table(page: Page) -> list[list[str]]:
    """Who took back how much and why, row by row, without its head."""
    return [[cell.strip() for cell in row.split("\t")] for row in page.locator("tr").all_inner_texts()[1:]]


def test_counts(show: Open) -> None:
    """The counts are the sampler's; a table says who took back how much and why."""
    trace, _, stats = record(3, 0.5, tokens=300, eos=-1)
    page = show(trace)
    told = figures(page)
    assert told["tokens in the text"] == f"{stats.emitted:,}"
    assert told["tokens taken back"] == f"{stats.discarded:,}"
    assert told["attempts taken back"] == f"{stats.rollbacks:,}"
    cells = page.locator("#whom td").all_inner_texts()
    assert cells[:3] == ["GoesBack\nseed=3\noften=0.5", f"{stats.rollbacks:,}", f"{stats.discarded:,}"]
    (row,) = trace.by_whom
    assert cells[3].split("\n") == [
        f"{why or '(no reason given)'} ×{times}" for why, times in row.reasons.most_common()
    ]


def test_how_to_read_it_comes_first(show: Open) -> None:
    """Under the heading stands how to read the page, with a mark to click, which goes to the first and unfolds it."""
    trace, _ = taken_back([f"\n{number}" for number in range(90)], [(71, 3), (80, 1), (81, 1)])
    page = show(trace)
    lead = page.locator("h1 + *")
    for word in ("token", "colour", "taken back", "struck out", "Point at"):
        assert word in shown(lead)
    colours = lead.locator("i").evaluate_all("all => all.map(e => getComputedStyle(e).backgroundColor)")
    assert colours == page.locator("#legend i").evaluate_all(
        "all => all.slice(1).map(e => getComputedStyle(e).backgroundColor)"
    )
    assert lead.locator("del").evaluate("e => getComputedStyle(e).textDecorationLine") == "line-through"
    assert "Nothing was taken back" not in shown(lead)
    page.click("#sample")
    assert page.locator(".gone:visible").all_text_contents() == ["\n68\n69\n70"]
    assert page.evaluate("document.activeElement.dataset.label") == "↺ 3 tokens"
    assert page.evaluate("scrollY") > 500


def test_settings_and_all_strategies(show: Open) -> None:
    """Model, seed, temperature, filters and every strategy with its parameters stand there, also one that did nothing."""
    provider = FakeProvider(["a", "b", "c", ""], eos=-1)
    provider.model_name = "a-model.gguf"
    slops = ["b", *(f"phrase {number}" for number in range(8000))]
    trace = Trace(provider, "a")

    def no_z(step: Step) -> int:
        return 0

    strategies = [AntiSlopStrategy(provider, slops), OperatorStrategy(NGramOverlap(20)), OperatorStrategy(no_z)]
    options: dict[str, Any] = {"temperature": 0.7, "top_p": 0.9, "max_new_tokens": 9, "stop": ["zz"], "seed": 11}
    BacktrackSampler(provider, strategies).generate_text("a", on_event=trace, **options)
    page = show(trace)
    told = figures(page)
    assert list(told.items())[4:] == [
        ("model", "a-model.gguf"), ("seed", "11"), ("temperature", "0.7"), ("top-k", "50"), ("top-p", "0.9"),
        ("at most", "9 tokens"), ("stop at", "“zz”"), ("ended by", "the limit on its length"),
    ]  # fmt: skip
    rows = table(page)
    assert rows[0][0] == "AntiSlopStrategy\nslops=[“b”, “phrase 0”, “phrase 1”, … 8,001 in all]"
    assert int(rows[0][1]) == trace.rollbacks > 0
    assert rows[1:] == [
        ["NGramOverlap\nngram_size=20, backtrack_count=1", "0", "0", "took nothing back"],
        ["no_z", "0", "0", "took nothing back"],
    ]


def test_a_trace_that_does_not_say_how_it_was_made(show: Open) -> None:
    """Older files have no settings: what there is, is shown."""
    trace, text = taken_back(["one", " two", " three"], [(2, 1)])
    trace.started = None
    page = show(trace)
    assert list(figures(page).items())[4:] == [("ended by", "an end token")]
    assert table(page) == [["Scripted", "1", "1", "scripted"]]
    assert shown(continuation(page)) == text


def test_card_of_a_token(show: Open) -> None:
    """Pointing at a token shows its probability and, as bars, what else could have been drawn."""
    trace = Trace(FakeProvider(["yes", " no", "may\nbe", ""]), alternatives=2)
    trace(Drawn(0, 1, 0.03, {0: 0.8, 2: 0.1, 1: 0.03}))
    trace(Released(0, (1,)))
    page = show(trace)
    assert not page.locator("#card").is_visible()
    page.locator(".t").hover()
    rows = page.locator("#card .row").all_inner_texts()
    assert [row.split() for row in rows] == [
        ["yes", "80%"], ["may↵be", "10%"], ["␣no", "3.0%"], ["all", "others", "7.0%"],
    ]  # fmt: skip
    widths = page.locator("#card .row b").evaluate_all("all => all.map(b => b.style.width)")
    assert widths == ["80%", "10%", "3%", "7%"]
    assert page.locator("#card .row.drawn").inner_text().split() == ["␣no", "3.0%"]
    assert "draw 1 of 1" in card(page)
    page.locator("h1").hover()
    assert not page.locator("#card").is_visible()


def test_card_of_a_character_that_spans_tokens(show: Open) -> None:
    """The token that completes a character says which ones began it."""
    face = "😀".encode()
    page = show(taken_back(["a", face[:1], face[1:3], face[3:], "b"], [])[0])
    assert page.locator(".t").all_text_contents() == ["a", "😀", "b", ""]
    page.locator(".t").nth(1).hover()
    assert "began in token 1, 2" in card(page)
    page.locator(".t").nth(2).hover()
    assert "began" not in card(page)


def test_keys(show: Open) -> None:
    """Arrow keys go from token to token and to chips, n and p from rollback to rollback; Enter unfolds."""
    trace, _ = taken_back(["one", " two", " three", " four", " five"], [(2, 1), (4, 1)])
    page = show(trace)
    page.locator("#text").focus()
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
        seen.append(card(page).split("\n")[0])
    assert seen == ["one", "Taken back: 1 token", "␣three", "Taken back: 1 token", "one"]
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    assert shown(page.locator(".gone")) == " two"
    page.keyboard.press("n")
    assert "␣four" in card(page)
    page.keyboard.press("p")
    assert "␣two" in card(page)
    page.keyboard.press("Escape")
    assert not page.locator("#card").is_visible()
    page.keyboard.press("c")
    assert not page.locator("#colour").is_checked()


def test_tapping(show: Open) -> None:
    """On a phone a tap on a token shows its card, another place hides it, and a chip unfolds."""
    trace, _ = taken_back(["one", " two", " three"], [(2, 1)])
    page = show(trace, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page.locator(".t").first.tap()
    assert card(page).startswith("one")
    page.locator("h1").tap()
    assert not page.locator("#card").is_visible()
    page.locator(".chip").tap()
    assert shown(page.locator(".gone")) == " two"


def test_colours(show: Open) -> None:
    """The less probable, the darker on white and the lighter on black; a legend says how, and they can be left out."""
    shares = (0.9, 0.3, 0.1, 0.02, 0.001)
    trace = Trace(FakeProvider(["a", ""]))
    for position, share in enumerate(shares):
        trace(Drawn(position, 0, share, {}))
    trace(Released(0, (0,) * len(shares)))
    lightness = """all => all.map(e => {
      const [r, g, b, a] = getComputedStyle(e).backgroundColor.match(/[\\d.]+/g).map(Number);
      return a === 0 ? null : 0.2126 * r + 0.7152 * g + 0.0722 * b;
    })"""
    for scheme, direction in (("light", -1), ("dark", 1)):
        page = show(trace, color_scheme=scheme)
        found = page.locator(".t").evaluate_all(lightness)
        assert found[0] is None
        assert found[1:] == sorted(found[1:], reverse=direction < 0)
        assert len(set(found)) == len(shares)
        assert page.locator("#legend i").evaluate_all(lightness) == found
        page.locator("#colour").uncheck()
        assert set(page.locator(".t").evaluate_all(lightness)) == {None}


def test_timeline(show: Open) -> None:
    """A line climbs with each token and falls at each rollback; clicking it goes to the place, and unfolds it."""
    words = ["one", " two", " three", " four", *[f"\nline{number}" for number in range(300)]]
    trace, _ = taken_back(words, [(3, 2)])
    page = show(trace)
    box = page.locator("#timeline").bounding_box()
    assert box is not None
    lines = {name: page.locator(f"#timeline .{name}").get_attribute("d") for name in ("kept", "erased", "drop")}
    length = len(words) - 2 + 1  # and the end token
    assert lines["erased"] == f"M1 {length - 1}L3 {length - 3}"
    assert lines["drop"] == f"M3 {length - 3}V{length - 1}"
    assert lines["kept"] == f"M0 {length}L1 {length - 1}M3 {length - 1}L{len(words) + 1} 0"
    draws = len(words) + 1
    page.mouse.click(box["x"] + box["width"] * 250.5 / draws, box["y"] + 5)
    assert page.evaluate("document.activeElement.textContent") == words[250]
    assert page.evaluate("scrollY") > 1000
    assert page.locator(":focus").evaluate(
        "e => e.getBoundingClientRect().top > 0 && e.getBoundingClientRect().top < innerHeight"
    )
    page.mouse.click(box["x"] + box["width"] * 2.5 / draws, page.locator("#timeline").bounding_box()["y"] + 5)  # type: ignore[index]
    assert page.evaluate("document.activeElement.textContent") == " three"
    assert shown(page.locator(".gone")) == " two three"


# -- what must not happen ---------------------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>", "</script><script>alert(2)</script>", "<!--", "<img src=x onerror=alert(3)>", "\u2028",
    "-->", "]]>", "</style>", "{{script}}", "<iframe src=https://example.com></iframe>", "&lt;", "\x00", "\\u003cscript>",
]  # fmt: skip


def test_hostile_text_is_text(show: Open) -> None:
    """Whatever a model, a prompt, a strategy's name or reason says is shown and never runs; nothing is asked for."""
    provider = FakeProvider([*HOSTILE, ""])

    class Evil(AntiSlopStrategy):
        pass

    Evil.__name__ = "<img src=x onerror=alert(4)>"
    prompt = "".join(HOSTILE[:4])
    trace = Trace(provider, prompt)
    sampler = BacktrackSampler(provider, Evil(provider, [HOSTILE[0], "--"]))
    text = sampler.generate_text(prompt, temperature=3, max_new_tokens=60, seed=2, on_event=trace)
    assert sampler.stats.rollbacks > 0
    page = show(trace)
    assert continuation(page).text_content() == text
    assert page.locator("#prompt").text_content() == prompt
    page.click("#all")
    for chip in page.locator("#continuation .chip").all()[:5]:
        chip.hover()
    assert "Evil" not in page.locator("#whom").inner_text()
    assert Evil.__name__ in page.locator("#whom").inner_text()
    assert page.locator("script").count() == 2
    assert page.locator("img, iframe, #text style").count() == 0


def test_only_the_page_s_own_script_may_run(browser: Browser) -> None:
    """Even text that became markup could neither run nor load anything: the page forbids it."""
    page = browser.new_page()
    page.set_content(page_of(taken_back(["a"], [])[0]))
    done: list[bool] = page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
          return [window.ran === true];
        }"""
    )
    assert done == [False]
    policy = page.locator("meta[http-equiv]").get_attribute("content") or ""
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    page.close()


def test_notebook(show: Open) -> None:
    """In a notebook each trace is in a frame of its own: pages neither meet each other nor the notebook."""
    first, text = taken_back(["one", " two", " three"], [(2, 1)])
    second, other = taken_back(["</iframe>", "&quot;\"'>"], [])
    notebook = (
        f"<!doctype html><meta charset=utf-8><style>body{{margin:0}}</style>{first._repr_html_()}{second._repr_html_()}"
    )
    page = show(notebook)
    frames = [page.frame_locator("iframe").nth(index) for index in range(2)]
    assert [frame.locator("#continuation").inner_text() for frame in frames] == [text, other]
    frames[0].locator(".chip").click()
    assert frames[0].locator("#continuation").inner_text() == "one two three"
    assert page.locator("body > *").count() == 2
    assert shown(page.locator("body")).strip() == ""  # what is there for places without frames is not seen
    assert page.evaluate("getComputedStyle(document.body).maxWidth") == "none"
    assert page.evaluate("document.querySelector('iframe').contentDocument") is None


def test_a_notebook_on_a_website(show: Open) -> None:
    """Websites take out frames, styles and scripts: what was erased is there all the same, struck out in its place."""
    trace, _ = taken_back(["one", " two", " <b>three", " four"], [(2, 1), (4, 1)])
    left = re.sub(r"<(style|iframe|script)\b.*?</\1>", "", trace._repr_html_(), flags=re.DOTALL)
    left = re.sub(r' (style|class)="[^"]*"', "", left)
    page = show(f"<!doctype html><meta charset=utf-8>{left}")
    assert shown(page.locator("blockquote")) == "one two <b>three four"
    assert page.locator("blockquote del").all_inner_texts() == ["two", "four"]
    assert "2 attempts taken back, 2 tokens" in shown(page.locator("body"))
    assert table(page) == [["Scripted", "2", "2", "scripted ×2"]]


def test_without_scripts(show: Open) -> None:
    """Where scripts are switched off, the page is the text with what was taken back struck out, and nothing else."""
    trace, _ = taken_back(["one", " two", " three"], [(2, 1)])
    without_scripts(show(trace, java_script_enabled=False))


def test_a_notebook_without_scripts(browser: Browser) -> None:
    """So is the page in a notebook's frame."""
    trace, _ = taken_back(["one", " two", " three"], [(2, 1)])
    page = browser.new_page()
    page.set_content(trace._repr_html_().replace("allow-scripts", ""))
    without_scripts(page.frame_locator("iframe"))
    assert page.locator("iframe + div").is_hidden()
    page.close()


def without_scripts(page: Page | FrameLocator) -> None:
    assert page.locator("blockquote").inner_text() == "one two three"
    assert page.locator("blockquote del").inner_text() == "two"
    for name in ("#lead", "#bar", "#whom", "footer"):
        assert not page.locator(name).is_visible()


# -- sizes -------------------------------------------------------------------------------------


def test_a_phone(show: Open) -> None:
    """On a narrow screen nothing is wider than the screen, also with long words, unfolded, and with a card."""
    trace, _ = taken_back(["x" * 400, " two" * 60, "y" * 400], [(2, 1)])
    page = show(trace, viewport={"width": 360, "height": 700})
    page.click("#all")
    page.locator(".t").last.hover()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    box = page.locator("#card").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360


def test_print(show: Open) -> None:
    """On paper there are no buttons, and black text on white, whatever the screen's colours."""
    page = show(taken_back(["one", " two", " three"], [(2, 1)])[0], color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator("#all").is_visible()
    assert page.locator("#text").evaluate("e => getComputedStyle(e).color") == "rgb(0, 0, 0)"


def test_a_long_prompt_has_its_own_box(show: Open) -> None:
    """A long prompt scrolls by itself, so that the text is in sight."""
    trace = Trace(FakeProvider(), "a" * 5000)
    for event in (Drawn(0, 1, 1.0, {}), Released(0, (1,)), Finished("length")):
        trace(event)
    page = show(trace)
    assert page.locator("#prompt").text_content() == "a" * 5000
    assert page.locator(".t").evaluate("e => e.getBoundingClientRect().top < innerHeight")


@pytest.mark.slow
def test_five_thousand_tokens(show: Open) -> None:
    """A long stream is drawn without what was taken back, which is drawn when it is unfolded, all of it too."""
    trace, text, stats = record(1, 0.2, tokens=5000, eos=-1, max_discarded=10**6)
    assert stats.emitted == 5000
    assert stats.rollbacks > 2000
    page = show(trace)
    assert continuation(page).text_content() == text
    assert page.evaluate("document.querySelectorAll('*').length") < 9000
    page.click("#all")
    texts, standing = trace.replay()
    erased = set(range(len(texts))) - set(standing)
    assert page.locator(".gone").count() == stats.rollbacks
    assert page.evaluate("document.querySelectorAll('.gone .t').length") >= sum(1 for index in erased if texts[index])
    page.click("#all")
    assert page.locator(".gone:visible").count() == 0
    page.locator(".t:visible").nth(4000).hover()
    assert card(page)
