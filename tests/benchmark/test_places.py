"""Where something is to be written: what is refused before anything is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backtrack_sampler.benchmark.places import check_file, check_folder, whole_path
from backtrack_sampler.errors import InputError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty: write a path"),
        ("  ", "is empty: write a path"),
        ("a\0b", r"no path can be 'a\\x00b'"),
        ("a\ud800b", r"no path can be 'a\\ud800b'"),
        ("~nosuchuser/x", "nobody knows where ~nosuchuser is at home on this computer: write the whole path"),
    ],
)
def test_what_is_no_path(text: str, said: str) -> None:
    """One line for what no file system takes, and for a home that nobody has."""
    with pytest.raises(InputError, match=said):
        whole_path(text)
    assert whole_path("~/x") == Path.home() / "x"


def test_a_folder_that_can_be_made_is_not_made(tmp_path: Path) -> None:
    """Looking leaves nothing behind."""
    check_folder(tmp_path / "a" / "b")
    check_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_made(tmp_path: Path) -> None:
    """A file in its place or above it, a link to nothing, a name that is too long, a system that has no room for it."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for path, said in (
        (tmp_path / "file", "file is a file, and a folder is needed"),
        (tmp_path / "file" / "x", "file is a file, and a folder is needed"),
        (tmp_path / "link", "link is a link to what is not there: remove it, or choose another folder"),
        (tmp_path / "link" / "x", "link is a link to what is not there"),
        (tmp_path / ("x" * 300), "no folder can be made at .*: File name too long; choose another one"),
    ):
        with pytest.raises(InputError, match=said):
            check_folder(path)


def test_what_the_rights_do_not_say() -> None:
    """Root may write to /proc by its rights, and cannot."""
    with pytest.raises(InputError, match="/proc"):
        check_folder(Path("/proc/x"))


def test_files_of_others(tmp_path: Path) -> None:
    """What begins otherwise is left alone; what is empty, half begun or not there can be used."""
    for content in (b"", b"be", b"begun so"):
        (tmp_path / "a").write_bytes(content)
        check_file(tmp_path / "a", b"begun", "mine")
    check_file(tmp_path / "none" / "b", b"begun", "mine")
    (tmp_path / "c").write_bytes(b"other")
    with pytest.raises(InputError, match="c is not mine: give another file"):
        check_file(tmp_path / "c", b"begun", "mine")
    with pytest.raises(InputError, match="is a folder, and a file is needed"):
        check_file(tmp_path, b"begun", "mine")
    with pytest.raises(InputError, match=f"{os.devnull} is no file"):
        check_file(Path(os.devnull), b"begun", "mine")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a", "c"]


def test_files_that_nobody_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before it is opened."""
    (tmp_path / "a").touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match="you may not write to .*a: give another file"):
        check_file(tmp_path / "a", b"", "mine")
    with pytest.raises(InputError, match="you may not write to .*: choose another folder"):
        check_folder(tmp_path / "b")
