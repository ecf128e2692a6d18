"""`BacktrackLM`: what lm-evaluation-harness asks for, and what it gets."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lm_eval
import pytest
from lm_eval.api.instance import Instance
from lm_eval.api.model import CachingLM
from lm_eval.api.registry import get_model
from lm_eval.tasks import TaskManager
from tiny_models import tiny
from tiny_tokenizer import tokenizer

from backtrack_sampler import BacktrackSampler, BaseStrategy, BatchError, InputError
from backtrack_sampler.benchmark.harness.lm import BacktrackLM
from backtrack_sampler.events import Started
from backtrack_sampler.provider.transformers_provider import TransformersProvider
from backtrack_sampler.testing import FakeProvider

TASKS = Path(__file__).parent / "lm_eval_tasks"
LETTERS = [*"0123456789+=abc\n", "add up.", ""]


def asked(*arguments: tuple[str, dict[str, Any]], repeats: int = 1) -> list[Instance]:
    """Requests as the harness makes them: a repeated one is the same object several times."""
    made = [Instance("generate_until", {}, each, 0, ("task", n, repeats)) for n, each in enumerate(arguments)]
    return [each for each in made for _ in range(repeats)]


def fake(**options: Any) -> FakeProvider:
    return FakeProvider(LETTERS, **options)


def model(**options: Any) -> BacktrackLM:
    return BacktrackLM(fake(), **options)


class Fails(BaseStrategy):
    """Fails in streams whose prompt has a certain token, or in all."""

    def __init__(self, letter: str = "") -> None:
        self._token = LETTERS.index(letter)

    def on_start(self, stream: Any) -> None:
        self._fails = LETTERS[self._token] == "" or self._token in stream.prompt

    def backtrack(self, tokens: list[int]) -> int:
        if self._fails:
            raise LookupError("lost")
        return 0


# -- drawing -------------------------------------------------------------------------------


def options_of(monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], **made: Any) -> Any:
    """How a request with these `generation_kwargs` is drawn, as the batch engine has it."""
    events: list[Any] = []
    original = BacktrackSampler.generate_batch
    monkeypatch.setattr(BacktrackSampler, "generate_batch", lambda *a, **k: original(*a, **k, on_event=events.append))
    model(**made).generate_until(asked(("ab", said)), True)
    (started,) = (event for event in events if isinstance(event, Started))
    return started.options


def test_a_request_is_drawn_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Temperature, top-p, top-k, min-p, stop strings and the limit are its own."""
    said = {
        "until": ["0", ""], "do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 7, "min_p": 0.1,
        "max_gen_toks": 3,
    }  # fmt: skip
    options = options_of(monkeypatch, said)
    assert (options.temperature, options.top_p, options.top_k, options.min_p) == (0.6, 0.9, 7, 0.1)
    assert (options.stop, options.max_new_tokens) == (("0",), 3)


@pytest.mark.parametrize(
    ("said", "temperature"),
    [
        ({}, 0),
        ({"do_sample": False, "temperature": 0.7}, 0),
        ({"temperature": 0.7}, 0.7),
        ({"do_sample": True}, 1.0),
        ({"do_sample": True, "temperature": 0.0}, 0),
    ],
)
def test_whether_a_request_samples(said: dict[str, Any], temperature: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere in the harness: greedy unless it says do_sample or a temperature."""
    assert options_of(monkeypatch, {**said, "max_gen_toks": 2}).temperature == temperature


def test_what_a_request_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """256 tokens and no stop string; top_k=-1 is no limit."""
    options = options_of(monkeypatch, {"do_sample": True, "top_k": -1})
    assert (options.max_new_tokens, options.stop, options.top_k) == (256, (), 0)


def test_what_cannot_be_had_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Beams are not there: a warning, once; values that ask for nothing are none."""
    said = {"max_gen_toks": 1, "num_beams": 4, "repetition_penalty": 1.0}
    model().generate_until(asked(("a", said), ("b", said)), True)
    assert [record.getMessage() for record in caplog.records if "num_beams" in record.getMessage()] == [
        "num_beams=4 of task is not there, and left out"
    ]
    assert "repetition_penalty" not in caplog.text


def test_each_repeat_has_its_own_seed() -> None:
    """A request is repeated as one object: its answers differ, and the next run has the same ones."""
    requests = asked(("ab", {"do_sample": True, "max_gen_toks": 12}), ("ba", {"max_gen_toks": 3}), repeats=4)
    first = model().generate_until(requests, True)
    assert len(set(first[:4])) == 4
    assert len(set(first[4:])) == 1
    assert model().generate_until(requests, True) == first
    assert model(seed=1).generate_until(requests, True)[:4] != first[:4]


def test_an_answer_does_not_depend_on_what_else_is_asked() -> None:
    """Alone or among others, in any order and any batch, a request has the same answer."""
    said = {"do_sample": True, "max_gen_toks": 10}
    requests = asked(*((context, said) for context in ("a", "abc", "b+", "0=0", "ab")))
    together = model(max_batch=2).generate_until(requests, True)
    assert model().generate_until(requests[::-1], True) == together[::-1]
    assert [model().generate_until([each], True)[0] for each in requests] == together


def test_a_context_that_is_too_long_loses_its_beginning(caplog: pytest.LogCaptureFixture) -> None:
    """What is left makes room for the answer; that is said once."""
    provider = fake(context_size=8)
    lm = BacktrackLM(provider)
    lm.generate_until(asked(("0123456789", {"max_gen_toks": 3}), ("9876543210", {"max_gen_toks": 3})), True)
    assert (0, [5, 6, 7, 8, 9]) in provider.asked
    assert sum("lose their beginnings" in record.getMessage() for record in caplog.records) == 1
    with pytest.raises(InputError, match="asks for 8 new tokens, and the model's context holds 8"):
        lm.generate_until(asked(("0", {"max_gen_toks": 8})), True)


def test_a_context_of_nothing() -> None:
    """It is gone on from the token that texts begin with."""
    provider = fake()
    BacktrackLM(provider, prefix_token_id=3).generate_until(asked(("", {"max_gen_toks": 1})), True)
    assert provider.asked[0] == (0, [3])


def test_strategies_write() -> None:
    """Each stream has strategies of its own, from specs or from a function."""
    said = {"max_gen_toks": 6}
    plain = model().generate_until(asked(("ab", said)), True)[0]
    for made in (f"antislop:slops={plain[2:4]}", [f"antislop:slops={plain[2:4]}"]):
        lm = model(strategy=made)
        assert plain[2:4] not in lm.generate_until(asked(("ab", said)), True)[0]
        assert lm.streams["rollbacks"] >= 1
        assert lm.get_model_info()["backtrack_strategies"] == [f"antislop:slops={plain[2:4]}"]
    calls: list[int] = []
    lm = model(strategy=lambda: calls.append(1) or BaseStrategy())
    assert lm.generate_until(asked(("ab", said), ("ba", said)), True)[0] == plain
    assert len(calls) == 2


# -- what goes wrong -----------------------------------------------------------------------


def test_a_failed_stream_has_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    """Its answer is empty, not a text that could be right; it is logged, counted, and not put in the cache."""
    lm = model(strategy=lambda: Fails("c"))
    stored: list[Any] = []
    lm.cache_hook.add_partial = lambda *request: stored.append(request)
    answers = lm.generate_until(asked(("ac", {"max_gen_toks": 5}), ("ab", {"max_gen_toks": 5})), True)
    assert answers[0] == "" != answers[1]
    info = lm.get_model_info()
    assert (info["backtrack_streams"]["generated"], info["backtrack_streams"]["failed"]) == (2, 1)
    (error,) = info["backtrack_errors"]
    assert "LookupError: lost" in error
    assert "document 0 of task has failed" in caplog.text
    assert [request[1] for request in stored] == [("ab", {"max_gen_toks": 5})]


def test_all_streams_fail() -> None:
    """That is an error, not a score of nothing."""
    with pytest.raises(BatchError, match="2 of 2 streams failed"):
        model(strategy=lambda: Fails()).generate_until(asked(("a", {}), ("b", {})), True)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"strategy": "nonsense"}, "no strategy 'nonsense'"),
        ({"operator": "nonsense"}, "no operator 'nonsense'"),
        ({"strategy": [3]}, "written as on the command line"),
        ({"strategy": BaseStrategy, "operator": "repetition"}, "leave operator out"),
        ({"pretrained": "gpt2"}, "leave pretrained out"),
        ({"dtype": "float32"}, "leave dtype out"),
        ({"max_batch": "many"}, "max_batch must be a whole number"),
    ],
)
def test_arguments_that_cannot_be_used(made: dict[str, Any], said: str) -> None:
    """Each is one line, before anything is drawn."""
    with pytest.raises(InputError, match=said):
        model(**made)


def test_a_provider_that_is_none() -> None:
    """A name in its place is no model."""
    with pytest.raises(InputError, match="must be a provider"):
        BacktrackLM("gpt2")  # type: ignore[arg-type]


def test_what_a_comma_has_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy's second parameter in a string of model_args: the error says what to write, before a model is loaded."""
    loads = monkeypatch.setattr(
        "backtrack_sampler.benchmark.harness.lm.load_provider", lambda *_, **__: pytest.fail("loaded")
    )
    assert loads is None
    with pytest.raises(InputError, match="cut at commas: pass a dict") as raised:
        BacktrackLM.create_from_arg_string("strategy=antislop:slops=a|b,whole_words=true")
    assert '--model_args \'{"strategy": "antislop:slops=a|b,whole_words=..."}\'' in str(raised.value)


def test_from_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the harness makes models: from a string or a dict; its batch size of 1 and its device say nothing."""
    loaded: list[Any] = []

    def load(*arguments: Any, **options: Any) -> FakeProvider:
        loaded.append((arguments, options))
        return fake()

    monkeypatch.setattr("backtrack_sampler.benchmark.harness.lm.load_provider", load)
    cls = get_model("backtrack")
    assert cls is BacktrackLM
    usual = {"batch_size": 1, "max_batch_size": None, "device": "cuda:0"}
    lm = cls.create_from_arg_string("strategy=antislop:slops=a|b,seed=3,n_ctx=512", usual)
    assert (lm.seed, lm.max_batch, loaded[-1]) == (3, 16, ((None, None), {"n_ctx": 512}))
    lm = cls.create_from_arg_obj(
        {"engine": "transformers", "pretrained": "x/y", "strategy": "antislop:slops=a|b,whole_words=true"},
        {"batch_size": "auto", "device": "cpu"},
    )
    assert loaded[-1] == (("x/y", "transformers"), {"device": "cpu"})
    assert cls.create_from_arg_obj({}, {"batch_size": 4}).max_batch == 4


def test_a_cache_of_another_strategy(tmp_path: Path) -> None:
    """Answers are stored under their questions alone: another strategy's, or another program's, are refused."""
    path = str(tmp_path / "cache.db")
    requests = asked(("ab", {"max_gen_toks": 3}))
    first = CachingLM(model(), path).generate_until(requests)
    again = model()
    assert CachingLM(again, path).generate_until(requests) == first
    assert not again.streams
    with pytest.raises(InputError, match="of another model, strategy or seed"):
        CachingLM(model(strategy="antislop:slops=a"), path)


# -- chat ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chatting() -> BacktrackLM:
    return BacktrackLM(TransformersProvider(tiny("llama"), tokenizer()))


def test_chat_templates(chatting: BacktrackLM) -> None:
    """Conversations in the model's own format; one that ends with the beginning of an answer goes on from it."""
    question = [{"role": "user", "content": "why"}]
    assert chatting.apply_chat_template(question) == "<u>why\n<a>"
    begun = [*question, {"role": "assistant", "content": "because "}]
    assert chatting.apply_chat_template(begun, add_generation_prompt=False) == "<u>why\n<a>because "
    assert chatting.chat_template(True) == "<u>{question}\n<a>"
    assert chatting.chat_template(False) is None
    assert chatting.tokenizer_name


def test_a_template_without_system_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system message says is not lost: it begins the first question."""
    provider = fake()

    def chat_prompt(messages: Sequence[dict[str, str]]) -> str:
        if messages[0]["role"] == "system":
            raise ValueError("no system")
        return messages[0]["content"]

    monkeypatch.setattr(provider, "chat_prompt", chat_prompt)
    asked_for = [{"role": "system", "content": "add"}, {"role": "user", "content": "1+1"}]
    assert BacktrackLM(provider).apply_chat_template(asked_for) == "add\n\n1+1"


def test_the_token_that_texts_begin_with_is_there_once(chatting: BacktrackLM) -> None:
    """Also where a text is written with it."""
    assert chatting.tok_encode("a")[0] == chatting.prefix_token_id == 1
    assert chatting.tok_encode("<s>a") == chatting.tok_encode("a")
    assert chatting.tok_encode("a", add_special_tokens=False) == chatting.tok_encode("a")[1:]


# -- whole runs ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def manager() -> TaskManager:
    return TaskManager(include_path=str(TASKS), include_defaults=False)


def run(lm: BacktrackLM, manager: TaskManager, *tasks: str, **options: Any) -> dict[str, Any]:
    found = lm_eval.simple_evaluate(lm, tasks=list(tasks), task_manager=manager, bootstrap_iters=0, **options)
    assert found is not None
    return dict(found)


@pytest.fixture(autouse=True)
def no_facts_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness asks pip and the compiler for their versions, which takes seconds."""
    monkeypatch.setattr("lm_eval.evaluator.add_env_info", lambda _: None)


@pytest.mark.parametrize("chat", [False, True])
def test_a_run(chat: bool, chatting: BacktrackLM, manager: TaskManager) -> None:
    """Generated answers and choices in one run, with examples, as text and as turns of a conversation."""
    found = run(
        chatting, manager, "our_sums", "our_letters", num_fewshot=2 if chat else None, limit=5,
        apply_chat_template=chat, fewshot_as_multiturn=chat,
    )  # fmt: skip
    assert 0 <= found["results"]["our_sums"]["exact_match,number"] <= 1
    assert 0 <= found["results"]["our_letters"]["acc,none"] <= 1
    sample = found["samples"]["our_sums"][0]
    assert sample["arguments"][0][0].count("<u>") == (3 if chat else 0)
    assert len(sample["resps"][0]) == 1
    assert found["config"]["backtrack_streams"]["failed"] == 0


def test_repeats_in_a_run(chatting: BacktrackLM, manager: TaskManager) -> None:
    """Three sampled answers to each question, not one three times."""
    found = run(chatting, manager, "our_sampled_sums", limit=4)
    answers = [sample["resps"][0] for sample in found["samples"]["our_sampled_sums"] if sample["filter"] == "all"]
    assert [len(each) for each in answers] == [3] * 4
    assert any(len(set(each)) > 1 for each in answers)


def test_failed_streams_stand_in_the_results(manager: TaskManager) -> None:
    """Whoever reads the results sees that some answers are not the model's."""
    provider = fake()
    found = run(BacktrackLM(provider, strategy=lambda: Fails("1")), manager, "our_sums", limit=3)
    assert found["config"]["backtrack_streams"]["failed"] == 1
    assert list(found["config"]["backtrack_errors"].values()) == [1]


def test_a_strategy_has_no_part_in_log_likelihoods(
    manager: TaskManager, caplog: pytest.LogCaptureFixture, chatting: BacktrackLM
) -> None:
    """The scores of choices are the model's own, with a strategy as without; that is said once."""
    caplog.set_level(logging.WARNING)
    plain = run(chatting, manager, "our_letters")
    lm = BacktrackLM(chatting.provider, strategy="antislop:slops=a")
    with_one = run(lm, manager, "our_letters")
    assert with_one["results"] == plain["results"]
    assert sum("no strategy has a part" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.slow
def test_a_real_model(smollm: Any, manager: TaskManager) -> None:
    """SmolLM2 adds one-digit numbers after four examples, right more often than chance."""
    found = run(BacktrackLM(smollm), manager, "our_sums", num_fewshot=4)
    assert found["results"]["our_sums"]["exact_match,number"] > 0.3
