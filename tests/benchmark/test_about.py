"""What a run came from is said, and nothing that is nobody's business."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from backtrack_sampler.benchmark import about
from backtrack_sampler.benchmark.about import about_run, machine, revision, versions


def test_all_that_is_needed_to_repeat_it() -> None:
    """Configuration, seed, model, versions and machine, as JSON."""
    found = json.loads(json.dumps(about_run({"evaluation": {"limit": 3}}, 7, {"name": "tiny"})))
    assert found["experiment"] == {"evaluation": {"limit": 3}}
    assert (found["seed"], found["model"], found["seconds"]) == (7, {"name": "tiny"}, 0.0)
    assert datetime.fromisoformat(found["started"]).tzinfo is not None
    assert found["versions"]["python"] == platform.python_version()
    assert {"backtrack_sampler", "lm_eval", "inspect_ai"} <= found["versions"].keys()
    assert found["machine"]["cpu"]
    assert found["machine"]["cores"] >= 1


def test_nothing_tells_whose_machine_it_is() -> None:
    """No folder, no host, no password."""
    experiment = {"hpo": {"storage": "postgresql://me:secret@host/db", "x": ["redis://:hidden@h", 1, None]}}
    found = about_run(experiment | {"model_kwargs": {"token": "hf_x"}}, 0, {"options": {"api_key": "sk"}})
    assert found["experiment"]["hpo"] == {"storage": "postgresql://me:***@host/db", "x": ["redis://:***@h", 1, None]}
    assert found["experiment"]["model_kwargs"] == {"token": "***"}
    assert found["model"] == {"options": {"api_key": "***"}}
    text = json.dumps([versions(), machine()])
    for private in filter(None, (platform.node(), str(Path(about.__file__).parents[2]))):
        assert private not in text


def test_a_checkout_says_its_commit(tmp_path: Path) -> None:
    """And whether files of the package differ from it; what is installed has none."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "a.py").write_text("")
    assert revision(package) == ""

    def git(*arguments: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init", "--quiet")
    assert revision(package) == ""
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    commit = git("rev-parse", "HEAD").strip()
    assert revision(package) == commit
    (tmp_path / "notes").write_text("no part of the package")
    assert revision(package) == commit
    (package / "a.py").write_text("1")
    assert revision(package) == f"{commit}+changes"
    installed = package / "site-packages" / "package"  # within somebody's own repository
    installed.mkdir(parents=True)
    assert revision(installed) == ""


def test_gpus_are_those_that_torch_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch is loaded; it is not loaded for that."""
    cuda = SimpleNamespace(
        is_available=lambda: True, device_count=lambda: 2, get_device_name=lambda index: f"GPU {index}"
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert machine()["gpus"] == ["GPU 0", "GPU 1"]
    code = (
        "import sys; from backtrack_sampler.benchmark.about import about_run; about_run({}, 0, {}); "
        "assert not {'torch', 'numpy', 'inspect_ai'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
