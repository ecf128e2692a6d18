"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backtrack_sampler import InputError
from backtrack_sampler.trace.files import check_path, write_atomically


def test_an_old_file_is_replaced_at_once(tmp_path: Path) -> None:
    """The new text is there, nothing else is left, and a link goes on leading to the file."""
    file, link = tmp_path / "page.html", tmp_path / "link.html"
    file.write_text("old")
    link.symlink_to(file)
    write_atomically(link, "né\n")
    assert file.read_bytes() == "né\n".encode()
    assert link.is_symlink()
    assert set(tmp_path.iterdir()) == {file, link}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_the_old_file_stays_where_the_new_one_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """A full disk is one line; whatever ends the writing, the old file is whole and nothing else is left."""
    file = tmp_path / "page.html"
    file.write_text("old")
    half = Path.write_text

    def fails(self: Path, text: str, **options: str) -> int:
        half(self, text[:1], **options)
        raise error

    monkeypatch.setattr(Path, "write_text", fails)
    with pytest.raises((InputError, KeyboardInterrupt)) as caught:
        write_atomically(file, "new")
    if isinstance(error, OSError):
        assert str(caught.value) == f"cannot write {file}: No space left on device"
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_what_can_be_written(tmp_path: Path) -> None:
    """A new file, an old one, and any spelling of the ending."""
    (tmp_path / "old.jsonl").write_text("old")
    for name in ("new.html", "old.jsonl", "NEW.HTML"):
        assert check_path(tmp_path / name) == tmp_path / name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.txt", r"\.html or \.jsonl"), ("x", r"\.html or \.jsonl"), ("", r"\.html or \.jsonl"),
        (".html", r"\.html or \.jsonl"), ("missing/x.html", "there is no folder .*missing"),
        ("folder.html", "is a folder"), ("file.jsonl/x.html", "there is no folder"),
        ("loop/x.html", "loop"), ("x" * 5000 + ".html", "cannot write"),
    ],
)  # fmt: skip
def test_what_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str) -> None:
    """Other endings, folders that are missing, and names that cannot be are refused before anything is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "file.jsonl").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match=message):
        check_path(name)


def test_a_device_or_a_pipe_is_never_replaced(tmp_path: Path) -> None:
    """Not through a link either: a plain file would stand in its place, and it would be gone."""
    pipe, link = tmp_path / "a.html", tmp_path / "b.html"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(InputError, match="a device or a pipe"):
            check_path(path)
