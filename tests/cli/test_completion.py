"""What Tab offers in a chat."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtrack_sampler.cli.completion import completions

COMMANDS = ["/system", "/strategy", "/save", "/load", "/trace", "/operator", "/undo"]


def test_commands_and_names() -> None:
    """Commands that begin so, and the names of strategies and operators, but for those that no name makes."""
    assert completions("/s", COMMANDS) == ["/system ", "/strategy ", "/save "]
    assert completions("/bogus", COMMANDS) == []
    assert completions("/strategy cr", COMMANDS) == ["/strategy creative-writing"]
    assert "/strategy antislop" in completions("/strategy ", COMMANDS)
    assert not {"/strategy chain", "/strategy operator"} & set(completions("/strategy ", COMMANDS))
    assert completions("/operator ngram", COMMANDS) == ["/operator ngram-overlap"]
    assert completions("/undo x", COMMANDS) == completions("/system x", COMMANDS) == []


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and folders in whatever place; hidden ones only where that is asked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "sub"))
    (tmp_path / "sub").mkdir()
    for name in ("a b.json", "a.json", ".hidden", "sub/x.json"):
        (tmp_path / name).touch()
    assert completions("/load a", COMMANDS) == ["/load a b.json", "/load a.json"]
    assert completions("/save ", COMMANDS) == ["/save a b.json", "/save a.json", "/save sub/"]
    assert completions("/trace .h", COMMANDS) == ["/trace .hidden"]
    assert completions("/load sub/", COMMANDS) == ["/load sub/x.json"]
    assert completions("/load ~/", COMMANDS) == ["/load ~/x.json"]
    assert completions(f"/load {tmp_path}/a.", COMMANDS) == [f"/load {tmp_path}/a.json"]
    assert completions("/load none/", COMMANDS) == []
