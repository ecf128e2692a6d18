"""Warnings on a command line."""

from __future__ import annotations

import warnings

import pytest

from backtrack_sampler.cli.warned import warnings_in_one_line


def test_a_line_for_people_and_none_for_programmers(capfd: pytest.CaptureFixture[str]) -> None:
    """What a person should know is one line; what only programmers mend is left out."""
    with warnings_in_one_line():
        warnings.simplefilter("always")
        warnings.warn("this model\n is odd", stacklevel=1)
        warnings.warn("unclosed", ResourceWarning, stacklevel=1)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert capfd.readouterr().err == "backtrack-sampler: this model is odd\n"
