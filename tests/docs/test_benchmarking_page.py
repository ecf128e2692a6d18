"""docs/benchmarking.md is true: its experiments can be run, its task works, and no key is left out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from backtrack_sampler.benchmark.config import Experiment, read_experiment
from backtrack_sampler.benchmark.statistics.estimates import difference, smallest_visible
from backtrack_sampler.benchmark.tasks import DEVELOPMENT, TEST
from backtrack_sampler.benchmark.tasks.find import find_task, task_names
from backtrack_sampler.cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "benchmarking.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where somebody has followed the page; the model is never loaded."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny.gguf").touch()
    for code in blocks("python"):
        (tmp_path / re.match(r"# (\w+\.py)\n", code)[1]).write_text(code, encoding="utf-8")  # type: ignore[index]
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("text", blocks("yaml"), ids=range(len(blocks("yaml"))))
def test_an_experiment_of_the_page_is_accepted(text: str) -> None:
    """Each as it stands there; what is only a part of one, with a task."""
    experiment = yaml.safe_load(text)
    if "evaluation" not in experiment:
        experiment["evaluation"] = {"tasks": ["sums"]}
    assert read_experiment(experiment, allow_code_execution=True).control_arms()


@pytest.mark.usefixtures("here")
def test_the_example_of_examples_is_accepted() -> None:
    """So is the one that lies there as a file."""
    experiment = read_experiment(ROOT / "examples" / "experiment.yaml")
    assert len(experiment.strategy_arms()) == 3
    assert experiment.evaluation.tasks == ["sums", "gcd"]


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections, or the entries of lists, that a key may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from models_in(each)


def keys(model: type[BaseModel], prefix: str = "") -> tuple[set[str], set[str]]:
    """All keys of a configuration, with their sections; and those of entries in lists."""
    whole: set[str] = set()
    of_entries: set[str] = set()
    for name, field in model.model_fields.items():
        inner = list(models_in(field.annotation))
        if not inner:
            whole.add(prefix + name)
        elif field.annotation is inner[0]:
            found, entries = keys(inner[0], f"{name}.")
            whole |= found
            of_entries |= entries
        else:
            whole.add(prefix + name)
            of_entries |= set().union(*(each.model_fields for each in inner))
    return whole, of_entries


def test_the_table_of_keys_has_each_of_them() -> None:
    """None that there is not, none left out; what an entry of a list may say is said too."""
    section = PAGE.partition("| key | what it says")[2].partition("\n\n")[0]
    told = set()
    for cell in re.findall(r"^\| (`[^|]+) \|", section, re.M):
        first, *others = re.findall(r"`([\w.]+)`", cell)
        told |= {first, *(first.partition(".")[0] + other for other in others)}
    whole, of_entries = keys(Experiment)
    assert told == whole
    assert of_entries >= {"name", "operator", "search_space"}
    (full,) = (yaml.safe_load(text) for text in blocks("yaml") if "sampled_at" in text)
    for section_name in ("evaluation", "generation", "controls", "hpo"):
        assert {f"{section_name}.{key}" for key in full[section_name]} == {
            k for k in whole if k.startswith(f"{section_name}.")
        }
    assert all(f"`{name}`" in section for name in of_entries)


def test_what_is_left_out_is_as_the_table_says() -> None:
    """Numbers in the last column are the defaults."""
    experiment = read_experiment({"evaluation": {"tasks": ["sums"]}}).model_dump()
    for key, said in re.findall(r"^\| `([\w.]+)`.*\| ([\d.][\d., ]*) \|$", PAGE, re.M):
        value = experiment
        for part in key.split("."):
            value = value[part]
        assert [float(each) for each in said.split(", ")] == (value if isinstance(value, list) else [value]), key


def test_the_tasks_of_the_page_are_there() -> None:
    """Each can be found with the parameters that it is said to have, and none is left out."""
    section = PAGE.partition("| task | asks for |")[2].partition("\n\n")[0]
    told = set()
    for names, text in re.findall(r"^\| (`[^|]*) \| (.*) \|$", section, re.M):
        for name in re.findall(r"`(\w+)`", names):
            told.add(name)
            for parameter in re.findall(r"`(\w+=\d+)`", text):
                if f"`{parameter}` for" not in text and not (parameter.startswith("terms") and name != "sums"):
                    assert find_task(f"{name}:{parameter}").items(TEST, 1)
    assert told == set(task_names())


@pytest.mark.usefixtures("here")
def test_a_task_of_ones_own() -> None:
    """It is found by its path, its splits do not meet, and its checker knows right from wrong."""
    (name,) = {task for text in blocks("yaml") for task in re.findall(r"\./\w+\.py:\w+", text) if "Words" in task}
    task = find_task(name)
    asked = {split: task.items(split) for split in (DEVELOPMENT, TEST)}
    assert len(task.items(TEST, 2)) == 2
    assert not {item.id for item in asked[TEST]} & {item.id for item in asked[DEVELOPMENT]}
    for item in [*asked[TEST], *asked[DEVELOPMENT]]:
        assert task.score(item, f" {item.id[::-1]}").value == 1
        assert task.score(item, f" {item.id}").value == 0


def test_what_is_visible_of_300_items() -> None:
    """The example's numbers: right or wrong independently in two rows, half of the time."""
    error, visible = re.search(
        r"error of the difference is ([\d.]+), and the smallest visible one ([\d.]+)", PAGE
    ).groups()
    found = difference([1.0, 1.0, 0.0, 0.0] * 75, [1.0, 0.0] * 150)
    assert f"{found.seen_error:.3f}" == error
    assert f"{smallest_visible(found):.2f}" == visible


COMMANDS = re.findall(r"^backtrack-sampler .*$", "\n".join(blocks("sh")), re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page(command: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It takes the page's file, and says what it would run."""
    for text in blocks("yaml"):
        if name := re.match(r"# (\w+\.yaml)\n", text):
            (here / name[1]).write_text(text, encoding="utf-8")
    program, *arguments = shlex.split(command)
    assert program == "backtrack-sampler"
    assert main([*arguments, *([] if "--check" in arguments else ["--check"])]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("code", blocks("py"), ids=range(len(blocks("py"))))
def test_the_imports_of_the_page(code: str) -> None:
    """What needs a model compiles, and what it imports is there."""
    compile(code, "benchmarking.md", "exec")
    exec("\n".join(line for line in code.splitlines() if line.startswith("from ")), {})
