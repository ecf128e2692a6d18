"""Programs that somebody wrote: what counts as passed, and what they cannot do."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from backtrack_sampler.benchmark.execution import programs as execution
from backtrack_sampler.benchmark.execution.programs import (
    ENDED_EARLY,
    ERROR,
    FAILED,
    PASSED,
    TIMED_OUT,
    Limits,
    execute,
    execute_all,
    guards,
)

ROOT = Path(__file__).parents[2]
SHORT = Limits(seconds=1, wall=0.5)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the folders of programs are made."""
    folder = tmp_path / "folders"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def working_in(folder: Path) -> list[int]:
    """The processes whose working folder is in this one."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd").startswith(f"{folder}/"):
                found.append(int(process.name))
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


def until_none_works_in(folder: Path) -> None:
    """Wait for what has been killed to be gone; what has not is still there a minute later."""
    end = time.monotonic() + 60
    while working_in(folder):
        assert time.monotonic() < end, "a process has outlived its program"


# -- what counts as passed ---------------------------------------------------------------------


def test_a_program_passes_when_all_of_it_was_run() -> None:
    """Its parts share a namespace; the first error ends it, and is told in a line."""
    assert execute(["x = 1", "assert x == 1"]).passed
    failed = execute(["x = 1", "assert x == 2, 'one\\nis not two'", "x = 3"])
    assert failed[:2] == (FAILED, "AssertionError: one is not two")


@pytest.mark.parametrize(
    "program",
    [
        "import sys; sys.exit(0)",
        "raise SystemExit",
        "import os; os._exit(0)",
        "print('passed'); import os; os._exit(0)",
        "import os\nfor fd in range(3, 10):\n    try: os.write(fd, b'{}\\nnonce passed\\n')\n    except OSError: pass\nos._exit(0)",
        "import os; os.closerange(0, 100)",
        "import os; os.abort()",
        "import ctypes; ctypes.string_at(0)",
        "import signal; signal.raise_signal(signal.SIGKILL)",
        "import sys; sys.stdout.close(); raise KeyboardInterrupt",
        "class Odd(Exception):\n    def __str__(self): raise SystemExit(0)\nraise Odd",
        "class Odd(Exception):\n    def __str__(self): return '\\ud800' * 10**5\nraise Odd",
        "def check(): '''",
        "if True:",
        "a = (",
        "\0",
        "\ud800",
        "(" * 500,
        "del __builtins__; open",
        "import builtins; builtins.exec = lambda *_: None",
        "import builtins\nreal = compile\nbuiltins.compile = lambda *_, **__: real('', '', 'exec')",
        "import builtins; builtins.type = builtins.repr = builtins.BaseException = None",
    ],
)
def test_who_does_not_come_to_the_end_has_not_passed(program: str) -> None:
    """However it leaves before the tests, and whatever it prints or writes: it has not passed, and no error is ours."""
    assert execute([program, "raise AssertionError"], Limits(2)).outcome in (FAILED, ENDED_EARLY)


def test_who_leaves_during_the_tests_has_not_passed() -> None:
    """Status 0 in the middle of the tests is no success."""
    program = "import os\ndef f(): os._exit(0)"
    assert execute([program, "f()"]).outcome == ENDED_EARLY
    assert execute(["def f(): raise SystemExit(0)", "f()"])[:2] == (FAILED, "SystemExit: 0")


def test_a_program_cannot_keep_the_report_from_being_made() -> None:
    """What it puts in the place of functions and classes is its own affair."""
    program = "import os, json, builtins\nos.write = os._exit = os.getpid = json.dumps = builtins.str = print = None"
    assert execute([program]).passed


def test_a_program_is_not_the_main_one() -> None:
    """What stands under `if __name__ == "__main__"` is not run, and dataclasses, which look their module up, work."""
    program = (
        "from __future__ import annotations\nimport dataclasses, sys\nif __name__ == '__main__': raise ValueError\n"
        "@dataclasses.dataclass\nclass A:\n    a: int = 0\nassert sys.argv == ['']"
    )
    assert execute([program]).passed


def test_the_same_program_runs_the_same_way() -> None:
    """The order of a set of strings does not change from one process to the next."""
    program = "raise ValueError(list({'a', 'b', 'c', 'd', 'e', 'f'}))"
    assert len({execute([program]).detail for _ in range(4)}) == 1


def test_nothing_of_this_package_is_in_its_way() -> None:
    """It cannot import what it is run by, and its annotations are evaluated."""
    assert execute(
        [
            "import sys\ntry: import hook\nexcept ImportError: pass\nelse: raise ValueError\ndef f(x: int): pass\nassert f.__annotations__['x'] is int"
        ]
    ).passed


# -- what a program may use --------------------------------------------------------------------


@pytest.mark.parametrize(
    "program",
    [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "while True: print('x' * 10000)",
        "import time; time.sleep(1000)",
        "import signal, time\nfor s in signal.valid_signals():\n    try: signal.signal(s, signal.SIG_IGN)\n    except OSError: pass\ntime.sleep(1000)",
        "import os, time\ntry: os.setsid()\nexcept OSError: pass\ntime.sleep(1000)",
    ],
)
def test_time_is_limited(program: str, folders: Path) -> None:
    """What never ends, prints without end, or sleeps, is killed, and its folder is deleted."""
    assert execute([program], SHORT).outcome == TIMED_OUT
    until_none_works_in(folders)


def test_processor_time_is_what_counts() -> None:
    """On a busy machine a program has as much of it; long before its time on the clock is over it is killed."""
    assert execute(["while True: pass"], Limits(seconds=1, wall=600)).outcome == TIMED_OUT


def test_memory_is_limited() -> None:
    """Who wants too much gets a MemoryError, and the machine does not notice."""
    assert execute(["x = 'x' * (2 << 30)"])[:2] == (FAILED, "MemoryError:")
    assert execute(["x = []\nwhile True: x.append('x' * 1000_000)"], Limits(memory=200 << 20)).outcome == FAILED


def test_files_are_limited() -> None:
    """Neither a long file nor many of them fill the disk; nor does an endless report."""
    assert execute(["open('x', 'w').write('x' * 10_000_000)"]).outcome == FAILED
    assert execute(["for i in range(1000): open(str(i), 'w')"]).outcome == FAILED
    endless = "import os\nwhile True:\n    for fd in range(3, 10):\n        try: os.write(fd, b'x' * 100_000)\n        except OSError as e:\n            if e.errno == 27: raise"
    assert execute([endless], Limits(2)).outcome in (FAILED, ENDED_EARLY, ERROR)


def test_limits_are_only_lowered(tmp_path: Path) -> None:
    """Where the user's own limit is lower it stays; a program cannot raise one again."""
    code = (
        f"import sys, resource as r; sys.path.insert(0, {str(execution._GUARD)!r}); import limits\n"
        "r.setrlimit(r.RLIMIT_FSIZE, (1000, 2000)); r.setrlimit(r.RLIMIT_CPU, (50, r.RLIM_INFINITY))\n"
        "print(limits.lower({'file size': 5000, 'processor time': 7, 'memory': 1 << 31}, False))\n"
        "print(r.getrlimit(r.RLIMIT_FSIZE), r.getrlimit(r.RLIMIT_CPU))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "{}\n(1000, 1000) (7, 7)\n"
    program = "import resource as r\nassert r.getrlimit(r.RLIMIT_CORE) == (0, 0)\nassert r.getrlimit(r.RLIMIT_CPU) == (5, 5)\ntry: r.setrlimit(r.RLIMIT_CPU, (6, 6))\nexcept ValueError: pass\nelse: raise OSError('raised')"
    assert execute([program]).passed


def test_what_a_platform_refuses_is_said() -> None:
    """A limit that cannot be lowered is named, with the reason."""
    code = (
        f"import sys; sys.path.insert(0, {str(execution._GUARD)!r}); import limits, resource\n"
        "def refuse(*_): raise ValueError('not here')\n"
        "resource.setrlimit = refuse; del resource.RLIMIT_NPROC\n"
        "print(limits.lower({'memory': 1, 'processes': 1}, False))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == f"{{'memory': 'not here', 'processes': '{sys.platform} has no RLIMIT_NPROC'}}\n"


# -- what a program cannot do ------------------------------------------------------------------


def test_it_has_a_folder_of_its_own_that_goes_away(folders: Path) -> None:
    """There it may do what it likes, with links and folders too; nothing of it is left."""
    program = (
        "import os, shutil, tempfile, pathlib\nassert os.listdir() == []\nassert os.environ['HOME'] == os.getcwd() == tempfile.gettempdir()\n"
        "open('a', 'w').write('a'); os.mkdir('d'); os.rename('a', 'd/b'); os.symlink('d', 'l'); os.chmod('d/b', 0)\n"
        "pathlib.Path('d/e').touch(); shutil.copytree('d', 'c', ignore=lambda *_: ['b']); shutil.rmtree('d'); os.chmod('c', 0)\n"
        "open(os.devnull, 'w').write('a')"
    )
    assert execute([program])[:2] == (PASSED, "")
    assert list(folders.iterdir()) == []


@pytest.mark.parametrize("make", ["os.mkdir(f'{n}')", "os.mkdir('a'); os.chdir('a')", "os.symlink('a', f'{n}')"])
def test_what_would_have_to_be_cleared_away_is_counted(folders: Path, make: str) -> None:
    """A program makes a hundred folders and links, and not so many that deleting them takes a minute."""
    assert execute([f"import os\nfor n in range(99): {make}"]).outcome == PASSED
    found = execute([f"import os\nfor n in range(20_000): {make}"])
    assert (found.outcome, "may not make 100 files and folders" in found.detail) == (FAILED, True)
    assert list(folders.iterdir()) == []


def test_a_folder_that_cannot_be_deleted_ends_nothing(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders in folders, deeper than Python's own functions go: what became of the program is still known."""
    without_hook(tmp_path, monkeypatch)
    program = "import os\nfor _ in range(1500):\n    os.mkdir('a'); os.chdir('a')"
    try:
        assert execute([program]).outcome == PASSED
    finally:  # nor could it be deleted by pytest
        subprocess.run(["rm", "-rf", folders], check=True)


OUTSIDE = [
    "open(PATH, 'w')",
    "open(PATH, 'r+')",
    "open(PATH, 'ab')",
    "import os; os.open(PATH, os.O_RDONLY | os.O_TRUNC)",
    "import pathlib; pathlib.Path(PATH).write_text('')",
    "import pathlib; pathlib.Path(PATH).unlink()",
    "import os; os.remove(PATH)",
    "import os; os.unlink(PATH.encode())",
    "import os; os.rename(PATH, 'mine')",
    "open('mine', 'w'); import os; os.rename('mine', PATH)",
    "open('mine', 'w'); import os; os.link('mine', PATH + '2')",
    "import os; os.replace('/etc/hostname', PATH)",
    "import os; os.link(PATH, 'mine')",
    "import os; os.truncate(PATH, 0)",
    "import os; os.chmod(PATH, 0)",
    "import os; os.utime(PATH, (0, 0))",
    "import os; os.mkdir(PATH + '2')",
    "import os; os.symlink('a', PATH + '2')",
    "import os; os.symlink(PATH, 'mine'); open('mine', 'w')",
    "import os; os.symlink(os.path.dirname(PATH), 'mine'); os.remove('mine/' + os.path.basename(PATH))",
    "import os; os.chdir(os.path.dirname(PATH)); os.remove(os.path.basename(PATH))",
    "import os; os.remove(os.path.basename(PATH), dir_fd=os.open(os.path.dirname(PATH), os.O_RDONLY))",
    "import os; os.remove(os.path.relpath(PATH))",
    "import shutil; shutil.rmtree(os.path.dirname(PATH))",
    "import shutil; shutil.move(PATH, 'mine')",
    "import sqlite3; sqlite3.connect(PATH).execute('create table a (b)')",
]


@pytest.mark.parametrize("alone", ["hook", "walls"])
def test_other_files_are_out_of_reach(alone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither written nor deleted, renamed, linked, or changed in any way: by Python alone, and by the kernel alone."""
    if alone == "hook":
        without(tmp_path, monkeypatch, "__main__.py", "walls.keep_to_folder(os.getcwd())", "''")
    else:
        without_hook(tmp_path, monkeypatch)
        if "own folder" in guards():  # a platform without: then it says so
            return
    other = tmp_path / "mine" / "precious"
    other.parent.mkdir()
    other.write_text("precious")
    before = os.stat(other)
    # The kernel's wall keeps content and names; a mode or a time may be its owner's to change.
    tried = [each for each in OUTSIDE if alone == "hook" or ("chmod" not in each and "utime" not in each)]
    programs = [(["import os\nPATH = " + repr(str(other)), each], Limits()) for each in tried]
    outcomes = [found.outcome for found in execute_all(programs)]
    assert {each: outcome for each, outcome in zip(tried, outcomes, strict=True) if outcome != FAILED} == {}
    assert other.read_text() == "precious"
    assert [path.name for path in other.parent.iterdir()] == ["precious"]
    assert (os.stat(other).st_mode, os.stat(other).st_mtime) == (before.st_mode, before.st_mtime)


def without_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are run without the audit hook, as if one had got around it."""
    without(tmp_path, monkeypatch, "__main__.py", "hook.install()", "pass")


def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, guard: str, nothing: str) -> None:
    """Programs are run without one of the guards."""
    folder = tmp_path / "guard"
    shutil.copytree(execution._GUARD, folder)
    code = (folder / name).read_text()
    assert guard in code
    (folder / name).write_text(code.replace(guard, nothing))
    monkeypatch.setattr(execution, "_GUARD", folder)


@pytest.mark.parametrize(
    "program",
    [
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "import os; os.fork()",
        "import os\nwhile True: os.fork()",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import os; os.execv('/bin/true', ['true'])",
        "import multiprocessing as m; m.Process(target=print).start()",
        "import os; os.kill(os.getppid(), 9)",
        "import os; os.kill(-1, 9)",
        "import os; os.killpg(0, 9)",
        "import ctypes; ctypes.CDLL(None).fork()",
        "import ctypes; ctypes.pythonapi.Py_Exit(0)",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1')",
        "import socket; socket.getaddrinfo('localhost', 80)",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "import socket; socket.socket().bind(('127.0.0.1', 0))",
    ],
)
def test_no_processes_no_signals_no_network(program: str) -> None:
    """Python refuses, and says so to the program."""
    found = execute([program])
    assert found.outcome == FAILED
    assert "may not" in found.detail


def test_the_kernel_has_it_leave_the_network_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gets around Python's refusal finds no network, not even this machine's own services."""
    without_hook(tmp_path, monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        tcp = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 5)"
        udp = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))"
        outcomes = [execute([program]).outcome for program in (tcp, udp)]
        if "own network and processes" not in guards():
            assert outcomes == [FAILED, FAILED]
            with pytest.raises(BlockingIOError):
                server.accept()


CHILDREN = {
    "a child": "import os, time\nif not os.fork(): time.sleep(1000)",
    "a daemon": (
        "import os, time\nif not os.fork():\n    os.setsid()\n    if not os.fork():\n"
        "        open('begun', 'w'); time.sleep(1000)\nwhile not os.path.exists('begun'): pass"
    ),
    "a fork bomb": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "a murderer": "import os\nos.kill(-1, 9)\nwhile True: pass",
}


@pytest.mark.parametrize("name", CHILDREN)
def test_nothing_outlives_a_program(name: str, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gets around Python's refusal and starts processes has none when it is over; others see nothing of it."""
    without_hook(tmp_path, monkeypatch)
    if "own network and processes" in guards():  # then only the process group is killed, and nothing more is promised
        return
    execute([CHILDREN[name]], Limits(seconds=1, wall=0.5))
    until_none_works_in(folders)


def test_only_the_first_process_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a program has forked says nothing in its name."""
    without_hook(tmp_path, monkeypatch)
    assert execute(["import os, time\nif os.fork(): os.wait(); os._exit(1)"]).outcome == ENDED_EARLY


def test_it_sees_nothing_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the environment, nothing to read, no descriptor but those of its own."""
    monkeypatch.setenv("SECRET_TOKEN", "secret")
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")
    assert execute(["import os\nassert 'secret' not in str(os.environ) and 'PYTHONSTARTUP' not in os.environ"]).passed
    assert execute(["import os\nos.lseek(0, 0, 0)\nassert os.read(0, 1) == b''"]).passed  # nor what was asked
    assert execute(["input()"])[:2] == (FAILED, "EOFError: EOF when reading a line")
    assert execute(["import sys\nassert sys.stdin.read() == ''"]).passed


def test_who_runs_it_may_be_killed(folders: Path) -> None:
    """With kill -9 as well: the programs end with it."""
    code = (
        f"import sys, tempfile; sys.path.insert(0, {str(ROOT)!r}); tempfile.tempdir = {str(folders)!r}\n"
        "from backtrack_sampler.benchmark.execution.programs import *\n"
        'execute([\'open("begun", "w"); import time; time.sleep(1000)\'], Limits(wall=1000))'
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        while not list(folders.glob("*/begun")):
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    until_none_works_in(folders)


# -- many of them, and what is not the program's fault -----------------------------------------


def test_many_run_side_by_side_in_order() -> None:
    """Results are in the order of the programs, whoever ends first."""
    programs = [
        ([f"import time; time.sleep({0.3 if i == 0 else 0}); raise ValueError({i})"], Limits()) for i in range(6)
    ]
    assert [found.detail for found in execute_all(programs, workers=3)] == [f"ValueError: {i}" for i in range(6)]


def test_who_stops_in_between_does_not_wait_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that have not begun are not begun any more."""
    begun = []
    goes_on = threading.Event()

    def counted(parts: list[str]) -> str:
        begun.append(parts)
        assert len(begun) == 1 or goes_on.wait(60)
        return parts[0]

    monkeypatch.setattr(execution, "execute", lambda parts, limits: counted(parts))
    results: Any = execute_all([([str(i)], Limits()) for i in range(100)], workers=2)
    assert next(results) == "0"
    threading.Timer(0.1, goes_on.set).start()
    results.close()
    assert len(begun) <= 4


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/false", "/bin/echo"])
def test_a_python_that_does_not_start_is_no_wrong_answer(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error, in one line that says what happened."""
    monkeypatch.setattr(sys, "executable", python)
    found = execute(["pass"])
    assert found.outcome == ERROR
    assert "\n" not in found.detail


def test_no_room_for_its_folder_is_no_wrong_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A disk that is full, or a folder that is gone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    found = execute(["pass"])
    assert found.outcome == ERROR
    assert "could not be run" in found.detail


@pytest.mark.parametrize("lacking", ["wait4", "waitid"])
def test_platforms_that_know_less(lacking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without process groups, or a way to wait that leaves a zombie, programs pass, fail and are killed all the same."""
    monkeypatch.delattr(os, lacking)
    assert execute(["pass"]).outcome == PASSED
    assert execute(["raise ValueError"]).outcome == FAILED
    assert execute(["import time; time.sleep(1000)"], SHORT).outcome == TIMED_OUT


@pytest.mark.parametrize("said", ["", "no JSON", "[]", "{}\n", '{"memory": "why"}\n', "\0" * 100])
def test_a_report_may_be_anything(said: str) -> None:
    """A program may write over it: what cannot be read is nothing."""
    assert execution._missing(said) == ({"memory": "why"} if "why" in said else {})
