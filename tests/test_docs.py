"""The pages under docs/ are true: their code runs as it stands there, and nothing is left out of them."""

from __future__ import annotations

import inspect
import logging
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import backtrack_sampler
from backtrack_sampler import AntiSlopStrategy, BacktrackSampler, Bans, BaseProvider, BaseStrategy, Stream, testing
from backtrack_sampler.cli.main import main
from backtrack_sampler.operators import BaseOperator, HistoryOperator, Step
from backtrack_sampler.provider.one_row import Backend
from backtrack_sampler.testing import FakeProvider
from backtrack_sampler.testing.names import hooks_of

DOCS = Path(__file__).parents[1] / "docs"
EXTENDING = (DOCS / "extending.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^backtrack-sampler .*$", "".join(re.findall(r"```sh\n(.*?)```", EXTENDING, re.DOTALL)), re.M)


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where somebody has followed the page: its files, each with all that is said to belong into it."""
    path = tmp_path_factory.mktemp("extending")
    for code in blocks(EXTENDING):
        if name := re.match(r"# (\w+\.py)\n", code):
            with (path / name[1]).open("a", encoding="utf-8") as file:
                file.write(code + "\n\n")
    sys.path.insert(0, str(path))
    yield path
    sys.path.remove(str(path))
    for file in path.glob("*.py"):
        sys.modules.pop(file.stem, None)


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def test_the_examples_of_extending_run(here: Path) -> None:
    """Strategies, operators and providers, one block after the other, with the checks that they pass."""
    session: dict[str, Any] = {}
    for number, code in enumerate(blocks(EXTENDING)):
        exec(compile(code, f"extending.md, block {number}", "exec"), session)
    for name in ("check_operator", "check_strategy", "check_provider"):
        assert name in session


def run(command: str, *more: str) -> str:
    program, *arguments = shlex.split(command)
    assert program == "backtrack-sampler"
    return str(main([*arguments, *(more if arguments[0] == "generate" else [])]))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_extending_run(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Each as it stands there, on the page's own model."""
    toy = [] if " --model " in command or " --engine " in command else ["--model", "./toy_provider.py:ToyProvider"]
    assert run(command, *toy, "--max-new-tokens", "8", "--seed", "1") == "0"
    assert len(capfd.readouterr().out.split()) >= 2


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_the_commands_of_extending_run_on_a_real_model(capfd: pytest.CaptureFixture[str]) -> None:
    """And on the embedded one, which they take where they name none."""
    commands = [each for each in COMMANDS if "generate" in each and "--model" not in each and "--engine" not in each]
    assert len(commands) >= 3
    for command in commands:
        assert run(command, "--max-new-tokens", "8") == "0"
        assert capfd.readouterr().out.strip()


def own(cls: type[Any]) -> list[str]:
    """The public attributes and methods of a class, also those that only its docstring or annotations tell of."""
    return [name for name in {**vars(cls), **inspect.get_annotations(cls)} if not name.startswith("_")]


@pytest.mark.parametrize(
    "names",
    [
        hooks_of(BaseStrategy), Step._fields, Stream._fields, hooks_of(BaseOperator, HistoryOperator), own(BaseProvider),
        ["lock", "forward_passes", "evaluated_tokens", "remember"], [n for n in vars(Backend) if inspect.isfunction(vars(Backend)[n])],
        own(Bans), testing.__all__, [n for n in backtrack_sampler.operators.__all__ if "Operator" in n or n in ("Step", "Never")],
        ["Candidates", "TakeBack", "ChainStrategy", "OperatorStrategy", "from_pretrained", "partial", "__call__"],
        ["TokenMatcher", "Detokenizer", "StrategyError", "RollbackError", "ExhaustedError", "SessionOptions", "Event", "Trace"],
        list(inspect.signature(backtrack_sampler.OperatorStrategy).parameters)[1:],
        ["backtrack_sampler.strategies", "backtrack_sampler.providers", "--strategy", "--operator", "--model", "--engine"],
    ],
)  # fmt: skip
def test_nothing_is_left_out_of_extending(names: list[str]) -> None:
    """Every hook, every field and every public name that somebody needs who extends the package is on the page."""
    missing = [
        name
        for name in names
        if name not in ("check_vocabulary", "context_full", "get_eos_token_id")  # for the package's own use
        and not re.search(rf"(?<![\w-]){re.escape(name)}(?!\w)", EXTENDING)
    ]
    assert not missing


def test_every_name_in_extending_is_there() -> None:
    """And what the page calls a method or a field is one, still."""
    tables = re.findall(r"^\| (`[^|]*`) \|", EXTENDING, re.M)
    known = {
        *hooks_of(BaseStrategy), *Step._fields, *Stream._fields, *dir(BaseProvider), "from_pretrained",
    }  # fmt: skip
    for cell in tables:
        for name in re.findall(r"`(\w+)", cell):
            assert name in known, name


def test_the_examples_of_python_run(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows in and out on a fake model; and logging is heard where it is asked for."""
    page = (DOCS / "python.md").read_text(encoding="utf-8")
    provider = FakeProvider(list("Once upnatimThdrg o") + [""])
    monkeypatch.setattr(provider, "chat_prompt", lambda messages: "Once")
    session: dict[str, Any] = {
        "sampler": BacktrackSampler(provider), "strategy": lambda: AntiSlopStrategy(provider, ["on"]),
    }  # fmt: skip
    logger = logging.getLogger("backtrack_sampler")
    before = logger.level
    try:
        for code in blocks(page):
            exec(code, session)
        assert logger.level == logging.INFO
    finally:
        logger.setLevel(before)
    done = session["done"]
    assert [(row["id"], row.get("kind"), row["error"]) for row in done] == [(7, "tale", None), (8, None, None)]
    assert all(len(row["text"]) == row["tokens"] or row["tokens"] for row in done)
    compile("".join(re.findall(r"```py\n(.*?)```", page, re.DOTALL)), "python.md", "exec")
