"""Tasks of lm-evaluation-harness as tasks of an experiment; those beside this file need no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets.config
import huggingface_hub.constants
import pytest
from lm_eval.tasks import TaskManager

from backtrack_sampler import InputError
from backtrack_sampler.benchmark.tasks import lm_eval_index
from backtrack_sampler.benchmark.tasks.base_task import DEVELOPMENT, TEST, Item
from backtrack_sampler.benchmark.tasks.lm_eval_task import LmEvalTask
from backtrack_sampler.provider import hub

TASKS = Path(__file__).parent / "lm_eval_tasks"


@pytest.fixture(autouse=True)
def ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness's thousands of files are not read: that takes seconds."""
    original = lm_eval_index.task_manager
    monkeypatch.setattr(lm_eval_index, "task_manager", lambda path=None, defaults=True: original(path, False))


def task(name: str, *said: str, **options: Any) -> LmEvalTask:
    return LmEvalTask(f"{name}:{','.join([f'include_path={TASKS}', *said])}", **options)


def test_its_items() -> None:
    """Prompts as the harness has them, its stop strings and limit; how tokens are drawn is not the task's to say."""
    sums = task("our_sums", shots=2)
    items = sums.items(TEST)
    assert len(items) == 16
    lines = str(items[5].prompt).split("\n\n")
    assert [lines[0], lines[-1]] == ["add up.", "1+1="]
    assert all(eval(line.replace("=", "==")) for line in lines[1:3])
    assert items[5].options == {"stop": ["\n"], "max_new_tokens": 4}
    assert (sums.stop, sums.max_new_tokens) == (("\n",), 4)
    assert items[5].data["target"] == "2"


def test_prompts_are_those_of_the_harness() -> None:
    """Every prompt, with its examples, is what the harness itself would ask."""
    (theirs,) = TaskManager(include_path=str(TASKS), include_defaults=False).load(["our_sums"])["tasks"].values()
    theirs.set_config("num_fewshot", 3)
    theirs.set_fewshot_seed(1234)
    theirs.build_all_requests()
    assert [item.prompt for item in task("our_sums", shots=3).items()] == [each.args[0] for each in theirs.instances]


def test_the_same_items_every_time() -> None:
    """In a new object, after another split, and with a limit: same ids, same prompts."""
    sums = task("our_sums", shots=2)
    first = sums.items(TEST)
    sums.items(DEVELOPMENT, 3)
    assert sums.items(TEST, 4) == first[:4]
    assert task("our_sums", "shots=2").items(TEST) == first
    assert len({item.id for item in first}) == 16


def asked(item: Item) -> str:
    return str(item.prompt).rpartition("\n\n")[2]


def test_splits_do_not_meet() -> None:
    """What is tuned on is not tested on, also where the data have it in both; and no question is its own example."""
    sums = task("our_sums", shots=8)
    tested, tuned = sums.items(TEST), sums.items(DEVELOPMENT)
    assert len(tuned) == 20
    assert not {asked(item) for item in tested} & {asked(item) for item in tuned}
    for item in tuned:
        assert asked(item) not in str(item.prompt).removesuffix(asked(item))


def test_as_a_conversation() -> None:
    """Each example is a question and its answer, and what the task says first is the system message."""
    prompt = task("our_sums", shots=1, chat=True).items(TEST, 1)[0].prompt
    assert [message["role"] for message in prompt] == ["system", "user", "assistant", "user"]  # type: ignore[index]
    assert prompt[-1] == {"role": "user", "content": "0+0="}


def test_scores() -> None:
    """After the task's filter; what the filter finds is the answer that votes count."""
    sums = task("our_sums")
    item = sums.items(TEST)[5]
    assert sums.score(item, " 2 apples") == (1.0, "2", "")
    assert sums.score(item, "3") == (0.0, "3", "")
    assert sums.score(item, "two") == (0.0, None, "")
    plain = task("our_sums", "filter=plain")
    assert plain.score(item, "2 apples") == (0.0, "2 apples", "")


def test_scores_do_not_need_the_items_of_this_object() -> None:
    """An item that another process has made is scored as well."""
    item = task("our_sums").items(DEVELOPMENT)[2]
    assert task("our_sums").score(item, item.data["target"]).value == 1.0


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [([], 1.0, 0.0), (["metric=percent", "scale=100"], 1.0, 0.0), (["metric=wrong"], 1.0, 0.0)],
    ids=["the first metric", "percents", "better the lower it is"],
)
def test_metrics(said: list[str], right: float, wrong: float) -> None:
    """From 0 for wrong to 1 for right, whatever they are; filters that take several answers are passed over."""
    sums = task("our_sampled_sums", *said)
    item = sums.items(TEST, 1)[0]
    assert (sums.score(item, "0").value, sums.score(item, "1").value) == (right, wrong)


@pytest.mark.parametrize(
    ("name", "said", "message"),
    [
        ("our_letters", [], "scored by log-likelihoods: nothing is drawn there, so no strategy can change it"),
        ("our_group", [], "is a group of tasks: name those that you mean, such as our_sums"),
        ("our_sum", [], "no task 'our_sum': did you mean our_sums"),
        ("our_programs", [], "runs what the model has written: --allow-code-execution"),
        ("our_sums", ["filter=best"], "has no filter 'best': it has number, plain"),
        ("our_sums", ["digits=2"], "not 'digits=2'"),
        ("our_sums", ["shots=few"], "shots must be a whole number"),
        ("our_sums", ["scale=-1"], "scale must be a number"),
    ],
)
def test_what_is_refused_at_once(name: str, said: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clear line, before anything is loaded."""
    monkeypatch.setattr(lm_eval_index, "load", lambda *_: pytest.fail("loaded"))
    with pytest.raises(InputError, match=message):
        task(name, *said)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["metric=corpus"], "is a metric of a whole run, not of an item"),
        (["metric=percent"], "is 100 here, not from 0 to 1: say its scale="),
        (["metric=f2"], "has no metric 'f2': it has acc, percent, wrong, corpus"),
        (["filter=all"], "takes several answers at once"),
    ],
)
def test_what_is_refused_before_anything_is_written(said: list[str], message: str) -> None:
    """Filters and metrics that make no score of an item are found with the items."""
    with pytest.raises(InputError, match=message):
        task("our_sampled_sums", *said).items(TEST, 1)


def test_nothing_to_tune_on() -> None:
    """A task with a single split has no development items."""
    programs = task("our_programs", allow_code_execution=True)
    assert len(programs.items(TEST)) == 16
    with pytest.raises(InputError, match="nothing can be tuned on it"):
        programs.items(DEVELOPMENT)


def test_data_that_need_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the hub does not answer, nobody waits for it: one line, and the libraries are as they were."""
    monkeypatch.setattr(hub, "answers", lambda: False)
    with pytest.raises(InputError, match=r"nobody/has-this-data-set\) are not on this computer, and the hub cannot be"):
        task("our_remote").items(TEST)
    assert not huggingface_hub.constants.HF_HUB_OFFLINE
    assert not datasets.config.HF_HUB_OFFLINE


def test_a_definition_that_is_broken(tmp_path: Path) -> None:
    """What its functions raise is one line."""
    (tmp_path / "broken.yaml").write_text(
        "task: broken\ncustom_dataset: !function data.load\noutput_type: generate_until\ntest_split: test\n"
    )
    (tmp_path / "data.py").write_text("def load(**_):\n    raise LookupError('no\\ndata')\n")
    with pytest.raises(InputError, match=r"task broken cannot be loaded \(LookupError: no data\)"):
        LmEvalTask(f"broken:include_path={tmp_path}").items()


def test_a_folder_that_is_not_there() -> None:
    """Said as such, not as a task that is unknown."""
    with pytest.raises(InputError, match="there is no folder nowhere"):
        LmEvalTask("our_sums:include_path=nowhere")


def test_the_version_follows_the_definition(tmp_path: Path) -> None:
    """Another YAML, other Python beside it, other examples or another filter: other results."""
    for file in TASKS.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())

    def version(*said: str, **options: Any) -> str:
        lm_eval_index_caches()
        return LmEvalTask(f"our_sums:{','.join([f'include_path={tmp_path}', *said])}", **options).version

    before = version()
    assert before == version()
    others = {version(shots=3), version("filter=plain"), version(chat=True)}
    (tmp_path / "documents.py").write_text((TASKS / "documents.py").read_text() + "\n")
    others.add(version())
    assert len({before, *others}) == 5


def lm_eval_index_caches() -> None:
    """The index is read once in a process; forget it."""
    cache = lm_eval_index.task_manager.__closure__[0].cell_contents
    cache.cache_clear()


def test_names() -> None:
    """With what was chosen, without where it was found."""
    assert task("our_sums", "filter=plain", "shots=2").name == "our_sums:filter=plain,shots=2"
    assert task("our_sums").name == "our_sums"
