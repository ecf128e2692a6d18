"""Prompts that are dicts: what they may say, and the dicts that come out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrack_sampler import AntiSlopStrategy, BacktrackSampler, BaseStrategy, InputError
from backtrack_sampler.testing import FakeProvider

WORDS = ["a", "b", "c", " ", ".", ""]


class Chatty(FakeProvider):
    """A model with a chat template."""

    def chat_prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        return "".join(f"{message['content']}." for message in messages)


@pytest.fixture
def sampler() -> BacktrackSampler:
    return BacktrackSampler(Chatty(WORDS))


def test_a_list_of_dicts_in_and_a_list_of_dicts_out(sampler: BacktrackSampler) -> None:
    """Each dict comes back, with what has come of it; its options are those of its streams alone."""
    prompts = [
        {"prompt": "a", "temperature": 0, "id": 7},
        {"prompt": "b", "max_new_tokens": 2},
        {"prompt": "c", "stop": "b"},
    ]
    rows = sampler.generate_batch(prompts, seeds=5, max_new_tokens=9).dicts()
    assert list(rows[0]) == [
        "index", "prompt", "temperature", "id", "sample", "seed", "text", "tokens", "discarded", "rollbacks",
        "finish_reason", "error",
    ]  # fmt: skip
    for index, (prompt, row) in enumerate(zip(prompts, rows, strict=True)):
        options = {"max_new_tokens": 9, **{k: v for k, v in prompt.items() if k != "id"}, "seed": 5 + index}
        assert row["text"] == sampler.generate_text(**options)
        assert row.items() >= {**prompt, "index": index, "sample": 0, "seed": 5 + index, "error": None}.items()
        assert (row["tokens"], row["finish_reason"]) == (sampler.stats.emitted, sampler.stats.finish_reason)
    assert json.loads(json.dumps(rows)) == rows


@given(data=st.data())
def test_each_dict_is_its_stream_alone(data: st.DataObject) -> None:
    """Whatever options the others have: a row is what `generate` gives with its own, and with those of all elsewhere."""
    sampler = BacktrackSampler(Chatty(WORDS))
    own = st.fixed_dictionaries(
        {"prompt": st.text("abc ", min_size=1, max_size=5)},
        optional={
            "temperature": st.sampled_from([0, 0.5, 2]), "top_k": st.sampled_from([0, 1, 3, None]), "top_p": st.just(0.5),
            "max_new_tokens": st.integers(1, 9), "max_length": st.integers(6, 12), "seed": st.integers(0, 9),
            "stop": st.sampled_from(["b", ["a", "cc"], None]), "min_p": st.just(0.3),
        },
    )  # fmt: skip
    prompts = data.draw(st.lists(own, min_size=1, max_size=5))
    n = data.draw(st.integers(1, 3))
    common: dict[str, Any] = {"max_new_tokens": 7, "temperature": 1.5, "top_k": 4}
    rows = sampler.generate_batch(prompts, n=n, seeds=20, max_batch=2, **common).dicts()
    for index, row in enumerate(rows):
        prompt = {name: value for name, value in prompts[index // n].items() if value is not None}
        seed = prompt["seed"] + index % n if "seed" in prompt else 20 + index
        assert row["seed"] == seed
        assert row["sample"] == index % n
        assert row["text"] == sampler.generate_text(**{**common, **prompt, "seed": seed})


def test_conversations(sampler: BacktrackSampler) -> None:
    """Messages, or a prompt with a system message, go through the model's chat template."""
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    prompts = [
        {"messages": messages}, {"messages": messages, "system": "b"}, {"prompt": "c", "system": "a"},
        {"prompt": "c", "system": ""}, {"prompt": None, "messages": messages, "system": math.nan},
    ]  # fmt: skip
    rows = sampler.generate_batch(prompts, seeds=[1] * 5, max_new_tokens=8).dicts()
    seen = ["a.b.c.", "b.a.b.c.", "a.c.", "c.", "a.b.c."]
    assert [row["text"] for row in rows] == [sampler.generate_text(text, seed=1, max_new_tokens=8) for text in seen]
    assert rows[0]["messages"] == messages


def test_what_is_not_there(sampler: BacktrackSampler) -> None:
    """None, and the NaN of tables, count as nothing, and the dict that comes out has them as they were."""
    given = {"prompt": "a", "temperature": None, "top_p": math.nan, "max_new_tokens": None, "seed": None, "error": None}
    (row,) = sampler.generate_batch([given], seeds=3, max_new_tokens=4, temperature=0.5).dicts()
    assert row["seed"] == 3
    assert row["temperature"] is None
    assert math.isnan(row["top_p"])
    assert row["text"] == sampler.generate_text("a", seed=3, max_new_tokens=4, temperature=0.5)


def test_seeds(sampler: BacktrackSampler) -> None:
    """A dict's seed is that of its first stream, and comes before `seeds`; -1 is a random one."""
    prompts = ["a", {"prompt": "a", "seed": 50}, {"prompt": "a", "seed": -1}]
    batch = sampler.generate_batch(prompts, n=2, seeds=[7, 8, 9, 10, 11, 12], max_new_tokens=1)
    seeds = [row["seed"] for row in batch.dicts()]
    assert seeds[:4] == [7, 8, 50, 51]
    assert min(seeds[4:]) > 12


def test_other_prompts_come_out_as_prompts(sampler: BacktrackSampler) -> None:
    """Texts and token ids stand in "prompt"; dicts may have token ids, too; and any iterable will do."""

    def prompts() -> Iterator[Any]:
        yield "ab"
        yield [0, 1]
        yield {"prompt": [0, 1], "id": 3}

    rows = sampler.generate_batch(prompts(), seeds=[1, 1, 1], max_new_tokens=5).dicts()
    assert [row["prompt"] for row in rows] == ["ab", [0, 1], [0, 1]]
    assert len({row["text"] for row in rows}) == 1
    assert sampler.generate_batch([], max_new_tokens=5).dicts() == []


def test_rows_that_fail(sampler: BacktrackSampler) -> None:
    """Nothing is raised: the dict says why, and has what was written until then."""

    class Fails(BaseStrategy):
        def on_next_token(self, tokens: list[int], probs: Any) -> None:
            if len(tokens) == 3:
                raise ZeroDivisionError("broken\non purpose")

    rows = sampler.generate_batch([{"prompt": "a", "max_new_tokens": 2}, "b"], Fails, seeds=4, max_new_tokens=8).dicts()
    assert [row["error"] is None for row in rows] == [True, False]
    assert "Fails.on_next_token raised ZeroDivisionError: broken on purpose" in rows[1]["error"]
    assert rows[1]["tokens"] == 2


def test_texts_of_dicts(sampler: BacktrackSampler) -> None:
    """`generate_texts` takes them as well, and strategies are made for each."""
    texts = sampler.generate_texts(
        [{"prompt": "a", "max_new_tokens": 4}, "b"], lambda: AntiSlopStrategy(sampler.provider, ["b"]), seeds=1, max_new_tokens=9
    )  # fmt: skip
    assert len(texts[0]) <= 4
    assert not any("b" in text for text in texts)


class DataFrame:
    """As much of pandas' as is needed: a list of the names of its columns."""

    def __iter__(self) -> Iterator[str]:
        return iter(["prompt"])


@pytest.mark.parametrize(
    ("prompts", "says"),
    [
        ([{}], 'it has neither prompt nor messages: write {"prompt": "..."}'), ([{"prompt": None}], "neither"),
        ([{"prompt": "a", "text": "b", "index": 1}], "index, text is what the output itself says of a row"),
        ([{"prompt": "a", "temperature": "hot"}], "temperature"), ([{"prompt": "a", "max_length": 1}], "max_length is 1"),
        ([{"prompt": "a", "max_length": "x"}], "max_length must be"), ([{"prompt": "a", "seed": 1.5}], "seeds must be"),
        (["a", {"prompt": "", "id": 1}], "prompt 1: the prompt is empty"), ([{"prompt": [9]}], "outside the vocabulary"),
        ([{"messages": []}], "must end with one that is to be answered"), ([{"messages": "a"}], "list of messages"),
        ([{"messages": [{"role": "assistant", "content": "a"}]}], "not with the assistant's"),
        ([{"prompt": [1], "system": "a"}], "a system message needs a prompt that is text"),
        ([{"prompt": "a", "system": 1}], "message 1 has no text"),
        ([{"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}], "system": "c"}], "leave one out"),
        ({"prompt": "a"}, "write it in a list"), (DataFrame(), 'pass table.to_dict("records")'),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_before_anything_is_evaluated(
    sampler: BacktrackSampler, prompts: Any, says: str
) -> None:
    """In one line that says what to do."""
    with pytest.raises(InputError) as caught:
        sampler.generate_batch(prompts)
    assert says in str(caught.value)
    assert sampler.provider.forward_passes == 0


def test_a_template_that_refuses() -> None:
    """The model's own words stand in the error."""
    sampler = BacktrackSampler(FakeProvider(WORDS))
    with pytest.raises(InputError, match="chat template"):
        sampler.generate_batch([{"messages": [{"role": "user", "content": "a"}]}])


def test_rows_of_a_batch_that_was_closed_say_so() -> None:
    """Whoever stops reading gets what is there, and no text that looks complete and is not."""
    sampler = BacktrackSampler(FakeProvider(["a", "b", ""]))
    batch = sampler.generate_batch(["a"] * 3, seeds=1, max_new_tokens=30, max_batch=3)
    for _ in batch.results():
        break
    rows = batch.dicts()
    assert {row["error"] for row in rows} <= {None, "broken off: the batch was closed before this row was over"}
    assert [row["error"] is None for row in rows] == [bool(row["finish_reason"]) for row in rows]
    assert any(row["error"] for row in rows)
