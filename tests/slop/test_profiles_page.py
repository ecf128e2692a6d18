"""The page on profiles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "profiles.md"


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands there."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(code, {})
    assert "20 texts to 20 prompts" in capsys.readouterr().out
