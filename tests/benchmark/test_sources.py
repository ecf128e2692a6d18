"""What an experiment takes besides its file is copied to its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtrack_sampler.benchmark.sources import keep_sources
from backtrack_sampler.errors import StorageError


def test_files_that_are_named_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators, tasks and lists, wherever they stand in it; what is no file of the user's is not."""
    monkeypatch.chdir(tmp_path)
    for name in ("mine.py", "task.py", "phrases.txt"):
        Path(name).write_text(name)
    run = tmp_path / "run"
    run.mkdir()
    keep_sources(
        {
            "strategies": [
                {"chain": ["./mine.py:half:ratio=0.5", "repetition"]},
                {"strategy": "antislop:slops=@phrases.txt"},
            ],
            "evaluation": {"tasks": ["sums", f"{tmp_path}/task.py:Mine"], "limit": 3},
            "hpo": {"tune": [{"operator": "nowhere.py:x"}]},
        },
        run,
    )
    assert {each.name: each.read_text() for each in (run / "sources").iterdir()} == {
        name: name for name in ("mine.py", "task.py", "phrases.txt")
    }


def test_nothing_of_ones_own_needs_no_folder(tmp_path: Path) -> None:
    """Where all is built in, none is made."""
    keep_sources({"strategies": ["repetition"], "evaluation": {"tasks": ["sums"]}}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """In a line."""
    (tmp_path / "mine.py").write_text("")
    (tmp_path / "sources").write_text("a file in its place")
    with pytest.raises(StorageError, match="cannot copy .*mine.py"):
        keep_sources({"strategies": [f"{tmp_path}/mine.py:x"]}, tmp_path)
