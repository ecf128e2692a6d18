"""Texts that are kept: lines that are only added, by as many processes as there are."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from backtrack_sampler import InputError
from backtrack_sampler.benchmark.records import Record
from backtrack_sampler.benchmark.store import Store
from backtrack_sampler.errors import StorageError


def record(key: str, **more: Any) -> Record:
    values: dict[str, Any] = {
        "key": key, "arm": "a", "task": "t", "item": "1", "repeat": 0, "sample": 0, "seed": 3, "text": "x",
        "answer": None, "score": 1.0, "kept": 1, "drawn": 2, "rollbacks": 1, "forwards": 2, "log_probability": -0.5,
        "finish_reason": "stop", "taken_back": [(0, "y", "me: why")],
    }  # fmt: skip
    return Record(**{**values, **more})


def test_what_was_kept_is_there_again_in_full(tmp_path: Path) -> None:
    """A record comes back as it was, also one with half a character, a line break or no log-probability."""
    given = [record("1"), record("2", text="\ud800\n\u2028 ☃", log_probability=None, taken_back=[])]
    store = Store(tmp_path / "new" / "folder")
    for each in given:
        store.add(each)
    store.close()
    again = Store(tmp_path / "new" / "folder")
    assert [again.get("1"), again.get("2"), again.get("3")] == [*given, None]
    assert len(again) == 2


def test_a_line_that_a_process_was_killed_over_is_not_there(tmp_path: Path) -> None:
    """Half a line, or one that is no record, is passed over; what stands before and after it is kept."""
    first = Store(tmp_path)
    first.add(record("1"))
    first.close()
    (file,) = tmp_path.glob("*.jsonl")
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"key": "5"}\nnonsense\n' + whole.replace(b'"1"', b'"2"', 1) + whole[:-9])
    again = Store(tmp_path)
    assert [len(again), again.get("5")] == [2, None]
    again.add(record("3"))
    again.close()
    assert len(Store(tmp_path)) == 3


def test_processes_do_not_write_to_each_others_files(tmp_path: Path) -> None:
    """Two stores on one folder each add to a file of their own; a third reads both, each key once."""
    one, two = Store(tmp_path), Store(tmp_path)
    one.add(record("1"))
    two.add(record("1"))
    two.add(record("2"))
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert len(Store(tmp_path)) == 2


def test_every_record_is_in_its_file_at_once(tmp_path: Path) -> None:
    """Nothing waits in the process: what `add` has returned of can be read by others."""
    store = Store(tmp_path)
    store.add(record("1"))
    (file,) = tmp_path.glob("*.jsonl")
    assert json.loads(file.read_text())["key"] == "1"


def test_a_full_disk_is_said_in_a_line_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line that still fitted is none; the message says how to go on; the rest can be read."""
    store = Store(tmp_path)
    store.add(record("1"))
    write = os.write
    state = {"room": 20}

    def full(file: int, data: bytes) -> int:
        if not state["room"]:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(file, data[: state["room"]])
        state["room"] -= done
        return done

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(InputError, match="No space left on device; all that was kept before is safe"):
        store.add(record("2"))
    assert store.get("2") is None
    monkeypatch.undo()
    assert len(Store(tmp_path)) == 1


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    """A file in its place is said before anything is drawn."""
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError, match="cannot use the folder"):
        Store(tmp_path / "x")


def test_what_others_add_meanwhile_is_found(tmp_path: Path) -> None:
    """A store on the same folder has it after `refresh`; half a line is waited for."""
    one, two = Store(tmp_path), Store(tmp_path)
    two.add(record("1"))
    assert one.get("1") is None
    one.refresh()
    assert one.get("1") == record("1")
    (file,) = tmp_path.glob("*.jsonl")
    whole = file.read_bytes().replace(b'"1"', b'"2"', 1)
    with file.open("ab") as half:
        half.write(whole[:20])
    one.refresh()
    assert one.get("2") is None
    with file.open("ab") as rest:
        rest.write(whole[20:])
    one.refresh()
    assert one.get("2") == record("2")


def test_what_has_failed_is_tried_once_more_by_the_next_process(tmp_path: Path) -> None:
    """In the process that it failed in it is final; what the next one finds takes its place, and stays."""
    first = Store(tmp_path)
    first.add(record("1", error="the machine was on fire"))
    assert first.get("1") is not None
    second = Store(tmp_path)
    assert second.get("1") is None
    second.add(record("1"))
    assert second.get("1") == Store(tmp_path).get("1") == record("1")
    first.refresh()
    assert first.get("1") == record("1")


def test_what_is_kept_after_half_a_line_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is room again on a disk that was full, records do not stand behind the half one."""
    store = Store(tmp_path)
    write, room = os.write, [20]

    def full(file: int, data: bytes) -> int:
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data[: room.pop()])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError):
        store.add(record("1"))
    monkeypatch.undo()
    store.add(record("2"))
    assert Store(tmp_path).get("2") == record("2")
