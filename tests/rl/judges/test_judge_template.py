"""Questions with places in them."""

from __future__ import annotations

import pytest

from backtrack_sampler import InputError
from backtrack_sampler.rl.judges.template import Template


def test_only_the_places_are_filled_in() -> None:
    """Each as often as it stands there; other braces stay, and so does what a value has of them."""
    template = Template('{prompt}|{text}|{prompt} {"score": 7} {} {other} {{text}}', ["prompt", "text"])
    assert template.fill({"prompt": "{text}", "text": r"\1 {prompt}"}) == (
        r'{text}|\1 {prompt}|{text} {"score": 7} {} {other} {\1 {prompt}}'
    )


def test_a_template_without_its_places_is_refused() -> None:
    """All that are missing are named."""
    with pytest.raises(InputError, match="no {prompt} and no {text}: write it"):
        Template("Is it good?", ["prompt", "text"])
    with pytest.raises(InputError, match="template has no {text}: "):
        Template("{prompt}", ["prompt", "text"])
