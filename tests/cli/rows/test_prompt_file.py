"""Files of prompts: what a line may say, and lines that cannot be used."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from batches import Done, FakeModel, read, texts, write_json, write_prompts

from backtrack_sampler import BacktrackSampler, InputError
from backtrack_sampler.cli.rows import read_prompts

BAD = ["{", {"prompt": " "}, {"prompt": "a", "temperature": -1}, {"prompt": "a", "seed": "x"}, {"messages": []}]


# -- lines that cannot be used --------------------------------------------------------------


def test_all_bad_lines_are_told_at_once(fake: FakeModel, run: Callable[..., Done]) -> None:
    """Each has its number and its reason, before a model is loaded; nothing is written."""
    write_json({"prompt": "a"}, *BAD[:2], "", *BAD[2:], {"prompt": "b"})
    code, err, _ = run("--prompts", "p.jsonl")
    assert (code, fake.loaded, Path("out.jsonl").exists()) == (2, 0, False)
    assert err.splitlines() == [
        "p.jsonl, line 2: this is no JSON",
        'p.jsonl, line 3: write {"prompt": "..."}, with a text that is not empty, or {"messages": [...]}',
        "p.jsonl, line 5: temperature, 0 for greedy, must be a number, 0 or more, not -1",
        "p.jsonl, line 6: seeds must be whole numbers, 0 or more, or -1 for random ones, not 'x'",
        "p.jsonl, line 7: the messages must end with one that is to be answered, not with the assistant's",
        "backtrack-sampler: 5 of 7 prompts cannot be used (--skip-bad leaves such lines out)",
    ]


@pytest.mark.usefixtures("fake")
def test_many_bad_lines_are_counted(run: Callable[..., Done]) -> None:
    """After twenty it says how many more there are."""
    write_json(*["{"] * 25)
    *told, more, summary = run("--prompts", "p.jsonl").err.splitlines()
    assert told == [f"p.jsonl, line {number}: this is no JSON" for number in range(1, 21)]
    assert more == "and 5 more"
    assert summary.startswith("backtrack-sampler: 25 of 25 prompts cannot be used")


def test_one_bad_line(fake: FakeModel, refused: Callable[..., str]) -> None:
    """One is one line, with what can be done about it."""
    Path("p.txt").write_bytes(b"a\n\xff\nb\n")
    said = "p.txt, line 2: this is not valid text: use UTF-8 (--skip-bad leaves such lines out)"
    assert refused() == f"backtrack-sampler: {said}\n"
    assert fake.loaded == 0


@pytest.mark.usefixtures("fake")
def test_bad_lines_are_left_out_and_mended(run: Callable[..., Done]) -> None:
    """--skip-bad writes the others under the numbers that they have anyway; mended, a line is written by the same command."""
    good = [{"prompt": "a"}, {"prompt": "b"}, {"prompt": "c"}, {"prompt": "☃"}]
    write_json(*good)
    options = ["--prompts", "p.jsonl", "--seed", "3", "--n", "2"]
    assert run(*options, "--out", "whole.jsonl").code == 0
    write_json(good[0], "{", {"prompt": 5}, good[3])
    code, err, _ = run(*options, "--skip-bad")
    assert code == 0
    assert err.splitlines() == [
        "p.jsonl, line 2: this is no JSON",
        'p.jsonl, line 3: write {"prompt": "..."}, with a text that is not empty, or {"messages": [...]}',
        "2 of 4 prompts left out: once mended, where they are, the same command writes them",
        "4 rows written to out.jsonl",
    ]
    assert sorted(texts()) == [0, 1, 6, 7]
    write_json(good[0], "{", good[2], good[3])
    assert run(*options, "--skip-bad").err.splitlines()[2:] == [
        "4 rows in out.jsonl already, 2 to go",
        "2 rows written to out.jsonl",
    ]
    assert run(*options, "--skip-bad").err.splitlines()[2:] == [
        "all 6 rows are in out.jsonl already: nothing is left to do"
    ]
    write_json(*good)
    assert run(*options).code == 0
    assert texts() == texts("whole.jsonl")


def test_where_all_are_bad(fake: FakeModel, run: Callable[..., Done]) -> None:
    """Then there is nothing to go on with."""
    write_json("{", "{")
    code, err, _ = run("--prompts", "p.jsonl", "--skip-bad")
    assert (code, fake.loaded) == (2, 0)
    assert err.splitlines()[-1] == "backtrack-sampler: 2 of 2 prompts cannot be used"


@pytest.mark.usefixtures("fake")
def test_a_row_of_a_line_that_broke_since(run: Callable[..., Done], refused: Callable[..., str]) -> None:
    """What was written for a line is not left behind by leaving the line out."""
    write_json({"prompt": "a"}, {"prompt": "b"})
    assert run("--prompts", "p.jsonl").code == 0
    write_json({"prompt": "a"}, "{")
    code, err, _ = run("--prompts", "p.jsonl", "--skip-bad")
    assert code == 2
    assert "this is of p.jsonl, line 2, which cannot be used now (this is no JSON): mend it as it was" in err


def test_prompts_that_turn_out_to_be_too_long(fake: FakeModel, run: Callable[..., Done]) -> None:
    """They are told all at once as well; with --skip-bad they have no row until the context is large enough."""
    write_prompts("a", "b" * 20, "c", "a" * 30)
    fake.context_size = 15
    code, err, _ = run("--seed", "1")
    assert (code, fake.asked, Path("out.jsonl").read_bytes()) == (2, [], b"")
    assert [line[:38] for line in err.splitlines()] == [
        "p.txt, line 2: the prompt has 20 token",
        "p.txt, line 4: the prompt has 30 token",
        "backtrack-sampler: 2 of 4 prompts cann",
    ]
    code, err, _ = run("--seed", "1", "--skip-bad")
    assert (code, sorted(texts())) == (0, [0, 2])
    assert err.splitlines()[2].startswith("2 of 4 prompts left out: ")
    assert run("--seed", "1", "--skip-bad").err.splitlines()[-1] == "nothing else is left to do"
    fake.context_size = 100
    assert run("--seed", "1", "--skip-bad").err.splitlines()[-1] == "2 rows written to out.jsonl"
    assert run("--seed", "1", "--out", "whole.jsonl").code == 0
    assert texts() == texts("whole.jsonl")


# -- what a line may say --------------------------------------------------------------------


def test_options_of_a_line(fake: FakeModel, run: Callable[..., Done]) -> None:
    """Seed, stop strings, temperature and limits of a line are those of its rows, and stand in them; null is nothing."""
    prompts: list[dict[str, Any]] = [
        {"prompt": "a", "seed": 40, "max_new_tokens": 20}, {"prompt": "b", "temperature": 0, "top_k": None},
        {"prompt": "c", "stop": ["b"], "id": 7}, {"prompt": "aa", "max_length": 5, "seed": -1}, {"prompt": "☃"},
    ]  # fmt: skip
    write_json(*prompts)
    assert run("--prompts", "p.jsonl", "--seed", "1", "--n", "3").code == 0
    rows = sorted(read(), key=lambda row: row["index"])
    assert [row["seed"] for row in rows[:3]] == [40, 41, 42]
    assert [row["seed"] for row in rows[3:9]] == list(range(4, 10))
    assert min(row["seed"] for row in rows[9:12]) > 100
    for row in rows:
        own = prompts[row["index"] // 3]
        assert {k: row.get(k) for k in own if k != "seed"} == {k: own[k] for k in own if k != "seed"}
        options = {
            "max_new_tokens": 12,
            **{k: v for k, v in own.items() if k not in ("prompt", "id") and v is not None},
        }
        options["seed"] = row["seed"]
        assert BacktrackSampler(fake).generate_text(own["prompt"], **options) == row["text"]
    assert run("--prompts", "p.jsonl", "--seed", "1", "--n", "3").err.startswith("all 15 rows are in")


def test_conversations(fake: FakeModel, run: Callable[..., Done]) -> None:
    """A line with messages, or with a prompt under a system message, goes through the chat template, also without --chat."""
    write_json(
        {"messages": [{"role": "system", "content": "☃"}, {"role": "user", "content": "a"}]},
        {"messages": [{"role": "user", "content": "a"}], "id": 1},
        {"prompt": "a", "system": "b"}, {"prompt": "a", "system": ""}, {"prompt": "a"}, {"prompt": "a", "messages": 5},
    )  # fmt: skip
    for out, options, expected in (
        ("out.jsonl", [], ["☃.a.", "a.", "b.a.", "a.", "a", "a"]),
        ("chat.jsonl", ["--chat", "--system", "."], ["☃.a.", "..a.", "b.a.", "a.", "..a.", "..a."]),
    ):
        assert run("--prompts", "p.jsonl", "--out", out, "--seed", "1", *options).code == 0
        for row in read(out):
            seen = expected[row["index"]]
            assert row["text"] == BacktrackSampler(fake).generate_text(seen, seed=row["seed"], max_new_tokens=12)
        assert run("--prompts", "p.jsonl", "--out", out, "--seed", "1", *options).err.startswith("all 6 rows")
    first, second = (row for row in sorted(read(), key=lambda row: row["index"])[:2])
    assert first["messages"] == [{"role": "system", "content": "☃"}, {"role": "user", "content": "a"}]
    assert "prompt" not in first
    assert second["id"] == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"messages": "hi"}, "a conversation is a list of messages, not str"),
        ({"messages": [{"role": "me", "content": "a"}]}, "message 1 has the role 'me'"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "is to be answered"),
        ({"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}], "system": "c"}, "leave one out"),
        ({"prompt": "a", "system": 5}, "message 1 has no text"), ({"prompt": "a", "top_k": 1.5}, "top_k"),
        ({"prompt": "a", "max_length": 0}, "max_length"), ({"prompt": "a", "stop": [1]}, "stop must be strings"),
        ({"prompt": "a", "on_exhausted": "no"}, "on_exhausted must be 'stop' or"), ({"prompt": "a", "text": ""}, "text is what"),
        ({"prompt": "a", "settings": {}}, "settings is what the output itself says"), ({"prompt": None}, '{"messages": [...]}'),
    ],
)  # fmt: skip
def test_lines_that_say_what_they_may_not(
    fake: FakeModel, refused: Callable[..., str], line: dict[str, Any], says: str
) -> None:
    """They are refused by their number, before a model is loaded."""
    write_json({"prompt": "a"}, line)
    error = refused("--prompts", "p.jsonl")
    assert "p.jsonl, line 2: " in error
    assert says in error
    assert fake.loaded == 0


@pytest.mark.usefixtures("fake")
def test_a_name_that_looks_like_an_option(run: Callable[..., Done]) -> None:
    """What is perhaps a slip is told, and repeated in the row as it is."""
    write_json({"prompt": "a", "max_tokens": 3, "prompt_id": 1, "step": 2}, {"prompt": "b", "Temperature": 1})
    code, err, _ = run("--prompts", "p.jsonl")
    assert code == 0
    assert err.splitlines()[:2] == [
        "backtrack-sampler: Temperature is only repeated in the rows: did you mean temperature?",
        "backtrack-sampler: max_tokens is only repeated in the rows: did you mean max_new_tokens?",
    ]
    assert len(err.splitlines()) == 3
    assert {row.get("max_tokens") for row in read()} == {3, None}


@pytest.mark.parametrize(
    ("given", "prompts"),
    [
        ('{"prompt": "a"}\n\n{"prompt": "b", "id": 1}\n', ["a", "b"]),
        (' \n {"messages": [{"role": "user", "content": "a"}]}\n{"prompt": "b"}\n', [None, "b"]),
        ("{a\n{b}\n", ["{a", "{b}"]), ("a\n{\"prompt\": \"b\"}\n", ["a", '{"prompt": "b"}']), ("{}\n", ["{}"]),
        ('{"id": 1}\n[1]\n', ['{"id": 1}', "[1]"]),
    ],
)  # fmt: skip
def test_stdin_is_read_as_what_it_is(monkeypatch: pytest.MonkeyPatch, given: str, prompts: list[str | None]) -> None:
    """--prompts - reads objects where it begins like one, and one is among its lines; texts otherwise."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
    assert [prompt.given.get("prompt") for prompt in read_prompts("-")] == prompts


@pytest.mark.usefixtures("fake")
def test_a_broken_first_line_makes_no_texts_of_the_others(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what is wrong, and not a text."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"prompt": "a\n{"prompt": "b"}\n')))
    assert "stdin, line 1: this is no JSON" in refused("--prompts", "-")


# -- for other commands ---------------------------------------------------------------------


def test_reading_for_another_command(tmp_path: Path) -> None:
    """Without more ado bad lines are an error, one line with notes; a conversation has no text to give."""
    file = tmp_path / "p.jsonl"
    file.write_text('{"prompt": "a"}\n{"messages": [{"role": "user", "content": "a"}]}\n')
    first, second = read_prompts(str(file))
    assert (first.text, first.place) == ("a", f"{file}, line 1")
    with pytest.raises(InputError, match=r"line 2: this has messages, and here a text is needed"):
        _ = second.text
    file.write_text("{\n[]\n")
    with pytest.raises(InputError, match="^2 of 2 prompts cannot be used") as caught:
        read_prompts(str(file))
    assert str(caught.value) == "2 of 2 prompts cannot be used"
    assert caught.value.__notes__[0] == f"{file}, line 1: this is no JSON"
