"""The command `backtrack-sampler train-rl`: on a model of six tokens, with judges that are there and such that are not."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from emulator import FAIR
from judge_server import JudgeServer, Reply, served
from rl_runs import Done, command_of, configure, lay_out, printed, rate, weights
from stable_baselines3 import PPO

from backtrack_sampler.errors import InputError
from backtrack_sampler.rl.training.curves import Curves

KEY, OTHER_KEY = "sk-planted-in-the-file-0123456789", "sk-planted-in-the-environment-0123456789"
Train = Callable[..., Done]


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """One of one's own, with models, checkers and prompts; and no key in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("backtrack_sampler.rl.judges.chat_endpoint._PATIENCE", 0.0)  # not two minutes
    lay_out(tmp_path)
    return tmp_path


@pytest.fixture
def train(capfd: pytest.CaptureFixture[str]) -> Train:
    """Runs train-rl on the prompts with a configuration, which keywords change; `config` names another file."""
    command = command_of(capfd)

    def train(*more: str, config: str = "", prompts: str | None = "prompts.txt", **changes: Any) -> Done:
        given = [] if prompts is None else ["--prompts", prompts]
        return command("train-rl", "--config", config or configure(**changes), *given, *more)

    return train


@pytest.fixture
def no_loading(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Models are not loaded: one that would be ends the command with a line of its own. What it was is here."""
    loaded: list[Any] = []

    def load_provider(*arguments: Any, **options: Any) -> None:
        loaded.append((*arguments, options))
        raise InputError("this is where the model is loaded")

    monkeypatch.setattr("backtrack_sampler.cli.arguments.load_provider", load_provider)
    return loaded


def judge(server: JudgeServer, **more: Any) -> dict[str, Any]:
    return {"model": "m", "base_url": server.url, "max_retries": 1, "concurrency": 1, **more}


def after(replies: int, bad: Reply, good: Callable[[dict[str, Any]], Reply] = rate) -> Callable[[Any], Reply]:
    """A judge that gives so many good replies, and then only bad ones."""
    left = [replies]

    def answer(request: dict[str, Any]) -> Reply:
        left[0] -= 1
        return good(request) if left[0] >= 0 else bad

    return answer


# -- what is refused before a model is loaded -----------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read the prompts p.txt: No such file or directory"),
        (b"", "p.txt has no prompts: write one a line"),
        (b" \n\t\n\r\n", "p.txt has no prompts: write one a line"),
        (b"a\nb\xff\n", "p.txt, line 2: not UTF-8; save it as UTF-8"),
    ],
)
def test_prompts_that_are_none(train: Train, no_loading: list[Any], content: bytes | None, said: str) -> None:
    """A file that is missing, empty, blank or no text is one line; nothing is loaded, no folder made."""
    if content is not None:
        Path("p.txt").write_bytes(content)
    assert train(prompts="p.txt").line == f"backtrack-sampler: {said}"
    assert not no_loading
    assert not Path("run").exists()


def test_blank_lines_are_no_prompts(train: Train) -> None:
    """They are passed over, and so is what an editor puts at the beginning of a file or the end of a line; what else is
    in a line is part of a prompt."""
    Path("prompts.txt").write_bytes(b"\xef\xbb\xbfa b\r\n\r\n  \nb\n\n\n c\x0cc\n")
    assert train(training={"total_timesteps": 32}).code == 0
    assert [prompt for _, prompt in json.loads(Path("run/prompts.json").read_text())["train"]] == [
        "a b",
        "b",
        " c\x0cc",
    ]


def test_prompts_are_needed(train: Train, no_loading: list[Any]) -> None:
    """But where the judge is a task, which has its own."""
    assert "--prompts is needed: a file with a prompt a line, or in the configuration judge: {task: ...}" in train(
        prompts=None
    ).line  # fmt: skip
    assert not no_loading
    assert "this is where the model is loaded" in train(prompts=None, judge={"task": "sums:digits=2"}).line


def test_a_judge_that_runs_programs(train: Train, no_loading: list[Any]) -> None:
    """Only where that is allowed, and the option that allows it is there."""
    programs: Any = {"prompts": None, "judge": {"task": "humaneval:development=40"}}
    assert "add --allow-code-execution if you accept that" in train(**programs).line
    assert not no_loading
    assert "this is where the model is loaded" in train("--allow-code-execution", **programs).err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, ["cannot read c.yaml: No such file or directory"]),
        ("", ["c.yaml is empty: write such as training: {total_timesteps: 10000}"]),
        ("env: {max_backtrack: 5\n", ["c.yaml, line 2: a list or a mapping is not closed: "]),
        ("- a\n", ["c.yaml must be keys and values"]),
        ("a: 1\n", ["c.yaml, line 1: a: is not known here: "]),
        ("env:\n  max_backtrak: 5\n", ["c.yaml, line 2: env.max_backtrak: is not known here: did you mean max_backtrack?"]),
        (
            "training: {total_timesteps: 0}\nshaping: {repetition_penalty: 1}\n",
            ["c.yaml, line 1: training.total_timesteps: must be at least 1, not 0", "c.yaml, line 2: shaping.", "2 errors"],
        ),
        ("judge: {model: m}\njudge: {task: sums}\n", ["c.yaml, line 2: judge: is there twice"]),
        ("judge: {checker: 'nowhere.py:f'}\n", ["nowhere.py"]),
        ("judge: {checker: 'checkers.py:nose'}\n", ["nose"]),
        (f"judge: {{model: m, api_key: [{KEY}]}}\n", ["c.yaml, line 1: judge.api_key: must be text: put it in quotes"]),
        (f"judge: {{kind: heuristic, api_key: {KEY}}}\n", ["judge: has api_key, which is for a model"]),
        (f"api_key: {KEY}\n", ["c.yaml, line 1: api_key: belongs under judge: write it there, indented"]),
    ],
)  # fmt: skip
def test_configurations_that_are_none(train: Train, no_loading: list[Any], text: str | None, said: list[str]) -> None:
    """Each mistake is a line with its place in the file, and no key is repeated."""
    if text is not None:
        Path("c.yaml").write_text(text)
    done = train(config="c.yaml")
    assert done.line
    for each in said:
        assert each in done.err
    assert KEY not in done.err
    assert not no_loading
    assert not Path("run").exists()


FLAT = """\
model_name_or_path: "Qwen/Qwen2.5-0.5B-Instruct"
output_dir: "rl_output"
device: "cuda"

judge:
model: "gpt-4-turbo-preview"
api_key: "sk-..." # Or set OPENAI_API_KEY env var

env:
max_backtrack: 5
max_seq_length: 128

training:
total_timesteps: 10000
learning_rate: 0.0003

shaping:
backtrack_action_penalty: 0.05
backtrack_token_penalty: 0.01
repetition_penalty_weight: 0.1
high_confidence_reward: 0.01
high_confidence_threshold: 0.9
"""


@pytest.mark.usefixtures("no_loading")
def test_a_file_without_indentation(train: Train) -> None:
    """As some pages print it: one line, which says what to do, and not one for each key."""
    Path("c.yaml").write_text(FLAT)
    done = train(config="c.yaml")
    assert done.err.count("\n") == 1
    assert done.line.startswith(
        "backtrack-sampler: c.yaml, line 5: judge: has nothing in it, and model stands at the beginning of a line: what "
        "belongs to a section must be indented below it"
    )
    Path("c.yaml").write_text("training:\ntotal_timesteps: 5\n")
    assert "c.yaml, line 1: training: has nothing in it, and total_timesteps stands" in train(config="c.yaml").line
    Path("c.yaml").write_text("training:\nenv:\n")  # which is nothing out of the way
    assert "this is where the model is loaded" in train(config="c.yaml").line


def test_a_file_of_backtracking_llm(
    train: Train, no_loading: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Indented, every key is taken; the stand-in for a key is none, and the environment's is sent."""
    keys = "|".join(["model", "api_key", "max_[a-z_]+", "total_[a-z_]+", "learning_rate", "[a-z]+_[a-z]+_[a-z]+"])
    text = re.sub(rf"^({keys}):", r"  \1:", FLAT, flags=re.MULTILINE).replace(
        "  model_name_or_path", "model_name_or_path"
    )
    Path("c.yaml").write_text(text)
    assert len(yaml.safe_load(text)["shaping"]) == 5
    with served() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", OTHER_KEY)
        assert "this is where the model is loaded" in train(config="c.yaml").line
    assert no_loading == [("Qwen/Qwen2.5-0.5B-Instruct", None, {"device": "cuda"})]
    assert (server.keys, server.requests[0]["model"]) == ([f"Bearer {OTHER_KEY}"], "gpt-4-turbo-preview")


# -- a run that is there -------------------------------------------------------------------------


def test_a_run_and_what_is_said_of_it(train: Train, capfd: pytest.CaptureFixture[str]) -> None:
    """What it leaves is named, and the commands that are printed are such as can be used, whatever the folder is
    called."""
    name = "my run, a first"
    done = train(output_dir=name)
    assert done.code == 0
    assert f"policy written to {name}; the page of its training is {name}/training.html\n" in done.err
    assert "96 of 96 decisions" in done.err
    use, measure = done.out.splitlines()
    assert (
        use
        == "use it:     backtrack-sampler generate 'Once upon a time' --strategy 'rl-policy:policy=\"my run, a first\"'"
    )
    assert measure == "measure it: backtrack-sampler eval-rl 'my run, a first'"
    run = command_of(capfd)
    done = run("generate", "a b", "--model", "models.py:Tiny", "--strategy", f'rl-policy:policy="{name}"')
    assert (done.code, done.err) == (0, "")


def test_a_folder_that_has_a_run(train: Train, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """It is not written over; and one that has none is not gone on with. Both are said before a model is loaded."""
    assert train().code == 0
    before = weights("run")
    request.getfixturevalue("no_loading")
    assert train().line == (
        "backtrack-sampler: run has a run already: go on with it with --resume, or name another output_dir"
    )
    assert weights("run") == before
    assert train("--resume", output_dir="none").line == (
        "backtrack-sampler: there is no run in none to go on with: start without --resume"
    )
    assert not Path("none").exists()


def test_a_run_goes_on_only_as_what_it_was(train: Train) -> None:
    """Another setting, judge, model, order or other prompts are refused by name; a run can be made longer."""
    assert train().code == 0
    Path("other.txt").write_text("b\na\n")
    for more, changes, said in (
        ((), {"training": {"gamma": 0.5}}, "begun with training.gamma 1.0, and now it is 0.5: go on with what it was"),
        ((), {"env": {"max_backtrack": 3}}, "begun with env.max_backtrack 2, and now it is 3"),
        ((), {"shaping": {"backtrack_token_penalty": 0.1}}, "begun with shaping.backtrack_token_penalty 0.0, and"),
        ((), {"judge": {"checker": "checkers.py:length"}}, "begun with judge.checker 'checkers.py:letters', and"),
        ((), {"model_name_or_path": "models.py:Other"}, "begun on the model tiny (tiny, "),
        ((), {"prompts": "other.txt"}, "begun with other prompts, or in another order"),
        (("--shuffle-prompts",), {}, "begun without --shuffle-prompts: go on without it"),
    ):
        assert said in train("--resume", *more, **changes).line, said
    done = train("--resume", training={"total_timesteps": 160})
    assert done.code == 0
    assert json.loads(Path("run/policy.json").read_text())["trained"]["steps"] == 160
    assert [row["steps"] for row in Curves("run/curves.csv").rows] == [0, 64, 96, 128, 160]


@pytest.mark.parametrize("more", [(), ("--resume",)])
def test_a_run_that_never_began_is_no_run(train: Train, more: tuple[str, ...]) -> None:
    """A prompt that cannot be used is found when the model is there. Nothing was learned then: with that mended, and
    with whatever else is another, the same command begins; so it does with --resume. What was found out about the
    other one is forgotten."""
    Path("prompts.txt").write_text("a\nhello\n")
    assert "cannot spell 'hello'" in train().line
    Path("run/never.json").write_text('{"score": 99}')
    Path("prompts.txt").write_text("a\nb\n")
    assert train(*more, training={"gamma": 0.9}).code == 0
    assert json.loads(Path("run/never.json").read_text())["score"] <= 1
    assert [prompt for _, prompt in json.loads(Path("run/prompts.json").read_text())["train"]] == ["a", "b"]


# -- a judge at an address ------------------------------------------------------------------------


def test_a_judge_that_is_down_at_the_start(train: Train, no_loading: list[Any]) -> None:
    """It is found out at once, before the model is loaded; the same command works when it is up."""
    with served() as server:
        pass
    started = time.monotonic()
    line = train(judge={"model": "m", "base_url": server.url}).line
    assert time.monotonic() - started < 5
    assert re.search(
        r"the judge m at 127\.0\.0\.1:\d+ cannot be reached.*: see that it runs, and check base_url$", line
    )
    assert not no_loading
    with served() as server:
        assert "this is where the model is loaded" in train(judge=judge(server)).line


@pytest.mark.parametrize("replies", [1, 20, 40])
def test_a_judge_that_goes_down_in_the_middle(train: Train, replies: int) -> None:
    """It is asked again as often as is said; then one line, and --resume goes on when it is up. The weights, and all
    that is plotted, are those of a run that nobody disturbed. That is so before the first checkpoint, too."""
    training = {"total_timesteps": 384, "evaluate_every": 128}
    with served(rate) as server:
        assert train(judge=judge(server), output_dir="whole", training=training).code == 0
    asked = len(server.requests)
    assert asked > replies + 10
    with served(after(replies, Reply(hang_up=True))) as server:
        line = train(judge=judge(server), training=training).line
    assert len(server.requests) == replies + 2
    assert re.search(
        r"the judge m at \S+ cannot be reached, 2 times over .*: go on with --resume when it is well", line
    )
    assert Path("run/checkpoints/last").exists() == (replies > 10)
    assert not Path("run/policy.json").exists()
    with served(rate, server.port) as server:
        if replies > 10:
            assert "has a run already" in train(judge=judge(server), training=training).line
        assert train("--resume", judge=judge(server), training=training).code == 0
    assert len(server.requests) <= asked - replies + 2  # what it has said already is known
    assert weights("run") == weights("whole")
    one, other = (Curves(f"{name}/curves.csv").rows for name in ("run", "whole"))
    assert [{**row, "seconds": 0} for row in one] == [{**row, "seconds": 0} for row in other]


@pytest.mark.parametrize(
    ("bad", "more", "said"),
    [
        (Reply(status=429, retry_after="1"), {}, "is not well, 2 times over (HTTP 429: it is what it is): go on with --resume"),
        (Reply(status=500), {}, "is not well, 2 times over (HTTP 500: it is what it is): go on with --resume"),
        (Reply(delay=0.4), {"timeout": 0.1}, "has not answered within 0.1 s, 2 times over: go on with --resume"),
        (Reply(status=401), {}, "does not take the key (HTTP 401: it is what it is): set api_key, or OPENAI_API_KEY"),
        (Reply(body=b"<html>no</html>", kind="text/html"), {}, "is no OpenAI-compatible endpoint"),
    ],
)  # fmt: skip
def test_a_judge_that_stays_unwell(train: Train, bad: Reply, more: dict[str, Any], said: str) -> None:
    """From some moment on: one line says what it is, and what to do; what was learned is kept."""
    with served(after(40, bad)) as server:
        assert said in train(judge=judge(server, **more), training={"total_timesteps": 384}).line
    assert Path("run/checkpoints/last/state.json").exists()


def test_a_judge_that_is_unwell_now_and_then(train: Train) -> None:
    """Too many requests, with the time to wait; errors of the server, a lost connection, silence: each is asked again,
    and the run is what it would have been."""
    bad = {10: Reply(status=429, retry_after="1"), 20: Reply(status=500), 30: Reply(hang_up=True), 40: Reply(delay=0.5)}
    count = [0]

    def answer(request: dict[str, Any]) -> Reply:
        count[0] += 1
        return bad.get(count[0], rate(request))

    training = {"total_timesteps": 384}
    with served(rate) as server:
        assert train(judge=judge(server), output_dir="whole", training=training).code == 0
    asked = len(server.requests)
    with served(answer) as server:
        started = time.monotonic()
        assert train(judge=judge(server, timeout=0.25), training=training).code == 0
        assert time.monotonic() - started > 1
    assert len(server.requests) == asked + 4
    assert weights("run") == weights("whole")


def test_a_judge_that_talks_nonsense(train: Train) -> None:
    """Always: one line with an example, and what to change. Now and then: it counts as neither good nor bad, and the
    page says how often."""
    with served("I like turtles") as server:
        line = train(judge=judge(server)).line
    assert re.search(
        r"\d+ of the first \d+ replies of the judge m are of no use, .*turtles.*; change model or template$", line
    )
    count = [0]

    def answer(request: dict[str, Any]) -> Reply:
        count[0] += 1
        return Reply("I like turtles") if count[0] in (20, 21) else rate(request)

    with served(answer) as server:
        assert train(judge=judge(server), training={"total_timesteps": 384}, output_dir="again").code == 0
    page = Path("again/training.html").read_text()
    assert re.search("nonsense: [1-9]", page)
    assert "turtles" in page


def test_keys_are_written_nowhere(train: Train, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Neither that of the file nor that of the environment: not in any file of the run, nor on the screen; not where
    the judge repeats it, and not where a run ends on an error."""
    monkeypatch.setenv("OPENAI_API_KEY", OTHER_KEY)
    said: list[str] = []
    for number, (given, sent) in enumerate((({"api_key": KEY}, KEY), ({}, OTHER_KEY))):
        told = Reply(status=500, error={"message": f"your key {sent} is fine", "code": sent})
        nonsense = Reply(f"{sent} is a fine key")
        changes: Any = {"output_dir": f"run{number}", "training": {"total_timesteps": 384}}
        with served(after(40, told)) as server:
            said += train(judge=judge(server, **given), **changes)[1:]
        assert "your key *** is fine" in said[-1]
        count = [0]

        def answer(request: dict[str, Any], count: list[int] = count, nonsense: Reply = nonsense) -> Reply:
            count[0] += 1
            return nonsense if count[0] < 6 else rate(request)

        with served(answer) as server:
            done = train("--resume", judge=judge(server, **given), **changes)
        assert done.code == 0
        assert set(server.keys) == {f"Bearer {sent}"}
        said += done[1:]
    assert not any(key in each for key in (KEY, OTHER_KEY) for each in said)
    files = [each for number in range(2) for each in (folder / f"run{number}").rglob("*") if each.is_file()]
    assert {each.suffix for each in files} >= {".sqlite", ".yml", ".html", ".zip", ".json", ".csv", ".pkl"}
    assert any("tfevents" in each.name for each in files)
    for file in files:
        assert not any(key.encode() in file.read_bytes() for key in (KEY, OTHER_KEY)), file


# -- what ends a run ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", r"checker nothing returned nan, and a score is a number from 0 to 1 \(checkers.py, line \d+\)"),
        ("breaks", r"checker breaks (has )?(failed|raised).*LookupError.*no such thing"),
    ],
)
def test_a_checker_that_gives_no_score(train: Train, name: str, said: str) -> None:
    """One line names it and its place; mended, the run goes on from where it was."""
    assert re.search(said, train(judge={"checker": f"checkers.py:{name}"}).line)
    text = Path("checkers.py").read_text()
    Path("checkers.py").write_text(
        text.replace(f"def {name}(", "def old(") + f"\ndef {name}(prompt, text):\n    return 0.5\n"
    )
    assert train("--resume", judge={"checker": f"checkers.py:{name}"}).code == 0


@pytest.mark.parametrize("epochs", [1, 10])
def test_numbers_that_are_none(train: Train, epochs: int) -> None:
    """They end the run with one line, wherever in an update they are found; the last good checkpoint is named, and
    what the line advises goes on from there."""
    line = train(training={"learning_rate": 1e30, "n_epochs": epochs}).line
    assert re.search(
        "the policy's numbers are no numbers any more after .* decisions: the last good checkpoint is "
        "run/checkpoints/last; lower training.learning_rate or training.ent_coef, and go on with --resume$",
        line,
    )
    assert json.loads(Path("run/checkpoints/last/state.json").read_text())["steps"] >= 0
    done = train("--resume", training={"learning_rate": 3e-4, "n_epochs": epochs})
    assert done.code == 0, done.err
    settings = json.loads(Path("run/policy.json").read_text())
    assert settings["trained"]["steps"] == 96


@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_a_disk_that_is_full(train: Train, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Whichever checkpoint cannot be written: one line, and the one before is gone on with. What was tried since then is
    tried once more, so that the best moment is that of a run that nobody disturbed."""
    training = {"keep_probability": 0.34, "learning_rate": 0.05, "n_epochs": 2, "seed": 1, "evaluate_every": 32}
    assert train(output_dir="whole", training=training).code == 0
    save, left = PPO.save, [times]

    def full(model: Any, path: Path, *arguments: Any, **options: Any) -> None:
        if ".new" in str(path):
            left[0] -= 1
            if not left[0]:
                raise OSError(28, "No space left on device")
        save(model, path, *arguments, **options)

    monkeypatch.setattr(PPO, "save", full)
    line = train(training=training).line
    assert "cannot write a checkpoint to run/checkpoints: No space left on device; the one before is kept" in line
    assert train("--resume", training=training).code == 0
    assert weights("run") == weights("whole")
    assert weights("run/best_model") == weights("whole/best_model")
    assert [row["score"] for row in Curves("run/curves.csv").rows] == [
        row["score"] for row in Curves("whole/curves.csv").rows
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "how"), [("ppo", signal.SIGINT), ("recurrent_ppo", signal.SIGKILL)])
def test_a_process_that_is_ended(train: Train, capfd: pytest.CaptureFixture[str], algorithm: str, how: int) -> None:
    """By Ctrl-C: exit code 130, and a command that can be run as it is printed. By kill -9: --resume goes on. The
    weights are those of a run that was left alone."""
    changes: Any = {"training": {"algorithm": algorithm, "total_timesteps": 192}}
    Path("my prompts.txt").write_bytes(Path("prompts.txt").read_bytes())
    assert train("--shuffle-prompts", output_dir="whole", prompts="my prompts.txt", **changes).code == 0
    config = configure("my config.yaml", **changes)
    arguments = ["train-rl", "--config", config, "--prompts", "my prompts.txt", "--shuffle-prompts"]
    environment = {**os.environ, **FAIR, "TAKE_YOUR_TIME": "0.003", "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-m", "backtrack_sampler", *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env=environment,
    ) as process:  # fmt: skip
        state = Path("run/checkpoints/last/state.json")
        until = time.monotonic() + 60
        while not (state.exists() and '"steps": 0' not in state.read_text()) and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(how)
        out, err = process.communicate(timeout=60)
    assert not Path("run/policy.json").exists()
    assert "Traceback" not in err
    if how == signal.SIGINT:
        assert (process.returncode, out) == (130, "")
        assert "interrupted: the last checkpoint is in run/checkpoints; to go on: backtrack-sampler train-rl" in err
        arguments = printed(err)
    else:
        arguments = [*arguments, "--resume"]
    done = command_of(capfd)(*arguments)
    assert done.code == 0, done.err
    assert weights("run") == weights("whole")


# -- a judge that can be deceived -------------------------------------------------------------------


def test_a_judge_that_rewards_length(train: Train) -> None:
    """A short training finds out that a text grows where its end is taken back; the page shows length, repetition and
    another judge's score beside the judge's, and warns. Of a judge that likes all texts alike it says nothing."""
    Path("many.txt").write_text("".join(f"{one}{other}\n" for one in "abc" for other in "abc .a"))
    env = {"max_seq_length": 12, "features": ["position", "probability"]}
    training = {
        "total_timesteps": 4096, "learning_rate": 0.01, "n_steps": 16, "n_envs": 16, "batch_size": 64, "n_epochs": 8,
        "net_arch": [16], "evaluate_every": 2048, "held_out": 0.5,
    }  # fmt: skip
    changes: Any = {"model_name_or_path": "models.py:Ending", "env": env, "prompts": "many.txt"}
    assert train(judge={"checker": "checkers.py:length"}, training=training, **changes).code == 0
    never = json.loads(Path("run/never.json").read_text())
    last = Curves("run/curves.csv").rows[-1]
    assert last["score"] > never["score"] + 0.3  # type: ignore[operator]
    assert last["kept"] > 2 * never["kept"]  # type: ignore[operator]
    page = Path("run/training.html").read_text()
    assert re.search(r"With the score the length has risen, from 4\.\d+ to [\d.]+: the judge may reward length\.", page)
    for what in (
        "the judge&#x27;s score|the judge's score",
        "the other judge.{1,6}s score",
        "length, tokens",
        "repetition,",
    ):
        assert re.search(f'aria-label="({what})', page), what
    training["total_timesteps"] = 512
    assert train(judge={"checker": "checkers.py:alike"}, training=training, output_dir="alike", **changes).code == 0
    assert 'class="warning"' not in Path("alike/training.html").read_text()
