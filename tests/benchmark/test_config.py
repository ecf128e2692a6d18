"""Experiments as YAML files say them: what is accepted, and what is said of everything else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from experiments import SMALL, Sums, find_task, put_module, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backtrack_sampler.benchmark.arms import sampling_of
from backtrack_sampler.benchmark.config import Experiment, read_experiment
from backtrack_sampler.benchmark.config.yaml_file import dump_yaml, read_yaml
from backtrack_sampler.errors import InputError

PRINTED = """\
# experiment.yaml
model_name_or_path: "Qwen/Qwen2-0.5B-Instruct"
device: "cpu"
run_baseline: true
operator_to_tune: "ProbabilityThreshold"
evaluation:
  tasks: ["gsm8k"]
  limit: 50
  output_dir: "benchmark_results/gsm8k_qwen"
generation:
  max_new_tokens: 256
  temperature: 0.7
hpo:
  n_trials: 20
  search_space:
    min_probability: [0.01, 0.3]
    backtrack_count:
"""


@pytest.fixture(autouse=True)
def _tasks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tasks that need nothing, in a folder of one's own."""
    put_module(monkeypatch, "tasks.find", find_task=find_task)
    monkeypatch.chdir(tmp_path)


def refused(text: str, **options: Any) -> list[str]:
    """What is said of a file, without the file's name."""
    error = caught(lambda: read_experiment(write(text), **options))
    assert error is not None
    lines = lines_of(error)
    assert all("\n" not in line and line.startswith("e.yaml") for line in lines)
    if len(lines) > 1:
        assert str(error).startswith(f"e.yaml has {len(lines)} errors: ")
    return [line.removeprefix("e.yaml").removeprefix(", line ") for line in lines]


def caught(call: Callable[[], Any]) -> InputError | None:
    try:
        call()
    except InputError as error:
        return error
    return None


def lines_of(error: InputError) -> list[str]:
    """Each thing that is wrong."""
    return getattr(error, "__notes__", None) or [str(error)]


def of(**sections: Any) -> Experiment:
    return read_experiment({"evaluation": {"tasks": ["sums"]}, **sections})


# -- what is accepted -----------------------------------------------------------------------


def test_the_file_of_backtracking_llm() -> None:
    """Its sample is accepted as it stands, but for the range that it lacks; that is one line, with its place."""
    assert refused(PRINTED) == ["17: hpo.search_space.backtrack_count: needs a range, such as [1, 5]"]
    experiment = read_experiment(write(PRINTED.replace("count:", "count: [1, 5]")))
    (tuning,) = experiment.to_tune()
    assert (tuning.kind, tuning.spec, tuning.n_trials) == ("operator", "ProbabilityThreshold", 20)
    assert list(tuning.space) == ["min_probability", "backtrack_count"]
    assert experiment.evaluation.tasks == ["gsm8k"]
    assert [each["temperature"] for each in experiment.samplings()] == [0.7]
    assert experiment.model_options() == {"device": "cpu"}
    assert experiment.strategy_arms() == []


def test_the_file_of_backtracking_llm_as_a_page_prints_it() -> None:
    """Without its indentation: each key has the section that it belongs to, what is tuned among them."""
    said = refused("\n".join(line.strip() for line in PRINTED.splitlines()) + "\n")
    assert said == [
        "6: evaluation.tasks: is missing: name one or more, such as [sums, gsm8k]",
        "7: tasks: belongs under evaluation: write it there, indented",
        "8: limit: belongs under evaluation: write it there, indented",
        "9: output_dir: belongs under evaluation: write it there, indented",
        "11: max_new_tokens: belongs under generation: write it there, indented",
        "12: temperature: belongs under generation: write it there, indented",
        "14: n_trials: belongs under hpo: write it there, indented",
        "15: search_space: belongs under hpo: write it there, indented",
        "16: min_probability: belongs under hpo.search_space: write it there, indented, with a range such as [0.1, 0.5]",
        "17: backtrack_count: belongs under hpo.search_space: write it there, indented, with a range such as [1, 5]",
    ]


def test_little_is_enough() -> None:
    """Tasks are all that must be said; results then go to a folder with the file's name."""
    experiment = read_experiment(write("evaluation: {tasks: sums}\ngeneration:\nhpo:\nstrategies:\n", "first.yaml"))
    assert experiment.folder == Path("benchmark_results/first")
    assert [arm.name for arm in experiment.control_arms()][:2] == ["baseline T=1", "greedy"]


def test_numbers_as_people_write_them() -> None:
    """1e-1 is a number; one temperature or several; runs is another name for repeats."""
    experiment = read_experiment(
        write("evaluation: {tasks: [sums], runs: 3}\ngeneration: {temperature: 1e-1, top_k: 0}\n")
    )
    assert experiment.generation.temperature == [0.1]
    assert experiment.evaluation.repeats == 3
    assert experiment.samplings() == [sampling_of(temperature=0.1, top_k=None)]


def test_as_json_and_back() -> None:
    """What `model_dump` gives is read as the same experiment."""
    experiment = of(
        strategies=["antislop", ["repetition", "never"], {"name": "x", "operator": "never", "temperature": 0.3}],
        hpo={"tune": ["repetition", {"operator": "ngram-overlap", "search_space": {"ngram_size": [2, 5]}}]},
        generation={"temperature": [1.0, 0.0]},
    )
    again = read_experiment(experiment.model_dump(mode="json"))
    assert again == experiment
    assert [arm.key for arm in again.strategy_arms()] == [arm.key for arm in experiment.strategy_arms()]
    assert again.to_tune() == experiment.to_tune()


def test_tasks_get_what_the_file_says() -> None:
    """Examples before the question, the chat template, and whether code may be run."""
    experiment = of(evaluation={"tasks": ["sums", "humaneval"], "num_fewshot": 2, "chat": True})
    tasks = experiment.find_tasks(allow_code_execution=True)
    assert [(task.name, task.shots, task.chat) for task in tasks if isinstance(task, Sums)] == [
        ("sums", 2, True),
        ("humaneval", 2, True),
    ]


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ({"device": "cpu"}, {"n_gpu_layers": 0, "piece": 1}),
        ({"device": "cuda", "model_kwargs": {"piece": 64}}, {"piece": 64}),
        ({"device": "cpu", "model_kwargs": {"n_ctx": 512}}, {"n_gpu_layers": 0, "n_ctx": 512, "piece": 1}),
        ({"engine": "transformers", "device": "cpu"}, {"device": "cpu"}),
        ({"model_name_or_path": "org/name", "device": "cuda:1"}, {"device": "cuda:1"}),
        ({"model_name_or_path": "org/name", "engine": "llamacpp", "device": "cpu"}, {"n_gpu_layers": 0, "piece": 1}),
    ],
)
def test_device(said: dict[str, Any], options: dict[str, Any]) -> None:
    """It is understood with either engine: llama.cpp has no device, and only ever keeps off a GPU."""
    assert of(**said).model_options() == options


# -- what is not ----------------------------------------------------------------------------


def test_every_error_is_said() -> None:
    """All at once, in the order of the file, each on a line of its own with its line and place."""
    said = refused("""\
model_nam: x
engine: llamacp
device: 3
operator_to_tune: ProbabilityTreshold
strategies:
  - repetiton
  - [repetition, human-guidance]
  - {operator: antislop, temperature: hot}
  - {name: y}
  - 7
evaluation:
  tasks: [sum, sums, sums]
  limit: 0
  output_dir: e.yaml/x
generation:
  temperature: [0.7, -1]
  top_k: 3.5
  top_k: 40
hpo:
  n_trials: true
  tune:
    - {operator: repetition, search_space: {max_repetitions: , foo: [1, 2]}, n_trials: 0}
""")
    assert said == [
        "1: model_nam: is not known here: did you mean model_name_or_path?",
        "2: engine: no engine 'llamacp': use one of llamacpp, transformers, or a path like ./my.py:MyProvider",
        "3: device: must be text, not 3: put it in quotes",
        "4: operator_to_tune: no strategy or operator 'ProbabilityTreshold': did you mean probability-threshold?",
        "6: strategies[0]: no strategy or operator 'repetiton': did you mean repetition?",
        "7: strategies[1][1]: human-guidance asks a person about each text, and nobody is there: leave it out",
        "8: strategies[2].operator: antislop is a strategy: write it under strategy:",
        "8: strategies[2].temperature: must be a number, not 'hot'",
        "9: strategies[3]: needs strategy:, operator: or chain:",
        "10: strategies[4]: must be a spec, such as repetition, or keys of its own, not 7",
        "12: evaluation.tasks[0]: no task 'sum': did you mean sums?",
        "12: evaluation.tasks[2]: sums is there already: leave one out",
        "13: evaluation.limit: must be at least 1, not 0",
        f"14: evaluation.output_dir: {Path.cwd()}/e.yaml is a file, and a folder is needed: choose another one",
        "16: generation.temperature[1]: must be at least 0, not -1",
        "18: generation.top_k: is there twice: leave one out",
        "20: hpo.n_trials: must be a whole number, not true",
        "22: hpo.tune[0].n_trials: must be at least 1, not 0",
        "22: hpo.tune[0].search_space.max_repetitions: needs a range, such as [1, 5]",
        "22: hpo.tune[0].search_space.foo: repetition has no such parameter: use one of backtrack_every_n, retry, "
        "max_retries, max_discarded, max_repetitions",
    ]


LAUGHS = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcde", "bcdef", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("evaluation:\n\ttasks: [sums]\n", "2: there is a tab: indent with spaces"),
        ("a: b: c\n", "1: there is a colon where none can be: write key: value"),
        ("evaluation: {tasks: [sums}\n", "1: a list or a mapping is not closed"),
        ("evaluation: {tasks: ['sums]}\n", "2: a text in quotes is not closed"),
        ("evaluation:\n  tasks:\n    - sums\n   - gcd\n", "4: the indentation does not fit the lines above it"),
        ("a: 1\n---\nb: 2\n", "2: a second document begins with ---"),
        ("a: *b\n", "1: an alias, *name, stands for nothing"),
        ("a: &x [*x]\n", "1: an alias stands for something that it is itself a part of"),
        ("a: !b c\n", "1: a tag, !name, means nothing here"),
        ("a: 1\nb: \x07\n", "2: there is a character that no text has: remove it"),
        ("a: 2026-13-01\n", " has a value that YAML cannot read"),
        ("", " is empty: write at least evaluation:"),
        ("# nothing yet\n", " is empty: write at least evaluation:"),
        ("- sums\n", " must be keys and values, such as evaluation:"),
        ("sums\n", " must be keys and values, such as evaluation:"),
        ("a: " + "[" * 1500, " goes too deep"),
        (LAUGHS, " is too large for a configuration"),
    ],
)
def test_what_is_no_configuration(text: str, said: str) -> None:
    """One clear line, with the line number where there is one."""
    (line,) = refused(text)
    assert line.startswith(said)


def test_what_is_written_is_read_as_it_was() -> None:
    """Texts that look like numbers to somebody, and numbers that look like texts."""
    texts = ["1e-3", "010", "0x1F", "1:30", "1_000", ".5", "no", "~", "2026-11-01", "a: b", "1.0", "-7", ".nan", "1e3x"]
    data = {"texts": texts, "numbers": [0, -7, 10, 0.001, 1e-05, 1e22, 0.5, 1.0], **dict.fromkeys(texts, 1)}
    file = write(dump_yaml(data))
    assert read_yaml(file).data == data
    assert [type(each) for each in read_yaml(file).data["numbers"]] == [int] * 3 + [float] * 5


def test_numbers_are_decimal() -> None:
    """As YAML 1.2 has them: what YAML 1.1 reads as octal, hexadecimal or in sixties is text."""
    said = "[10, +3, -0, 1e3, 1e-3, .5, 1., 0.25, 010, 0x10, 0b1, 1_0, 1:30, 1:30.5, 1e3x, .inf]"
    assert read_yaml(write(said)).data == [
        10, 3, 0, 1000.0, 0.001, 0.5, 1.0, 0.25, "010", "0x10", "0b1", "1_0", "1:30", "1:30.5", "1e3x", float("inf"),
    ]  # fmt: skip


def test_files_that_cannot_be_read() -> None:
    """One clear line, too."""
    with pytest.raises(InputError, match=r"cannot read none\.yaml: No such file"):
        read_experiment("none.yaml")
    Path("latin.yaml").write_bytes("a: é\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"cannot read latin\.yaml: it is not valid text, save it as UTF-8"):
        read_experiment("latin.yaml")


BAD = [
    ("evaluation: {tasks: [sums], temperature: 1}", "evaluation.temperature: belongs under generation:"),
    ("limit: 3", "limit: belongs under evaluation:"),
    ("generation: {device: cpu}", "generation.device: belongs to no section"),
    ("evaluation: {tasks: [sums], repeats: 1, runs: 2}", "evaluation.runs: is another name of repeats"),
    ("evaluation:", "evaluation.tasks: is missing: name one or more"),
    ("evaluation: {tasks: []}", "evaluation.tasks: needs at least one"),
    ("evaluation: {tasks: }", "evaluation.tasks: has no value: give one, or leave the line out"),
    ("evaluation: {tasks: [sums:a=1,b=2]}", "evaluation.tasks[1]: no task 'b=2': between [ and ] a comma ends"),
    ("evaluation: {tasks: [sums, Sums]}", "evaluation.tasks[1]: is what sums is: leave one out"),
    ("evaluation: {tasks: [sums], limit: -5}", "evaluation.limit: must be at least 1, not -5"),
    ("evaluation: {tasks: [sums], limit: 10000000}", "evaluation.limit: must be at most 1000000, not 10000000"),
    ("evaluation: {tasks: [sums], limit: 0.1}", "evaluation.limit: must be a whole number, not 0.1"),
    ("evaluation: {tasks: [sums], max_batch: 20000}", "evaluation.max_batch: must be at most 10000, not 20000"),
    ("evaluation: {tasks: [sums], cache_gib: 1e308}", "evaluation.cache_gib: must be at most 100000, not 1e+308"),
    ("evaluation: {tasks: [sums], seed: -1}", "evaluation.seed: must be at least 0, not -1"),
    ("evaluation: {tasks: [sums], chat: maybe}", "evaluation.chat: must be true or false, not 'maybe'"),
    ("generation: 5", "generation: must be a section with keys of its own, not 5"),
    ("generation: {temperature: .inf}", "generation.temperature: must be a finite number, not inf"),
    ("generation: {temperature: []}", "generation.temperature: needs at least one"),
    ("generation: {temperature: [1, 1.0]}", "generation.temperature[1]: 1.0 is there already"),
    ("generation: {top_p: 0}", "generation.top_p: must be more than 0, not 0"),
    ("generation: {min_p: 1.5}", "generation.min_p: must be at most 1, not 1.5"),
    ("controls: {min_p: []}", "controls.min_p: needs at least one"),
    ("controls: {sampled_at: 0}", "controls.sampled_at: must be more than 0, not 0"),
    ("model_name_or_path: none.gguf", "model_name_or_path: no model file at none.gguf"),
    ("engine: ./none.py:P", "engine: no file at none.py: check the path"),
    ("1: x", "1 is not text, and keys are: put it in quotes"),
    ("strategies: repetition", "strategies: must be a list, such as [a, b], not 'repetition'"),
    ("strategies: [chain]", "strategies[0]: write a list of several for a chain, and an operator by its own name"),
    ("strategies: [antislop:slop=a]", "strategies[0]: strategy antislop has no parameter 'slop': it takes "),
    ("strategies: ['repetition:max_repetitions=0']", "strategies[0]: Repetition: max_repetitions must be"),
    ("strategies: [./none.py]", "strategies[0]: no file at none.py: check the path"),
    ("strategies: [{strategy: repetition}]", "strategies[0].strategy: repetition is an operator: write it under"),
    ("strategies: [{strategy: antislop, operator: never}]", "strategies[0]: has strategy and operator: leave one"),
    ("strategies: [never, never]", "strategies[1]: has the name of strategies[0]: leave one out, or give it a name:"),
    ("strategies: [{name: a, operator: never, temperature: [0, 1e-7]}]", "strategies[0]: writes at two temperatures"),
    ("strategies: [never, Never]", "strategies[1]: writes what strategies[0] writes: leave one out"),
    ("strategies: [{name: greedy, operator: never}]", "strategies[0]: has the name of a control, greedy: give it"),
    ("strategies: [{name: a, operator: never}, {name: a, strategy: antislop}]", "strategies[1]: has the name of"),
    ("hpo: {search_space: {a: [1, 2]}}", "hpo.search_space: says where to look, and not for what: add operator_to"),
    ("operator_to_tune: repetitio", "operator_to_tune: no strategy or operator 'repetitio': did you mean repetition?"),
    ("operator_to_tune: human-guidance", "operator_to_tune: human-guidance asks a person"),
    ("operator_to_tune: antislop", "operator_to_tune: antislop tuned: a strategy has no search space of its own"),
    ("hpo: {tune: [repetition, repetition]}", "hpo.tune[1]: has the name of hpo.tune[0], repetition tuned: give it"),
    ("hpo: {tune: [{name: x}]}", "hpo.tune[0]: needs one of operator: and strategy:"),
    (
        "operator_to_tune: repetition\nhpo: {storage: study.db}",
        "hpo.storage: storage must be journal:PATH, a path that ends in .journal or .log",
    ),
    ("operator_to_tune: repetition\nhpo: {storage: 'foo://bar'}", "hpo.storage: foo://bar: no database is called foo"),
    (
        "operator_to_tune: repetition\nhpo: {storage: ~nosuchuser/a.journal}",
        "hpo.storage: nobody knows where ~nosuchuser is at home",
    ),
    ("evaluation: {tasks: [sums], output_dir: ~nosuchuser/x}", "evaluation.output_dir: nobody knows where ~nosuchuser"),
    ("evaluation: {tasks: [sums], output_dir: ''}", "evaluation.output_dir: is empty: write a path"),
    ('evaluation: {tasks: [sums], output_dir: "a\\0b"}', "evaluation.output_dir: no path can be 'a\\x00b'"),
    ("hpo: {n_trials: 3}", "hpo.n_trials: is for tuning, and nothing is tuned: add operator_to_tune: NAME, or leave"),
    ("strategies: [{name: '', operator: never}]", "strategies[0].name: is empty: write a name, or leave the line out"),
    ("strategies: [{name: '  ', operator: never}]", "strategies[0].name: is empty: write a name"),
    ('strategies: [{name: "a\\nb", operator: never}]', "strategies[0].name: must be one line of text, not 'a\\nb'"),
    ("hpo: {tune: [{name: '', operator: repetition}]}", "hpo.tune[0].name: is empty: write a name"),
    ("evaluation: {tasks: [sums], limit: 010}", "evaluation.limit: must be a whole number, not '010': write it in dec"),
    ("evaluation: {tasks: [sums], limit: 1:30}", "evaluation.limit: must be a whole number, not '1:30': write it in"),
    ("evaluation: {tasks: [sums], limit: '10'}", "evaluation.limit: must be a whole number, not '10': leave the quo"),
    ("evaluation: {tasks: [sums], limit: ten}", "evaluation.limit: must be a whole number, not 'ten'"),
    ("evaluation: {tasks: [many], num_fewshot: 9}", "evaluation.num_fewshot: many takes 5 examples at most"),
    ("evaluation: {tasks: [nothing], num_fewshot: 9}", "evaluation.tasks[0]: no task 'nothing': did you mean sums?"),
    (
        "operator_to_tune: repetition\nevaluation: {tasks: [sums]}\nhpo: {n_trials: 3}\nhpo: {n_trials: 4}",
        "hpo: is there twice: leave one out",
    ),
    ("hpo: {tune: [7]}", "hpo.tune[0]: must be a spec, such as repetition, or keys of its own, not 7"),
    (
        "operator_to_tune: ProbabilityThreshold\nhpo: {search_space: {min_probability: }}",
        "hpo.search_space.min_probability: needs a range, such as [0.1, 0.5]",
    ),
    (
        "operator_to_tune: repetition\nhpo: {search_space: {max_repetition: [1, 5]}}",
        "hpo.search_space.max_repetition: repetition has no such parameter: did you mean max_repetitions?",
    ),
    (
        "operator_to_tune: repetition\nhpo: {search_space: {max_repetitions: [0, 5]}}",
        "hpo.search_space.max_repetitions: repetition tuned cannot be tuned with max_repetitions=0",
    ),
    (
        "operator_to_tune: repetition\nhpo: {search_space: {max_repetitions: [5, 1]}}",
        "hpo.search_space.max_repetitions: must go from a lower number to a higher one",
    ),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_what_cannot_be_used(text: str, said: str) -> None:
    """Its place, and what to do, in plain words."""
    if "evaluation" not in text:
        text = f"evaluation: {{tasks: [sums]}}\n{text}\n"
    (line,) = refused(text)
    assert line.partition(": ")[2].startswith(said)


def test_a_folder_that_nobody_may_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before anything is run."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    (line,) = refused(SMALL)
    assert line == f"2: evaluation.output_dir: you may not write to {Path.cwd()}: choose another folder"


def test_logs_that_nothing_here_can_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said at once, and not after hours, when they would be written."""
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    (line,) = refused("evaluation:\n  tasks: [sums]\n  inspect_logs: true\n")
    assert line.startswith("3: evaluation.inspect_logs: needs inspect-ai: pip install")
    assert not of(evaluation={"tasks": ["sums"], "inspect_logs": False}).evaluation.inspect_logs


def test_code_is_run_only_with_consent() -> None:
    """A task that runs what a model has written is an error like any other where nobody has agreed to that."""
    text = "evaluation: {tasks: [humaneval], limit: 0}\n"
    assert len(refused(text, allow_code_execution=False)) == 2
    assert len(refused(text)) == 1


@pytest.mark.parametrize("library", ["pydantic", "yaml"])
def test_without_the_libraries(library: str) -> None:
    """One line names the command that installs them."""
    code = f"import sys; sys.modules[{library!r}] = None; import backtrack_sampler.benchmark.config"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()[-1]
    assert said.endswith(' is not installed: pip install "backtrack_sampler[benchmark]"')
    assert "MissingPackageError" in said


KEYS = [*Experiment.model_fields, "tasks", "limit", "temperature", "name", "strategy", "operator", "chain", "tune"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=4)
    | st.sampled_from(["never", "sums", "repetition:max_repetitions=2", "a.py:B", "x=1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.integers(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(KEYS), ANYTHING))
def test_anything_is_refused_in_words(data: dict[str, Any]) -> None:
    """Whatever stands there, it is an experiment or an InputError with something to read."""
    error = caught(lambda: read_experiment(data))
    assert error is None or all(line.strip() for line in lines_of(error))


# -- strategies -----------------------------------------------------------------------------


def test_kinds_are_found_out() -> None:
    """A spec is a strategy or an operator by its name; a list is a chain; a mapping says more."""
    Path("mine.py").write_text(
        "from backtrack_sampler import BaseStrategy\nfrom backtrack_sampler.operators import BaseOperator\n"
        "def helper(step):\n    return 0\n"
        "class Mine(BaseStrategy):\n    pass\n"
        "class Judge(BaseOperator):\n    def __call__(self, step):\n        return 0\n"
    )
    experiment = of(
        strategies=[
            "antislop", "NGramOverlap", ["repetition:max_repetitions=3", "antislop"], "mine.py", "mine.py:Judge",
            {"operator": "mine.py:helper"}, {"name": "both", "chain": ["never", "mine.py:Mine"]},
        ],
    )  # fmt: skip
    assert [(arm.name, arm.strategies) for arm in experiment.strategy_arms()] == [
        ("antislop", (("strategy", "antislop"),)),
        ("NGramOverlap", (("operator", "NGramOverlap"),)),
        (
            "repetition:max_repetitions=3 + antislop",
            (("operator", "repetition:max_repetitions=3"), ("strategy", "antislop")),
        ),
        ("mine.py", (("strategy", "mine.py"),)),
        ("mine.py:Judge", (("operator", "mine.py:Judge"),)),
        ("mine.py:helper", (("operator", "mine.py:helper"),)),
        ("both", (("operator", "never"), ("strategy", "mine.py:Mine"))),
    ]
    assert all(len(arm.specs) == len(arm.strategies) for arm in experiment.strategy_arms())


def test_who_asks_a_person() -> None:
    """Nobody is there: neither for the strategy that is built in nor for one's own, whatever it takes."""
    Path("mine.py").write_text("""\
from backtrack_sampler import BaseStrategy, HumanGuidanceStrategy
class Guided(HumanGuidanceStrategy):
    def __init__(self, provider):
        super().__init__(provider)
class Shown(BaseStrategy):
    def __init__(self, screen=None):
        pass
""")
    said = refused("evaluation: {tasks: [sums]}\nstrategies: ['mine.py:Guided', 'mine.py:Shown', human-guidance]\n")
    assert len(said) == 3
    assert all("asks a person about each text, and nobody is there: leave it out" in line for line in said)


def test_each_at_each_temperature() -> None:
    """Names say the temperature where there are several, and filters of one's own where nobody has named them."""
    experiment = of(
        strategies=[
            "never",
            {"operator": "never", "top_k": 10, "temperature": 0.5},
            {"name": "x", "operator": "never", "min_p": 0.1},
        ],
        generation={"temperature": [1.0, 0.0], "top_k": 40},
    )
    found = {arm.name: arm.sampling for arm in experiment.strategy_arms()}
    assert list(found) == ["never T=1", "never T=0", "never top-k=10 T=0.5", "x T=1", "x T=0"]
    assert found["never T=0"] == sampling_of(temperature=0, top_k=40)
    assert found["never top-k=10 T=0.5"] == sampling_of(temperature=0.5, top_k=10)
    assert found["x T=1"] == sampling_of(temperature=1, top_k=40, min_p=0.1)
    assert experiment.row_name("tuned", experiment.samplings()[1]) == "tuned T=0"
    assert of(strategies=["never"]).strategy_arms()[0].name == "never"


def test_every_n_is_for_all_operators() -> None:
    """`generation.backtrack_every_n` holds for operators, also those that are tuned, that do not say it themselves."""
    experiment = of(
        strategies=[
            ["never", "antislop"],
            "never:backtrack_every_n=2",
            {"name": "x", "operator": "never:retry=resample"},
        ],
        generation={"backtrack_every_n": 5},
        hpo={
            "tune": [
                "repetition",
                {"name": "y", "operator": "repetition", "search_space": {"backtrack_every_n": [1, 4]}},
                {"strategy": "antislop", "search_space": {"whole_words": [True, False]}},
            ]
        },
    )
    assert [arm.strategies for arm in experiment.strategy_arms()] == [
        (("operator", "never:backtrack_every_n=5"), ("strategy", "antislop")),
        (("operator", "never:backtrack_every_n=2"),),
        (("operator", "never:retry=resample,backtrack_every_n=5"),),
    ]
    assert [(each.name, each.spec) for each in experiment.to_tune()] == [
        ("repetition tuned", "repetition:backtrack_every_n=5"),
        ("y", "repetition"),
        ("antislop tuned", "antislop"),
    ]


# -- controls -------------------------------------------------------------------------------


def test_controls() -> None:
    """Baselines, greedy, the sweep, min-p at each temperature, top-p at the highest; none is there twice."""
    experiment = of(
        strategies=["never", {"name": "own", "operator": "never", "temperature": 0.2, "top_p": 0.8}],
        generation={"temperature": [0.7, 1.2, 0]},
        controls={"temperatures": [0, 0.7, 1.5], "min_p": 0.1, "top_p": [0.9, 1.0]},
    )
    assert [arm.name for arm in experiment.control_arms()] == [
        "baseline T=0.7", "baseline T=1.2", "greedy", "baseline top-p=0.8 T=0.2", "T=1.5", "min-p=0.1 T=0.7",
        "min-p=0.1 T=1.2", "min-p=0.1 T=0.2", "top-p=0.9 T=1.2",
    ]  # fmt: skip
    baselines = [experiment.baseline_of(arm).name for arm in experiment.strategy_arms()]
    assert baselines == ["baseline T=0.7", "baseline T=1.2", "greedy", "baseline top-p=0.8 T=0.2"]
    pools = [experiment.pool_of(arm).name for arm in experiment.strategy_arms()]
    assert pools == ["baseline T=0.7", "baseline T=1.2", "baseline T=0.7", "baseline top-p=0.8 T=0.2"]


def test_what_is_drawn_beside_greedy_rows() -> None:
    """`sampled_at`: where no control draws there, it is an arm of its own."""
    experiment = of(strategies=["never"], generation={"temperature": 0}, controls={"sampled_at": 0.9})
    (arm,) = experiment.strategy_arms()
    pool = experiment.pool_of(arm)
    assert (pool.name, pool.sampling["temperature"]) == ("T=0.9", 0.9)
    assert "min-p=0.05 T=0.9" in [each.name for each in experiment.control_arms()]


def test_no_table_without_a_baseline() -> None:
    """`run_baseline: false` is accepted; it is said that it is not heeded."""
    experiment = of(run_baseline=False)
    assert experiment.control_arms()[0].name == "baseline T=1"
    (note,) = experiment.notes()
    assert note.startswith("run_baseline: false is not heeded")
    assert of().notes() == []


TEMPERATURES = st.lists(st.sampled_from([0, 1e-7, 0.3, 0.7, 0.71, 1, 1.5]), min_size=1, max_size=3, unique=True)
FILTERS: dict[str, Any] = {
    "top_k": st.none() | st.sampled_from([0, 5, 50]),
    "top_p": st.none() | st.sampled_from([0.9, 1.0]),
    "min_p": st.none() | st.sampled_from([0.0, 0.05]),
}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries({"temperature": TEMPERATURES, **FILTERS}),
    st.lists(st.fixed_dictionaries({}, optional={"temperature": TEMPERATURES, **FILTERS}), max_size=3),
    st.fixed_dictionaries({"temperatures": TEMPERATURES, "sampled_at": st.sampled_from([0.3, 0.9])}),
)
def test_every_strategy_has_its_controls(
    generation: dict[str, Any], own: list[dict[str, Any]], controls: dict[str, Any]
) -> None:
    """However rows draw: its baseline draws in the same way, greedy is there, names and controls are different."""
    strategies = [
        {"name": f"s{index}", "operator": f"never:max_retries={index + 1}", **each} for index, each in enumerate(own)
    ]
    sections = {"strategies": strategies, "generation": generation, "controls": controls}
    if (error := caught(lambda: of(**sections))) is not None:  # 0 and 0.0000001 are both greedy
        assert all("writes at two temperatures" in line for line in lines_of(error))
        return
    experiment = of(**sections)
    found = experiment.control_arms()
    assert len({arm.key for arm in found}) == len(found)
    assert all(not arm.strategies for arm in found)
    rows = [*found, *experiment.strategy_arms()]
    assert len({arm.name for arm in rows}) == len(rows)
    assert any(arm.name == "greedy" and not arm.sampling["temperature"] for arm in found)
    for arm in experiment.strategy_arms():
        baseline, pool = experiment.baseline_of(arm), experiment.pool_of(arm)
        assert baseline in found
        if arm.sampling["temperature"]:
            assert baseline.sampling == arm.sampling
            assert pool == baseline
        else:
            assert baseline.name == "greedy"
            assert pool.sampling == {**arm.sampling, "temperature": controls["sampled_at"]}


def test_a_key_in_a_natural_but_wrong_place_is_told_where_it_belongs() -> None:
    """A parameter beside its operator belongs to the spec; a name that is nearly right is meant, not another section's."""
    with pytest.raises(
        InputError, match="parameters stand in the spec, such as operator: repetition:max_repetitions=3"
    ):
        read_experiment({
            "evaluation": {"tasks": ["sums"]}, "strategies": [{"operator": "repetition", "max_repetitions": 2}],
        })  # fmt: skip
    with pytest.raises(InputError, match=r"controls\.temperature: is not known here: did you mean temperatures\?"):
        read_experiment({"evaluation": {"tasks": ["sums"]}, "controls": {"temperature": [0.5]}})
