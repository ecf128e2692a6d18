"""Docstrings, in parts."""

from __future__ import annotations

import pytest

from backtrack_sampler.cli.docstrings import explanation_of


def described(doc: str | None) -> object:
    return explanation_of(type("Described", (), {"__doc__": doc}))


def test_all_parts() -> None:
    """What it does, what its parameters are, and examples; other sections are left out."""
    found = explanation_of(
        type(
            "Described",
            (),
            {
                "__doc__": """One
            line.

            More: of it.

            Args:
                key, other: what
                    it: is.
                *words (str): a text.

            Raises:
                InputError: not shown.

            Example:
                one:key=2

                two
            """
            },
        )
    )
    assert found.summary == "One line."
    assert found.paragraphs == ["One line.", "More: of it."]
    assert found.parameters == {"key": "what it: is.", "other": "what it: is.", "words": "a text."}
    assert found.examples == ["one:key=2", "two"]


@pytest.mark.parametrize("doc", [None, "", "\n\n", "Args:\n    a: b"])
def test_no_description(doc: str | None) -> None:
    """Where there is nothing to show, that is shown."""
    assert described(doc).summary == "(no description)"  # type: ignore[attr-defined]
