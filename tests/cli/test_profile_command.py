"""The command `backtrack-sampler profile`: the stock phrases of a model, as a list for anti-slop."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from batches import load_instead

from backtrack_sampler import BacktrackSampler
from backtrack_sampler.cli import profile as command
from backtrack_sampler.cli.main import main
from backtrack_sampler.testing import FakeProvider

COMMON = "the of and to in it was that he for on with as his they be at one have this from or had by but".split()  # noqa: SIM905
PHRASE = ["a", "glimmering", "testament"]
SUBJECTS = ["dragon", "violin", "bakery", "lighthouse"]
WORDS = ["Tell", *COMMON, *PHRASE, *SUBJECTS]
LISTED = "a glimmering testament to"  # what is always said after the first word of the phrase


class FakeModel(FakeProvider):
    """Common words at random, of the prompt's subject again and again, and one phrase in about six texts of ten."""

    def __init__(self) -> None:
        super().__init__([f" {word}" for word in WORDS], eos=-1)
        self.loaded = 0
        self.before_answer: Callable[[], None] = lambda: None

    def answer(self, sequence: list[int]) -> Any:
        self.before_answer()
        said = [WORDS[token] for token in sequence]
        row = super().answer(sequence)  # at random
        row[:] = [logit / 4 for logit in row]
        for index, word in enumerate(WORDS):
            if said[-1:] == [word] or word in PHRASE[1:] or word == "Tell":
                row[index] = -99.0
            if word in SUBJECTS:
                row[index] = 1.0 if word in said[:4] else -99.0
        row[WORDS.index("a")] = 0.6
        following = {"a": "glimmering", "glimmering": "testament", "testament": "to"}
        if said[-1] in following:
            row[WORDS.index(following[said[-1]])] = 99.0
        return row

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return super().encode(f" {text}")


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeModel:
    """The model that is loaded, and a folder of one's own to work in."""
    model = FakeModel()
    load_instead(monkeypatch, model)
    monkeypatch.chdir(tmp_path)
    Path("p.txt").write_text("".join(f"Tell of the {subject}\n" for subject in SUBJECTS))
    return model


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs profile with --prompts p.txt, --out slops.json, --n 60, where nothing else is given."""

    def run(*arguments: str) -> Done:
        given = list(arguments)
        for name, value in (("--prompts", "p.txt"), ("--out", "slops.json"), ("--n", "60"), ("--max-new-tokens", "24")):
            if name not in given:
                given += [name, value]
        code = main(["profile", *given])
        return Done(code, *capfd.readouterr())

    return run


def rows(file: str = "slops.texts.jsonl") -> list[dict[str, Any]]:
    found = [json.loads(line) for line in Path(file).read_text().splitlines()]
    return sorted((row for row in found if "text" in row), key=lambda row: row["index"])


def slops(file: str = "slops.json") -> dict[str, float]:
    found: dict[str, float] = json.loads(Path(file).read_text())
    return found


# -- the list -------------------------------------------------------------------------------


def test_the_phrase_is_listed_and_what_prompts_ask_for_is_not(fake: FakeModel, run: Callable[..., Done]) -> None:
    """A list with a strength, a table, a summary; the texts beside it are of all prompts in turn, with seeds of their own."""
    code, out, err = run()
    assert code == 0
    assert slops() == {LISTED: 1.0}
    assert re.search(rf"^{LISTED} +[\d.]+ +[\d.<]+ +[\d,]+ +\d+ +1\.00  .*{LISTED}", out, re.MULTILINE), out
    assert re.search(r"^60 texts to 4 prompts, [\d,]+ words: 0 words and 1 phrase stand out, ", out, re.MULTILINE)
    assert "60 rows written to slops.texts.jsonl" in err
    assert "--against FILE" in err
    assert "--strategy 'antislop:slops=@slops.json,whole_words=true'" in err
    found = rows()
    assert [(row["index"], row["prompt"], row["seed"]) for row in found] == [
        (n, f"Tell of the {SUBJECTS[n % 4]}", 1 + n) for n in range(60)
    ]
    share = sum(LISTED in row["text"] for row in found) / 60
    assert 0.4 < share < 0.9
    assert sum(row["prompt"].split()[-1] in row["text"] for row in found) > 30  # and are not listed
    sampler = BacktrackSampler(fake)
    assert found[7]["text"] == sampler.generate_text(found[7]["prompt"], max_new_tokens=24, seed=8)


def test_generate_reads_it_as_it_is(
    fake: FakeModel, run: Callable[..., Done], capfd: pytest.CaptureFixture[str]
) -> None:
    """With the list, and the very command that is shown, the phrase is gone."""
    spec = re.search(r"--strategy '([^']+)'", run().err)
    assert spec is not None
    for index in range(8):
        assert main(["generate", "Tell of the violin", "--strategy", spec[1], "--seed", str(index)]) == 0
        assert LISTED not in capfd.readouterr().out
    assert fake.loaded == 9


def test_it_goes_on_where_it_was(fake: FakeModel, run: Callable[..., Done]) -> None:
    """Ctrl-C leaves a list of what there is, and says so; the same command goes on; then it only counts."""
    full, left = run(), Path("slops.json").read_bytes()
    texts = [row["text"] for row in rows()]
    for file in Path().glob("slops*"):
        file.unlink()
    fake.reset()
    answers = iter(range(3 * 24 * 10))

    def interrupt() -> None:
        if next(answers, None) is None:
            raise KeyboardInterrupt

    fake.before_answer = interrupt
    code, out, err = run()
    assert (code, out) == (130, "")
    there = len(rows())
    assert 10 < there < 60
    assert re.search(rf"(1 phrase|\d words and phrases) in slops.json, from the {there} texts until now", err)
    assert LISTED in slops()
    fake.before_answer = lambda: None
    again = run()
    assert (again.code, again.out, fake.loaded) == (0, full.out, 3)
    assert [row["text"] for row in rows()] == texts
    assert Path("slops.json").read_bytes() == left
    assert run().out == full.out
    assert fake.loaded == 3
    assert run("--n", "80").code == 0  # more of the same
    assert [row["text"] for row in rows()][:60] == texts
    assert len(rows()) == 80
    code, _, err = run("--n", "79")
    assert (code, len(rows())) == (2, 80)
    assert "slops.texts.jsonl is of a run with --n 80 or more" in err


def test_ctrl_c_before_there_is_anything(fake: FakeModel, run: Callable[..., Done]) -> None:
    """No list is written of no texts."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    fake.before_answer = interrupt
    assert run()[:2] == (130, "")
    assert not Path("slops.json").exists()


def test_the_list_is_there_while_it_writes(
    fake: FakeModel, run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made anew now and then, and is one that can be used at any moment."""
    monkeypatch.setattr(command, "_PAUSE", 0.0)
    monkeypatch.setattr(command, "_SHARE", 0)
    seen: list[dict[str, float]] = []

    def look() -> None:
        if Path("slops.json").exists() and (not seen or seen[-1] != slops()):
            seen.append(slops())

    fake.before_answer = look
    assert run().code == 0
    assert seen[0] == {}
    assert LISTED in seen[-1]


# -- what is left ---------------------------------------------------------------------------


def test_a_second_round_shows_what_is_left(fake: FakeModel, run: Callable[..., Done]) -> None:
    """The same prompts and seeds with the list: how often its phrases were there before, and are after."""
    code, out, _ = run("--rounds", "2")
    assert code == 0
    count = sum(row["text"].count(LISTED) for row in rows())
    before, after = out.split("without the list, and with it (slops.texts.2.jsonl):\n")
    assert re.search(rf"^{LISTED} +1\.00 +{count} +0$", after, re.MULTILINE), after
    assert re.search(rf"^all +{count} +0$", after, re.MULTILINE)
    assert re.search(r"^all, per 1,000 words +\d+\.\d\d +0\.00$", after, re.MULTILINE)
    assert "what stands out now:" in after
    second = rows("slops.texts.2.jsonl")
    assert [(row["prompt"], row["seed"]) for row in second] == [(row["prompt"], row["seed"]) for row in rows()]
    assert not any(LISTED in row["text"] for row in second)
    assert slops()[LISTED] == 1.0  # still
    assert run("--rounds", "2").out == out
    assert fake.loaded == 1
    assert run().out == before.rstrip("\n") + "\n"


def test_what_stands_out_in_spite_of_the_list_gets_stronger(fake: FakeModel) -> None:
    """Strengths of both rounds together, one on what the other has left; new phrases are added."""

    class Left(NamedTuple):
        found: dict[str, float]

        def strengths(self) -> dict[str, float]:
            return self.found

    known = {"a": 1.0, "b": 0.9, "c": 0.8}
    assert list(command.added(known, Left({"b": 0.8, "d": 0.95})).items()) == [  # type: ignore[arg-type]
        ("a", 1.0), ("b", 0.98), ("d", 0.95), ("c", 0.8)
    ]  # fmt: skip


def test_strategies_and_settings(fake: FakeModel, run: Callable[..., Done]) -> None:
    """Strategies of the command write in every round; with others than before, the texts are not mixed."""
    own = ["--strategy", 'antislop:slops=["testament","glimmering"]', "--temperature", "0.9"]
    assert run(*own, "--rounds", "2").code == 0
    assert slops() == {}  # nothing stands out, and so there is nothing to write again
    assert not Path("slops.texts.2.jsonl").exists()
    assert not any("testament" in row["text"] for row in rows())
    before = Path("slops.texts.jsonl").read_bytes()
    code, _, err = run("--temperature", "0.8")
    assert code == 2
    assert "temperature" in err
    assert Path("slops.texts.jsonl").read_bytes() == before
    assert run("--temperature", "0.8", "--texts", "others.jsonl").code == 0
    assert LISTED in slops()


def test_against(fake: FakeModel, run: Callable[..., Done]) -> None:
    """What people say as often is no stock phrase."""
    Path("human.txt").write_text(f"It was {LISTED} the sea. " * 2000)
    code, _, err = run("--against", "human.txt")
    assert (code, slops()) == (0, {})
    assert "--against" not in err
    assert "--min-ratio" in err  # what to do where nothing is found


def test_few_prompts(fake: FakeModel, run: Callable[..., Done]) -> None:
    """Where there is but one prompt, all of it counts, and a line says what that means."""
    Path("p.txt").write_text("Tell of the violin\n")
    code, _, err = run()
    assert code == 0
    assert LISTED in slops()
    assert "there are few prompts" in err


# -- what cannot be done --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "slops.txt"], "slops.txt: let its name end in .json"),
        (["--out", "none/slops.json"], "there is no folder"),
        (["--texts", "texts.json"], "texts.json: let its name end in .jsonl"),
        (["--prompts", "none.txt"], "cannot read none.txt"), (["--against", "none.txt"], "cannot read none.txt"),
        (["--language", "xx"], "--language xx"), (["--n", "0"], "--n must be a whole number, at least 1, not 0"),
        (["--rounds", "0"], "--rounds"), (["--min-texts", "0"], "--min-texts"), (["--min-prompts", "-1"], "--min-prompts"),
        (["--min-ratio", "0.5"], "--min-ratio"), (["--max-batch", "0"], "--max-batch"), (["--top", "-1"], "--top"),
        (["--strategy", "none"], "no strategy 'none'"), (["--strategy", "human-guidance"], "asks a person"),
        (["--top-p", "2"], "--top-p"), (["--system", "x"], "--system needs --chat"),
    ],
)  # fmt: skip
def test_bad_input_is_said_before_a_model_is_loaded(
    fake: FakeModel, run: Callable[..., Done], arguments: list[str], message: str
) -> None:
    """One line, exit code 2, and nothing is written."""
    code, out, err = run(*arguments)
    assert (code, out, fake.loaded) == (2, "", 0)
    assert re.fullmatch(r"backtrack-sampler: [^\n]+\n", err), err
    assert message in err
    assert [file.name for file in Path().iterdir()] == ["p.txt"]


def test_without_wordfreq(fake: FakeModel, run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names what installs it."""
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    code, _, err = run()
    assert (code, fake.loaded) == (2, 0)
    assert "pip install 'backtrack_sampler[profile]'" in err
    assert [file.name for file in Path().iterdir()] == ["p.txt"]


def test_rows_of_any_kind(tmp_path: Path) -> None:
    """Lines without a text, failed rows and the end of a file that is being written are passed over."""
    own = {"sample": 0, "seed": 1, "tokens": 1, "discarded": 0, "rollbacks": 0, "finish_reason": "length"}
    lines = [
        {"settings": {}}, {"index": 1, "messages": [{"role": "user", "content": "q"}], "text": "two", **own},
        {"index": 0, "prompt": "p", "text": "one", **own},
        {"index": 2, "prompt": "p", "text": "half", "error": "no", **own},
    ]  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"index": 4, "te')
    assert command.read_texts(tmp_path / "rows.jsonl") == [("one", "p"), ("two", "q")]


def test_prompts_go_round(tmp_path: Path) -> None:
    """One after the other and again from the first, with another seed where the prompt has one of its own."""
    prompts = [command.Prompt({"prompt": "a"}, "1"), command.Prompt({"prompt": "b", "seed": 7}, "2")]
    found = [prompt.given for prompt in command._cycled(prompts, 5)]
    assert found == [
        {"prompt": "a"}, {"prompt": "b", "seed": 7}, {"prompt": "a"}, {"prompt": "b", "seed": 8}, {"prompt": "a"},
    ]  # fmt: skip


@pytest.mark.slow
def test_a_real_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """What SmolLM2 says in its tales more often than people is there far less often when it has the list."""
    monkeypatch.chdir(tmp_path)
    Path("p.txt").write_text("".join(f"Write a tale about a {subject}.\n" for subject in SUBJECTS))
    arguments = "--prompts p.txt --chat --n 24 --max-batch 24 --max-new-tokens 40 --temperature 0.7 --rounds 2"
    assert main(["profile", *arguments.split(), "--out", "slops.json"]) == 0
    totals = re.search(r"^all +(\d+) +(\d+)$", capfd.readouterr().out, re.MULTILINE)
    assert totals is not None
    assert int(totals[1]) > 2 * int(totals[2])
    assert slops()
