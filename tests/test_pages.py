"""What all pages are put together from."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrack_sampler.pages import document

PACKAGES = ["backtrack_sampler.compare", "backtrack_sampler.trace", "backtrack_sampler.benchmark.report"]
HOSTILE = [
    "</script>",
    "<script>alert(1)</script>",
    "<!--",
    "-->",
    "]]>",
    "&lt;",
    "{{data}}",
    "{{script}}",
    "\ud800",
    "\x00",
    '"',
    "</title>",
]

anything = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=5), max_size=6).map("".join)


class Reader(HTMLParser):
    """Which elements there are, and what stands in the script that holds the data."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.data = self.title = ""
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self._inside = "data" if ("id", "data") in attrs else tag

    def handle_data(self, data: str) -> None:
        if self._inside == "data":
            self.data += data
        elif self._inside == "title":
            self.title += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def _places(package: str) -> list[str]:
    """The names in a package's page that parts are put in the place of."""
    html = resources.files(package).joinpath("page.html").read_text(encoding="utf-8")
    return re.findall(r"\{\{(\w+)\}\}", html)


def filled(package: str, part: str = "") -> dict[str, str]:
    """The same part for each place of a package's page."""
    return dict.fromkeys(_places(package), part)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


@pytest.mark.parametrize("package", PACKAGES)
@given(anything, st.dictionaries(anything, anything | st.integers() | st.lists(anything)))
def test_whatever_the_data_it_comes_back(package: str, title: str, data: dict[str, Any]) -> None:
    """Title and data are read as they were given, and no element comes or goes with them."""
    given, empty = (read(document(package, *each, **filled(package))) for each in ((title, data), ("", {})))
    assert given.tags == empty.tags
    assert json.loads(given.data) == data
    assert not set(given.data) & set("<>&")
    assert given.title == title.replace("\ud800", "?").encode(errors="replace").decode()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_part_cannot_hold_the_name_of_another(package: str) -> None:
    """What is put in one place is not looked through for other places."""
    page = document(package, "{{script}}", ["{{style}}"], **filled(package, "{{title}}"))
    assert "<title>{{script}}</title>" in page
    assert '["{{style}}"]' in page
    assert page.count("{{title}}") == len(_places(package))


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_is_loaded(package: str) -> None:
    """Neither does a page refer to anything outside, nor may it: its policy names two hashes and nothing else."""
    page = document(package, "", {}, **filled(package))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert re.fullmatch(
        r"default-src 'none'; img-src data:; script-src 'sha256-[\w+/=]+'; style-src 'sha256-[\w+/=]+'", policy[1]
    )
    page = page.replace("http://www.w3.org/2000/svg", "")  # the name of a language
    assert not re.search(r"https?://|@import|url\((?!#)", page)
