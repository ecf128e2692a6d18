"""Names, paths and entry points: what is found, and what is said where nothing is."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import backtrack_sampler
from backtrack_sampler import BaseProvider, InputError, ModelError, load_provider
from backtrack_sampler.discovery import find_operator, find_provider, find_strategy, wants_model
from backtrack_sampler.testing import FakeProvider, check_provider

PROVIDER = '''
"""Providers of one's own."""
from backtrack_sampler.testing import FakeProvider
{more}

class Mine(FakeProvider):
    """A few words."""
    def __init__(self, seed=0, *, mark="!"):
        super().__init__(["a", "b", " ", mark, ""], seed=seed)
        self.model_name = "mine"
'''

LOADS = '''
class Loads(FakeProvider):
    """One that is told which model."""
    @classmethod
    def from_pretrained(cls, name, *, n_ctx=64, **more):
        found = cls(context_size=n_ctx)
        found.model_name, found.more = str(name), more
        return found
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- operators -----------------------------------------------------------------------------


def test_a_function_alone_in_a_file(here: Path) -> None:
    """It need not be named where there is no other, nor a class; what is private or takes nothing does not count."""
    Path("my.py").write_text(
        "import re\nfrom functools import partial\nfrom backtrack_sampler.operators import Never, BaseOperator\n"
        "def no_a(step, letter='a'):\n    return letter in step.text\n"
        "def _helper(x):\n    return x\n\ndef nothing():\n    return 0\n\nvalue = 5\n"
    )
    for name in ("./my.py", "my.py", "./my.py:no_a"):
        assert find_operator(name).__name__ == "no_a"
    with pytest.raises(InputError, match=r"my\.py has no operator nobody \(found: no_a\)"):
        find_operator("./my.py:nobody")


def test_a_class_goes_before_functions(here: Path) -> None:
    """A file with one operator class may have functions beside it, as it always could; each can be named."""
    Path("my.py").write_text(
        "from backtrack_sampler.operators import Never\nclass Mine(Never):\n    pass\n\ndef helper(x):\n    return x\n"
    )
    assert find_operator("my.py").__name__ == "Mine"
    assert find_operator("my.py:helper").__name__ == "helper"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def a(step): pass\ndef b(step): pass", r"must hold one operator \(found: a, b\): name it, my.py:a"),
        ("x = 1", r"must hold one operator \(found: none\)"), ("1/0", "cannot be imported: ZeroDivisionError"),
    ],
)  # fmt: skip
def test_functions_that_are_not_clear(here: Path, code: str, message: str) -> None:
    """The candidates are listed."""
    Path("my.py").write_text(code)
    with pytest.raises(InputError, match=message):
        find_operator("my.py")


# -- providers -----------------------------------------------------------------------------


def test_a_provider_in_a_file(here: Path) -> None:
    """In place of a model, or as an engine; a constructor does where there is no from_pretrained."""
    Path("my.py").write_text(PROVIDER.format(more=""))
    for provider in (
        load_provider("./my.py:Mine", seed=3, mark="?"), load_provider("my.py", seed=3, mark="?"),
        load_provider(engine="./my.py:Mine", seed=3, mark="?"), load_provider(Path("my.py"), seed=3, mark="?"),
    ):  # fmt: skip
        assert (provider.model_name, provider.decode([3])) == ("mine", "?")
    check_provider(load_provider("my.py"), text="a b")
    assert not wants_model("./my.py")
    with pytest.raises(InputError, match=r"my\.py takes no option 'sed': did you mean seed\?"):
        load_provider("my.py", sed=1)
    with pytest.raises(InputError, match="an engine and its model in one"):
        load_provider("my.py", "llamacpp")
    with pytest.raises(InputError, match=r"engine my\.py takes no model"):
        load_provider("x.gguf", "my.py")


def test_a_provider_that_is_told_which_model(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first parameter of its from_pretrained, whatever it is and whatever it is called; else the embedded one."""
    Path("my.py").write_text(PROVIDER.format(more="") + LOADS)
    engine = "./my.py:Loads"
    provider: Any = load_provider("http://127.0.0.1:1/a b", engine, n_ctx=8, speed=2)
    assert (provider.model_name, provider.context_size, provider.more) == ("http://127.0.0.1:1/a b", 8, {"speed": 2})
    assert load_provider(engine, name="x").model_name == "x"
    assert wants_model(engine)
    monkeypatch.setattr("backtrack_sampler.discovery.embedded_model", lambda: Path("/embedded.gguf"))
    assert load_provider(engine).model_name == "/embedded.gguf"


@pytest.mark.parametrize(
    ("code", "name", "error", "message"),
    [
        (PROVIDER.format(more="") + LOADS, "my.py", InputError, r"must hold one provider \(found: Mine, Loads\): name it, my\.py:Mine"),
        ("", "my.py", InputError, r"must hold one provider \(found: none\)"), ("", "none.py", InputError, "no file at none.py"),
        ("raise OSError('two\\nlines')", "my.py", InputError, "cannot be imported: OSError: two lines"),
        (PROVIDER.format(more="") + "        1/0\n", "my.py", ModelError, r"my\.py cannot be loaded \(ZeroDivisionError: "),
        ("from backtrack_sampler import BaseProvider\nclass Half(BaseProvider):\n    pass", "my.py", ModelError, "abstract .*_evaluate"),
    ],
)  # fmt: skip
def test_providers_that_cannot_be_used(here: Path, code: str, name: str, error: type[Exception], message: str) -> None:
    """Whatever is wrong with somebody's file is one line."""
    Path("my.py").write_text(code)
    with pytest.raises(error, match=message):
        load_provider(name)


def test_an_unknown_engine() -> None:
    """Those that there are, and that a path would do."""
    with pytest.raises(
        InputError,
        match=r"no engine 'steam': use one of .*llamacpp, .*transformers, or a path like \./my\.py:MyProvider",
    ):
        find_provider("steam")


def test_entry_points(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    """A package of somebody else's offers strategies and providers by name."""
    Path("their_parts.py").write_text(
        PROVIDER.format(more="from backtrack_sampler import BaseStrategy\nclass Quiet(BaseStrategy): pass\n")
    )
    monkeypatch.syspath_prepend(here)
    known = {
        "backtrack_sampler.strategies": [importlib.metadata.EntryPoint("quiet-one", "their_parts:Quiet", "")],
        "backtrack_sampler.providers": [importlib.metadata.EntryPoint("their_model", "their_parts:Mine", "")],
    }
    monkeypatch.setattr("backtrack_sampler.discovery.entry_points", lambda group: known.get(group, []))
    assert find_strategy("quiet_one").__name__ == "Quiet"
    assert load_provider(engine="their-model", mark="?").decode([3]) == "?"
    with pytest.raises(InputError, match="use one of llamacpp, their_model, transformers"):
        find_provider("nonsense")


def test_a_file_that_is_dropped_in(tmp_path: Path) -> None:
    """A file in provider/ is an engine, with the imports that it has there; as a path it is the same."""
    package = tmp_path / "backtrack_sampler"
    shutil.copytree(backtrack_sampler.__path__[0], package, ignore=shutil.ignore_patterns("__pycache__"))
    code = PROVIDER.format(more="from .base_provider import BaseProvider")
    (package / "provider" / "my_own_provider.py").write_text(code)
    (tmp_path / "elsewhere.py").write_text(code)
    for arguments in (["--engine", "my-own"], ["--engine", "my_own"], ["--model", "./elsewhere.py:Mine"]):
        done = subprocess.run(
            [sys.executable, "-m", "backtrack_sampler", "generate", "a b", *arguments, "--max-new-tokens", "5", "--seed", "1"],
            capture_output=True, text=True, cwd=tmp_path, check=False, env={"PATH": "", "PYTHONPATH": str(tmp_path)},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.strip()


def test_the_checks_of_an_engine_are_those_of_its_class() -> None:
    """The built-in ones are found as any other."""
    assert find_provider("llamacpp").__name__ == "LlamacppProvider"
    assert issubclass(find_provider("transformers"), BaseProvider)
    assert issubclass(FakeProvider, BaseProvider)


def test_what_something_in_a_file_is_instead(tmp_path: Path) -> None:
    """A strategy that is an operator, an operator without its method, a class that is neither."""
    path = tmp_path / "my.py"
    path.write_text(
        "from backtrack_sampler import BaseStrategy\n"
        "from backtrack_sampler.operators import BaseOperator, HistoryOperator\n"
        "class S(BaseStrategy): pass\n"
        "class O(BaseOperator):\n    def __call__(self, step): return 0\n"
        "class Half(HistoryOperator):\n    def measure(self, step): return 0\n"
        "class N: pass\n"
        "def f(step): return 0\n"
    )
    for name, find, says in (
        ("O", find_strategy, "O is an operator, use --operator"), ("S", find_operator, "S is a strategy, use --strategy"),
        ("Half", find_operator, "Half does not define judge"), ("N", find_operator, "N is no subclass of BaseOperator"),
        ("f", find_strategy, "f is a function; one of a step is an operator, use --operator"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says):
            find(f"{path}:{name}")


def test_a_file_that_was_mended_a_moment_ago(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in it now counts, also where it is as long as before and was read in the same second."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "my.py"
    for answer in (0, 1, 0, 1):
        path.write_text(f"def judge(step):\n    return {answer}\n")
        os.utime(path, (1_000_000_000, 1_000_000_000))
        assert find_operator(f"{path}:judge")(None) == answer  # type: ignore[arg-type]
