"""docs/rl.md is true: its configurations are accepted, its tables are complete, and its code runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from backtrack_sampler import rl
from backtrack_sampler.provider.base_provider import BaseProvider
from backtrack_sampler.rl.features import DEFAULT_FEATURES, FEATURES
from backtrack_sampler.rl.judges.from_config import JudgeSection
from backtrack_sampler.rl.training.config import RlConfig, ShapingSection, read_config

PAGE = (Path(__file__).parents[2] / "docs" / "rl.md").read_text(encoding="utf-8")
FIRST, JUDGES, WHOLE = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the files are that the page names."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("def score(prompt, text):\n    return 1.0\n")
    Path("my-model.gguf").touch()


def test_every_key_is_on_the_page_with_its_default() -> None:
    """The last configuration is all that there is, and but for the judge's model and the file of the model it says
    nothing but the defaults."""
    said = yaml.safe_load(WHOLE)
    usual = RlConfig().model_dump(mode="json")
    assert set(said) == set(usual) - {"engine", "device", "model_kwargs"}
    for section in ("env", "shaping", "training"):
        assert said[section] == usual[section]
    judge = JudgeSection().model_dump(mode="json") | {"model": "gpt-4o-mini", "api_key": None}
    assert said["judge"] | {"kind": None, "task": None, "checker": None} == judge
    assert read_config(said).training == RlConfig().training
    assert list(yaml.safe_load(WHOLE)["env"]["features"]) == list(DEFAULT_FEATURES)


def test_the_configurations_are_accepted() -> None:
    """The first one, and each kind of judge."""
    assert read_config(yaml.safe_load(FIRST)).training.total_timesteps == 100_000
    kinds = [part for part in re.split(r"^(?=judge:)", JUDGES, flags=re.M) if part.strip()]
    assert len(kinds) == 4
    for kind in kinds:
        read_config(yaml.safe_load(kind))


def test_the_tables_are_complete() -> None:
    """All features, and all that shaping can do."""
    features = PAGE.partition("| feature |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", features, re.M) == list(FEATURES)
    rewards = PAGE.partition("**Rewards**")[2].partition("\n\n## ")[0]
    for name in ShapingSection.model_fields:
        assert f"`{name}`" in rewards


def test_names_from_the_package_are_there() -> None:
    """Whatever the page imports."""
    for names in re.findall(r"from backtrack_sampler\.rl import (.+)", PAGE):
        for name in names.split(", "):
            assert name in rl.__all__
            getattr(rl, name)


@pytest.mark.slow
def test_the_code_runs(smollm: BaseProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that is written by hand, decision by decision, on the embedded model."""
    monkeypatch.setattr("backtrack_sampler.load_provider", lambda: smollm)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    session: dict[str, Any] = {}
    exec(compile(code, "rl.md", "exec"), session)
    assert session["summary"]["kept"] == 12
    assert session["summary"]["score"] in (0.0, 1.0)
