"""The page of a comparison, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made import HOSTILE, made, text_of
from playwright.sync_api import Page

from backtrack_sampler.compare import Comparison
from backtrack_sampler.compare.page import _parts, _shared

Open = Callable[..., Page]


@pytest.fixture
def show(visit: Open, tmp_path: Path) -> Open:
    """Opens the page of a comparison."""
    numbers = count()

    def open_it(comparison: Comparison, **options: Any) -> Page:
        file = tmp_path / f"{next(numbers)}.html"
        comparison.to_html(file)
        return visit(file, **{"viewport": {"width": 1200, "height": 800}, **options})

    return open_it


def contents(page: Page, selector: str) -> list[str]:
    found: list[str] = page.locator(selector).evaluate_all("all => all.map((each) => each.textContent)")
    return found


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(chance=st.integers(0, 10**6))
def test_all_texts_are_there(show: Open, chance: int) -> None:
    """Whatever models write stands on the page as text and does nothing, beside the others of its prompt and seed."""
    found = made(["none", "<b>antislop</b>", "creative-writing"], prompts=3, chance=chance)
    page = show(found)
    shown = contents(page, "article .text")
    assert [text if text != "(nothing)" else "" for text in shown] == [text.text for text in found.texts]
    assert contents(page, "article h4") == [text.contender for text in found.texts]
    assert [len(row) for row in page.locator(".row").evaluate_all("all => all.map((row) => [...row.children])")] == [
        3
    ] * 6
    assert contents(page, "h3") == [f"seed {seed}" for seed in range(6)]
    assert contents(page, "thead th") == ["", *found.contenders]
    assert page.locator("img, b, article script").count() == 0
    for said, text in zip(contents(page, ".said"), found.texts, strict=True):
        assert said == f"failed: {text.error}" if text.error else f"{text.tokens:,} token" in said
        assert text.error or (f"{text.discarded} taken back" in said) == bool(text.rollbacks)


def test_found_phrases_are_marked(show: Open) -> None:
    """What was found is marked where it stands, also behind characters that JavaScript counts twice."""
    found = Comparison(["p"], ["none", "x"], 1, {}, "list")
    one = text_of("none", 0, 0, "😀 they Delve, a tapestry of 😀")
    found.add([one, text_of("x", 0, 0, "")], {}, 1)
    page = show(found)
    assert contents(page, "article mark") == ["Delve", "tapestry of"]
    assert contents(page, ".said")[0].startswith("7 tokens · 2 phrases")


def test_what_is_as_before_is_grey(show: Open) -> None:
    """The beginning that the baseline has as well is grey, in whole words; the same text is grey all over, and says so."""
    found = Comparison(["p"], ["none", "x", "y"], 1, {}, "list")
    texts = ["we delve into that", "we delve into this", "we delve into that"]
    found.add([text_of(name, 0, 0, text) for name, text in zip(found.contenders, texts, strict=True)], {}, 1)
    page = show(found)
    grey = page.locator("article").evaluate_all(
        "all => all.map((each) => [...each.querySelectorAll('.shared')].map((part) => part.textContent).join(''))"
    )
    assert grey == ["", "we delve into ", "we delve into that"]
    assert ["the same text" in said for said in contents(page, ".said")] == [False, False, True]


def test_columns_can_be_put_away(show: Open) -> None:
    """Without its tick a contender's texts are gone, and the others have their room."""
    page = show(made(prompts=2, seeds=1))
    assert page.locator("article:visible").count() == 8
    page.locator("#bar label", has_text="antislop").click()
    assert "antislop" not in contents(page, "article:not([hidden]) h4")
    assert page.locator("article:visible").count() == 6
    page.locator("#bar label", has_text="antislop").click()
    assert page.locator("article:visible").count() == 8


@pytest.mark.parametrize("width", [320, 390, 800, 2000])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_any_screen(show: Open, width: int, scheme: str) -> None:
    """The page never scrolls sideways, only its table does; on a phone texts stand below each other, on a wide screen side by side."""
    found = made(["none", "antislop:slops=" + "x" * 80, *"abc"], chance=3, size=50)
    found.settings["model"] = "m" * 300
    page = show(found, viewport={"width": width, "height": 700}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    tops = page.locator(".row").first.evaluate("row => new Set([...row.children].map((each) => each.offsetTop)).size")
    assert tops == {320: 5, 390: 5, 800: 2, 2000: 1}[width]
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == (
        "rgb(253, 253, 251)" if scheme == "light" else "rgb(21, 23, 26)"
    )


def test_nothing_is_complete_yet(show: Open) -> None:
    """A comparison without texts is a page as well."""
    page = show(made(done=0))
    assert page.locator("article").count() == 0
    assert "0 of 2 prompts" in contents(page, "#facts")[0]


@given(
    st.lists(st.sampled_from([*HOSTILE, "delve", " "]), max_size=12),
    st.lists(st.sampled_from([*HOSTILE, "delve", " "]), max_size=12), st.integers(0, 12),
)  # fmt: skip
def test_parts_make_the_text(parts: list[str], others: list[str], same: int) -> None:
    """Pieces together are the text; those that are marked are what was found, those that are grey what both begin with."""
    text, baseline = text_of("x", 0, 0, "".join(parts)), "".join(parts[:same] + others)
    pieces = _parts(text, baseline)
    assert "".join(piece for _, piece in pieces) == text.text
    assert all(piece for _, piece in pieces)
    places = [place for start, end in text.places for place in range(start, end)]
    marked = [what & 1 for what, piece in pieces for _ in piece]
    assert [place for place, is_marked in enumerate(marked) if is_marked] == places
    grey = "".join(piece for what, piece in pieces if what & 2)
    assert baseline.startswith(grey)
    assert len(grey) == _shared(text.text, baseline)
    assert grey in ("", text.text) or grey[-1].isspace()
