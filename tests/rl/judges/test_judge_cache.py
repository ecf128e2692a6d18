"""Replies that are kept: by several processes, through kill -9, and in no file that is somebody else's."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from backtrack_sampler import InputError
from backtrack_sampler.errors import StorageError
from backtrack_sampler.rl.judges.cache import Cache, digest


def test_a_reply_is_there_again(tmp_path: Path) -> None:
    """Also in another cache of the same file, whose folder was made; the first reply to a question stays."""
    path = tmp_path / "new" / "folder" / "replies.sqlite"
    one, other = Cache(path), Cache(path)
    one.put("1", "8 ☃\n\x00")
    assert [other.get("1"), other.get("2")] == ["8 ☃\n\x00", None]
    other.put("1", "9")
    other.put("2", "half a character: \ud800")
    assert [one.get("1"), one.get("2")] == ["8 ☃\n\x00", "half a character: ?"]
    one.close()
    other.close()
    assert Cache(str(path)).get("1") == "8 ☃\n\x00"


def test_without_a_file_replies_are_kept_as_long_as_the_process_runs(tmp_path: Path) -> None:
    """And each cache has its own."""
    cache = Cache(None)
    cache.put("1", "8")
    assert [cache.get("1"), Cache(None).get("1")] == ["8", None]


def test_equal_questions_have_equal_digests() -> None:
    """Whatever the order of their parts; any difference makes another one."""
    assert digest({"a": "1", "b": 2}) == digest({"b": 2, "a": "1"})
    others = [{"a": "1", "b": 3}, {"a": "1"}, {"a": "12", "b": ""}, {"a": "1", "b": "2"}, {"a": "\ud800"}, {"a": "?"}]
    assert len({digest(each) for each in others}) == len(others)


WRITER = """
import sys
from backtrack_sampler.rl.judges.cache import Cache
cache = Cache(sys.argv[1])
for number in range(10**9):
    cache.put(f"{sys.argv[2]} {number}", str(number))
    print(number, flush=True)
"""


def test_nothing_that_was_put_is_lost_where_processes_are_killed(tmp_path: Path) -> None:
    """Two that write to one file, and begin with it at once, are killed with SIGKILL: all they had put is there."""
    path = tmp_path / "replies.sqlite"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stdout=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    put = []
    for writer in writers:
        assert writer.stdout is not None
        for _ in range(20):
            writer.stdout.readline()
    for writer in writers:
        writer.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        said = writer.communicate()[0].split("\n")[:-1]  # the last line may not be whole
        put.append(int(said[-1]) if said else 19)
    cache = Cache(path)
    for name, last in zip("ab", put, strict=True):
        assert [cache.get(f"{name} {number}") for number in range(last + 1)] == [str(n) for n in range(last + 1)]
    cache.put("c", "goes on")
    assert cache.get("c") == "goes on"


def test_threads_share_a_cache(tmp_path: Path) -> None:
    """What many threads put and get at once is all there."""
    cache = Cache(tmp_path / "replies.sqlite")

    def work(name: int) -> None:
        for number in range(5):
            cache.put(f"{name} {number}", str(number))
            assert cache.get(f"{name} {number}") == str(number)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [cache.get(f"{name} {number}") for name in range(8) for number in range(5)] == [*"01234"] * 8


def test_a_file_that_is_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A text, a broken database, another program's one, one of another form, a folder: each one line, nothing written."""
    text, broken, foreign, other = (tmp_path / name for name in ("text", "broken", "foreign", "other"))
    text.write_text("no database\n" * 100)
    cache = Cache(broken)
    for number in range(500):
        cache.put(str(number), "8" * 100)
    cache.close()
    data = broken.read_bytes()
    broken.write_bytes(data[:100] + b"\xff" * 4000 + data[4100:])
    for file, mark in ((foreign, 0), (other, 0x42544A31)):
        database = sqlite3.connect(file)
        database.execute("CREATE TABLE theirs (a)")
        database.execute(f"PRAGMA application_id = {mark}")
        database.commit()
        database.close()
    for file, why in (
        (text, "not a database"), (broken, "malformed"), (foreign, "another program's database"), (other, "no such table"),
    ):  # fmt: skip
        before = file.read_bytes()
        with pytest.raises(InputError, match=why) as caught:
            Cache(file)
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert file.read_bytes() == before
    for path in (tmp_path, text / "inside"):
        with pytest.raises(InputError, match="cannot be opened"):
            Cache(path)


def test_a_file_that_breaks_later_is_one_clear_line(tmp_path: Path) -> None:
    """It says where, what and what to do."""
    path = tmp_path / "replies.sqlite"
    cache = Cache(path)
    cache.put("1", "8")
    other = sqlite3.connect(path)
    other.execute("DROP TABLE replies")
    other.close()
    for use in (lambda: cache.put("2", "8"), lambda: cache.get("1")):
        with pytest.raises(StorageError, match=r"replies.sqlite cannot be used any more \(.*\): .* --resume$"):
            use()
