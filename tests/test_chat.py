"""Conversations: each turn evaluates only what is new."""

from __future__ import annotations

import copy
import json
import math
import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from backtrack_sampler import (
    AntiSlopStrategy,
    BaseProvider,
    BaseStrategy,
    ChatPipeline,
    ContextFullError,
    Generator,
    InputError,
    StrategyError,
)
from backtrack_sampler.chat import Message, load_messages, save_messages
from backtrack_sampler.operators import Step
from backtrack_sampler.testing import FakeProvider

NEVER = -math.inf
#: "ab" may be written as one token or as two; "" is a special token that text cannot spell; the last ends.
WORDS = ["a", "b", "c", "ab", " ", "user: ", "assistant: ", "system: ", "|", b"\xe2\x98", b"\x83", "\ufffd", "", ""]
A, B, C, AB, SPACE, USER, ASSISTANT, SYSTEM, BAR, HALF, REST, BROKEN, HIDDEN, END = range(14)


class FakeChat(FakeProvider):
    """A chat model: `user: a|assistant: b|`."""

    def __init__(self, logits: Any = None, **options: Any) -> None:
        super().__init__(WORDS, logits or (lambda tokens: [2.0, 2.0, 1.0] + [NEVER] * 10 + [0.0]), **options)

    def chat_prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        text = "".join(f"{m['role']}: {m['content']}|" for m in messages)
        return f"{text}assistant: "

    @property
    def new(self) -> list[int]:
        """The tokens of the last evaluations, since this was last asked."""
        tokens = [token for _, part in self.asked for token in part]
        self.asked.clear()
        return tokens


class Says(BaseStrategy):
    """Lets the model say these tokens, and then end."""

    def __init__(self, *tokens: int) -> None:
        self._tokens = [*tokens, END]

    def on_probs(self, probs: Any, tokens: list[int]) -> Any:
        return {self._tokens[len(tokens)]: 1.0}


def user(content: str) -> Message:
    return {"role": "user", "content": content}


def assistant(content: str) -> Message:
    return {"role": "assistant", "content": content}


def test_turns() -> None:
    """A question gets an answer, and the conversation grows by both; the one that was given does not change."""
    provider = FakeChat()
    pipeline = ChatPipeline(Generator(provider))
    first, history = pipeline.run_turn("ab", seed=1, max_new_tokens=5)
    assert first
    assert set(first) <= set("abc")
    assert history == [user("ab"), assistant(first)]
    before = copy.deepcopy(history)
    second, longer = pipeline.run_turn("c", history, seed=2, max_new_tokens=5)
    assert longer == [*before, user("c"), assistant(second)]
    assert history == before
    longer[0]["content"] = "changed"
    assert history == before


def test_system_message() -> None:
    """It begins a conversation once; a conversation's own goes before it."""
    pipeline = ChatPipeline(FakeChat(), system="c c")
    turn = pipeline.stream_turn("a", strategy=Says(B))
    assert pipeline.generator.provider.decode(turn.prompt) == "system: c c|user: a|assistant: "
    list(turn)
    _, history = pipeline.run_turn("b", turn.history, strategy=Says(B))
    assert [message["role"] for message in history] == ["system", "user", "assistant", "user", "assistant"]
    own = [{"role": "system", "content": "b"}]
    assert pipeline.run_turn("a", own, strategy=Says(B))[1][0] == own[0]


def test_answer_and_history_while_it_is_written() -> None:
    """Both are there during the stream, after it, and where it was stopped."""
    pipeline = ChatPipeline(FakeChat())
    turn = pipeline.stream_turn("a", [], strategy=Says(A, B, C, A))
    assert turn.answer == ""
    assert (next(turn), next(turn)) == ("a", "b")
    assert turn.history == [user("a"), assistant("ab")]
    turn.close()
    assert list(turn) == []
    assert turn.history == [user("a"), assistant("ab")]
    full = pipeline.stream_turn("a", strategy=Says(A, B, C, A))
    assert "".join(full) == full.answer == "abca"
    assert full.tokens == [A, B, C, A, END]


def test_generation_is_passed_on() -> None:
    """Operators, strategies, stop strings and listeners, as the generator takes them."""
    pipeline = ChatPipeline(FakeChat())
    events: list[Any] = []

    def no_a(step: Step) -> int:
        return 1 if step.text == "a" else 0

    answer, _ = pipeline.run_turn("a", operator=no_a, seed=1, max_new_tokens=9, on_event=events.append)
    assert "a" not in answer
    assert pipeline.generator.stats.rollbacks > 0
    assert events
    assert pipeline.run_turn("a", strategy=Says(A, C, B), stop_sequences="cb")[0] == "a"


@pytest.mark.parametrize(
    ("question", "history", "message"),
    [
        ("", [], "question is empty"), (" \n", [], "question is empty"), (None, [], "question is empty"),
        ("\udcff", [], "not valid text"), ("a", {"role": "user"}, "not dict"), ("a", "ab", "not str"),
        ("a", None, "not NoneType"), ("a", ["a"], "message 1 is not of the form"),
        ("a", [user("a"), {"role": "robot", "content": "b"}], "message 2 has the role 'robot'"),
        ("a", [{"content": "b"}], "message 1 has the role None"),
        ("a", [{"role": "user"}], "message 1 has no text"), ("a", [user(["a"])], "message 1 has no text"),  # type: ignore[arg-type]
        ("a", [{"role": ["user"], "content": "a"}], "message 1 has the role"),
        ("a", [assistant("\ud83d")], "message 1 is not valid text"),
    ],
)  # fmt: skip
def test_what_is_no_conversation(question: Any, history: Any, message: str) -> None:
    """Questions and histories that cannot be used are one line, before anything is evaluated."""
    provider = FakeChat()
    pipeline = ChatPipeline(provider)
    for turn in (pipeline.run_turn, pipeline.stream_turn):
        with pytest.raises(InputError, match=message) as raised:
            turn(question, history)
        assert "\n" not in str(raised.value)
    assert provider.forward_passes == 0


def test_models_that_cannot_chat() -> None:
    """A model without a template, or whose template takes no system message, is refused at once."""

    class NoSystem(FakeChat):
        def chat_prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
            if messages[0]["role"] == "system":
                raise KeyError("System role\nnot supported")
            return super().chat_prompt(messages)

    with pytest.raises(InputError, match="no chat template"):
        ChatPipeline(FakeProvider())
    with pytest.raises(InputError, match="does not take this conversation .*System role") as raised:
        ChatPipeline(NoSystem(), system="a")
    assert "\n" not in str(raised.value)
    assert ChatPipeline(NoSystem()).run_turn("a", strategy=Says(B))[0] == "b"
    with pytest.raises(InputError, match="not str"):
        ChatPipeline("model.gguf")  # type: ignore[arg-type]


def test_errors_in_an_answer() -> None:
    """A full context, or a strategy that fails: what was written is there, and the next turn works."""
    provider = FakeChat(context_size=12)
    pipeline = ChatPipeline(provider)
    turn = pipeline.stream_turn("a", strategy=Says(*[A, B] * 9))
    list(turn)
    assert turn.stream.stats.finish_reason == "context"
    assert turn.answer == "ab" * 4 + "a"
    assert turn.history[-1] == assistant(turn.answer)
    with pytest.raises(ContextFullError):
        pipeline.run_turn("a", strategy=Says(*[A, B] * 9), on_context_full="raise")

    broken = pipeline.stream_turn("a", strategy=Says(A, B), operator=lambda step: -1 if step.text == "b" else 0)
    with pytest.raises(StrategyError):
        list(broken)
    assert broken.answer in ("", "a")
    assert pipeline.run_turn("a", strategy=Says(A, B))[0] == "ab"


def test_conversation_longer_than_the_context() -> None:
    """It is refused before anything is evaluated, and nothing is lost."""
    provider = FakeChat(context_size=12)
    pipeline = ChatPipeline(provider)
    history = [user("a"), assistant("b")] * 3
    with pytest.raises(InputError, match="context holds 12"):
        pipeline.stream_turn("a", history)
    assert provider.forward_passes == 0
    assert len(history) == 6


# -- a context that fills up -----------------------------------------------------------------
# In FakeChat's format a question of n letters is n + 3 tokens, and its answer of m letters m + 1 more.


def talk(pipeline: ChatPipeline, turns: int, **options: Any) -> list[Any]:
    """So many turns, one going on from the other; each question and each answer is one letter."""
    done: list[Any] = []
    for _ in range(turns):
        history = done[-1].history if done else []
        done.append(pipeline.stream_turn("c", history, strategy=Says(B), **options))
        list(done[-1])
    return done


def test_the_oldest_turns_are_dropped() -> None:
    """Where a conversation does not fit with room for an answer the model gets less of it; its history stays whole."""
    provider = FakeChat(context_size=64)
    turns = talk(ChatPipeline(provider, "a", drop_oldest=True), 17, max_new_tokens=8)
    assert turns[-1].history == [{"role": "system", "content": "a"}, *[user("c"), assistant("b")] * 17]
    # 3 tokens, 6 for each turn and 4: after nine turns these are more than 64 - 8, and after three less than half.
    assert [turn.dropped for turn in turns] == [0] * 9 + [6] * 6 + [12] * 2
    for turn in turns:
        seen = ["system: a|", *["user: c|assistant: b|"] * (turns.index(turn) - turn.dropped), "user: c|assistant: "]
        assert provider.decode(turn.prompt) == "".join(seen)


def test_turns_after_dropped_ones_evaluate_only_what_is_new() -> None:
    """What is dropped once stays dropped, so that the next turns go on from what was evaluated."""
    provider = FakeChat(context_size=64)
    pipeline = ChatPipeline(provider, drop_oldest=True)
    history: list[Message] = []
    costs = []
    for n in range(11):
        turn = pipeline.stream_turn(
            f"{n:04b}".translate({48: "a", 49: "c"}), history, strategy=Says(A, B), max_new_tokens=8
        )
        list(turn)
        history = turn.history
        costs.append((turn.dropped, len(provider.new)))
    assert [dropped for dropped, _ in costs] == [0] * 5 + [3] * 4 + [7] * 2
    kept = [cost for (dropped, cost), (before, _) in zip(costs[1:], costs, strict=False) if dropped == before]
    assert set(kept) == {len([BAR, USER, A, C, A, C, BAR, ASSISTANT, A, B])}
    retried = pipeline.stream_turn(history[-2]["content"], history[:-2], strategy=Says(C), max_new_tokens=8)
    list(retried)
    assert (retried.dropped, provider.new) == (7, [C])


def test_without_drop_oldest_nothing_is_dropped() -> None:
    """Then a conversation that does not fit is refused, as one that fits without room for an answer is not."""
    pipeline = ChatPipeline(FakeChat(context_size=32))
    turns = talk(pipeline, 5)
    assert [len(turn.prompt) for turn in turns] == [4, 10, 16, 22, 28]
    with pytest.raises(InputError, match="the prompt has 34 tokens and the model's context holds 32"):
        pipeline.stream_turn("c", turns[-1].history)


def test_the_last_turn_stays_where_it_fits() -> None:
    """What a question may be about is dropped last, and only where it does not fit."""
    pipeline = ChatPipeline(FakeChat(context_size=40), drop_oldest=True)
    history = [user("a"), assistant("b" * 8), user("a"), assistant("b" * 14)]
    turn = pipeline.stream_turn("cab", history, max_new_tokens=5)
    assert turn.dropped == 1  # though 19 + 5 tokens are more than half of 40 - 5
    longer = pipeline.stream_turn("c" * 15, history, max_new_tokens=5)
    assert longer.dropped == 2
    assert len(longer.history) == 6


def test_room_for_an_answer() -> None:
    """As much as it may have, but no more than a quarter of the context."""
    for size, options, dropped in (
        (12, {"max_new_tokens": 2}, 0), (12, {"max_new_tokens": 3}, 1), (12, {"max_new_tokens": None}, 1),
        (12, {}, 1), (13, {}, 0), (13, {"max_new_tokens": 50}, 0), (11, {"max_new_tokens": 1}, 0),
    ):  # fmt: skip
        pipeline = ChatPipeline(FakeChat(context_size=size), drop_oldest=True)
        assert pipeline.stream_turn("c", [user("a"), assistant("b")], **options).dropped == dropped, (size, options)
    with pytest.raises(InputError, match="max_new_tokens must be"):
        pipeline.stream_turn("c", max_new_tokens="many")


def test_max_length_is_a_limit_like_the_context() -> None:
    """A conversation that has outgrown it loses its oldest turns as well."""
    provider = FakeChat()
    turns = talk(ChatPipeline(provider, drop_oldest=True), 6, max_length=24, max_new_tokens=4)
    assert turns[-1].dropped > 0
    assert all(len(turn.prompt) + 4 <= 24 for turn in turns)
    with pytest.raises(InputError, match="the prompt alone has 33 tokens, and max_length is 24"):
        ChatPipeline(provider, drop_oldest=True).stream_turn("c" * 30, turns[-1].history, max_length=24)
    # Where nothing limits it, nothing is dropped.
    assert talk(ChatPipeline(provider, drop_oldest=True), 20)[-1].dropped == 0


def test_a_question_that_does_not_fit_alone() -> None:
    """It is refused before anything is evaluated, and the conversation can go on."""
    provider = FakeChat(context_size=24)
    pipeline = ChatPipeline(provider, drop_oldest=True)
    history = talk(pipeline, 2)[-1].history
    assert provider.new
    for question in ("c" * 30, "c" * 21):
        with pytest.raises(InputError, match="the question alone makes .* context holds 24: shorten it"):
            pipeline.stream_turn(question, history)
    with pytest.raises(InputError, match="question and system message make 36 tokens .* shorten them"):
        ChatPipeline(provider, "c" * 30, drop_oldest=True).stream_turn("c", history)
    assert provider.new == []
    fits = pipeline.stream_turn("c" * 20, history, strategy=Says(B))  # with no more room than for a token
    assert (list(fits), fits.dropped) == (["b"], 2)


def test_going_back_brings_turns_back() -> None:
    """After an undo the model sees again what fits again."""
    pipeline = ChatPipeline(FakeChat(context_size=32), drop_oldest=True)
    turns = talk(pipeline, 5, max_new_tokens=8)
    assert turns[-1].dropped > 0
    long = pipeline.stream_turn("c" * 20, turns[-1].history, strategy=Says(B))
    assert long.dropped == 5
    assert pipeline.stream_turn("a", turns[-1].history).dropped == turns[-1].dropped
    assert pipeline.stream_turn("a", turns[0].history).dropped == 0


def test_what_was_dropped_last_counts() -> None:
    """Where a question was answered several times, the next one goes on from what the model saw last."""
    pipeline = ChatPipeline(FakeChat(context_size=64), drop_oldest=True)
    turn = talk(pipeline, 10, max_new_tokens=2)[-1]
    again = pipeline.stream_turn("c", turn.history[:-2], max_new_tokens=16)
    assert turn.dropped == 0 < again.dropped
    assert pipeline.stream_turn("c", turn.history[:-2], max_new_tokens=2).dropped == again.dropped
    assert pipeline.stream_turn("c", again.history, max_new_tokens=2).dropped == again.dropped


def test_what_a_template_wants_stays_true() -> None:
    """Turns go as a whole, from the first question to the last answer of each, and a greeting with the first."""
    provider = FakeChat(context_size=20)
    history = [assistant("ab"), user("a"), user("b"), assistant("c"), assistant("c"), user("a"), assistant("b")]
    turn = ChatPipeline(provider, drop_oldest=True).stream_turn("c", history, max_new_tokens=5)
    assert turn.dropped == 2
    assert provider.decode(turn.prompt) == "user: a|assistant: b|user: c|assistant: "
    assert turn.history[:-1] == [*history, user("c")]


def test_over_long_conversations_with_a_small_context() -> None:
    """Whatever is asked, undone and loaded: what the model gets fits, is an end of what was said, and begins with a
    question; the system message is always there, and a turn that was dropped comes back only with an undo."""
    provider = FakeChat(context_size=40)
    rng = random.Random(2)
    pipeline = ChatPipeline(provider, "ca", drop_oldest=True)
    history: list[Message] = []
    dropped = drops = 0
    for n in range(400):
        if rng.random() < 0.1:
            history = history[: 1 + 2 * rng.randrange(len(history) // 2 + 1)]
            dropped = 0
        if rng.random() < 0.02:
            pipeline, dropped = ChatPipeline(provider, "ca", drop_oldest=True), 0
        question = rng.choice(["a", "ab", "b c", "abc" * 4])
        turn = pipeline.stream_turn(question, history, seed=n, max_new_tokens=rng.randrange(1, 12))
        whole = provider.chat_prompt(turn.history[:-1])
        head, seen = "system: ca|", provider.decode(turn.prompt)
        assert len(turn.prompt) < 40
        assert seen.startswith(head + "user: ")
        assert whole.endswith(seen.removeprefix(head))
        assert seen.count("user: ") == whole.count("user: ") - turn.dropped >= 1
        assert turn.dropped >= dropped
        drops += turn.dropped > dropped
        dropped = turn.dropped
        list(turn)
        history = turn.history
    assert drops > 20


# -- only what is new ------------------------------------------------------------------------


def test_a_turn_evaluates_only_what_is_new() -> None:
    """The tokens the model wrote are used again, however they would be written anew."""
    provider = FakeChat()
    pipeline = ChatPipeline(provider)
    answer, history = pipeline.run_turn("c", strategy=Says(A, B, A))  # "ab" is otherwise one token
    assert (answer, provider.encode(answer)) == ("aba", [AB, A])
    assert provider.new == [USER, C, BAR, ASSISTANT, A, B, A]
    _, history = pipeline.run_turn("b", history, strategy=Says(B, C))
    assert provider.new == [BAR, USER, B, BAR, ASSISTANT, B, C]
    pipeline.run_turn("a", history, strategy=Says(B))
    assert provider.new == [BAR, USER, A, BAR, ASSISTANT, B]


def test_after_rollbacks() -> None:
    """So it is where tokens of the answer were taken back."""
    provider = FakeChat(lambda tokens: [2.0, 2.0, 1.0] + [NEVER] * 11)
    pipeline = ChatPipeline(provider)
    strategy = AntiSlopStrategy(provider, ["aa", "cc"])
    answer, history = pipeline.run_turn("c", strategy=strategy, seed=1, max_new_tokens=30)
    assert pipeline.generator.stats.rollbacks > 3
    assert len(provider.encode(answer)) < 30
    assert provider.new
    turn = pipeline.stream_turn("b", history, max_new_tokens=1)
    list(turn)
    assert provider.new == [turn.prompt[33], BAR, USER, B, BAR, ASSISTANT]  # the last one was drawn, not evaluated


def test_undo_and_another_answer() -> None:
    """The same question again, and another one in its place, cost no more than that question."""
    provider = FakeChat()
    pipeline = ChatPipeline(provider)
    _, first = pipeline.run_turn("c", strategy=Says(A, B, A))
    pipeline.run_turn("b", first, strategy=Says(B, C))
    assert provider.new
    pipeline.run_turn("b", first, strategy=Says(C))
    assert provider.new == [C]
    pipeline.run_turn("a", first, strategy=Says(C))
    assert provider.new == [A, BAR, ASSISTANT, C]


def test_stopped_half_way() -> None:
    """The tokens of an answer that was stopped are used as far as it was read."""
    provider = FakeChat()
    pipeline = ChatPipeline(provider)
    turn = pipeline.stream_turn("c", strategy=Says(A, B, A, B))
    next(turn), next(turn)
    turn.close()
    assert provider.new
    pipeline.run_turn("b", turn.history, strategy=Says(C))
    assert provider.new[-6:] == [BAR, USER, B, BAR, ASSISTANT, C]
    assert turn.answer == "ab"
    following = pipeline.stream_turn("b", turn.history)
    assert following.prompt[:6] == [USER, C, BAR, ASSISTANT, A, B]


@pytest.mark.parametrize("change", ["question", "answer", "longer answer", "system", "trim"])
def test_another_text_is_encoded_anew(change: str) -> None:
    """Where the conversation, or what the template makes of it, is not what was evaluated, nothing old is used."""

    class Trims(FakeChat):
        def chat_prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
            return super().chat_prompt([{**m, "content": m["content"].strip()} for m in messages])

    provider = Trims() if change == "trim" else FakeChat()
    pipeline = ChatPipeline(provider)
    _, history = pipeline.run_turn("c", strategy=Says(A, B, SPACE))
    if change == "question":
        history[0]["content"] = "a"
    elif change == "answer":
        history[1]["content"] = "ab"
    elif change == "longer answer":
        history[1]["content"] += "ab"
    elif change == "system":
        history.insert(0, {"role": "system", "content": "a"})
    turn = pipeline.stream_turn("b", history)
    assert turn.prompt == provider.encode(provider.chat_prompt([*history, user("b")]))
    assert AB in turn.prompt


@pytest.mark.parametrize(
    ("tokens", "options", "answer"),
    [
        ((A, B, HIDDEN, A), {}, "aba"),  # a special token that no text shows
        ((A, B, HALF), {}, "ab\ufffd"),  # half a character
        ((A, B, HALF, C), {}, "ab\ufffdc"),
        ((A, B, AB), {"stop_sequences": "ba"}, "a"),
        ((A, B, A, AB), {"stop_sequences": "bc"}, "abaab"),
        ((A, B, A, AB, C), {"stop_sequences": "bc"}, "abaa"),  # the stop string begins within a token
    ],
)
def test_an_answer_that_its_tokens_do_not_spell(tokens: tuple[int, ...], options: Any, answer: str) -> None:
    """The tokens are used only where they are exactly the answer."""
    provider = FakeChat()
    pipeline = ChatPipeline(provider)
    found, history = pipeline.run_turn("c", strategy=Says(*tokens), **options)
    assert found == answer
    text = provider.chat_prompt([*history, user("b")])
    prompt = pipeline.stream_turn("b", history).prompt
    assert provider.decode(prompt) == text
    assert not {HIDDEN, HALF} & set(prompt)
    assert prompt[4] == (A if answer in ("a", "abaab") else AB)


def test_characters_of_several_tokens() -> None:
    """They are used again as they were written."""
    provider = FakeChat()
    pipeline = ChatPipeline(provider)
    answer, history = pipeline.run_turn("c", strategy=Says(A, B, HALF, REST, A))
    assert answer == "ab☃a"
    assert pipeline.stream_turn("b", history).prompt[4:9] == [A, B, HALF, REST, A]


def test_as_many_turns_as_are_remembered() -> None:
    """Turns are forgotten after 32 others, which only costs evaluating again."""
    pipeline = ChatPipeline(FakeChat())
    _, first = pipeline.run_turn("c", strategy=Says(A, B))
    for n in range(31):
        pipeline.run_turn("a" * (n + 1), strategy=Says(C))
    assert AB not in pipeline.stream_turn("b", first).prompt
    assert AB in pipeline.stream_turn("b", first).prompt


def test_what_is_evaluated_is_what_was_said() -> None:
    """Over many random turns, with undo and edits, the tokens always spell the rendered conversation."""
    provider = FakeChat()
    pipeline = ChatPipeline(provider)
    rng = random.Random(1)
    history: list[Message] = []
    for n in range(300):
        match rng.randrange(6):
            case 0:
                history = history[: 2 * rng.randrange(len(history) // 2 + 1)]
            case 1 if history:
                history[rng.randrange(len(history))]["content"] = rng.choice(["ab", "aba", "c"])
            case _ if len(history) > 20:
                history = []
        options = {"stop_sequences": "bab"} if rng.random() < 0.3 else {}
        question = rng.choice(["a", "ab", "b c"])
        turn = pipeline.stream_turn(question, history, seed=n, max_new_tokens=rng.randrange(1, 9), **options)
        assert provider.decode(turn.prompt) == provider.chat_prompt([*history, user(question)])
        for _ in turn:
            if rng.random() < 0.05:
                turn.close()
        history = turn.history


# -- real models -------------------------------------------------------------------------------


class Spelled(BaseStrategy):
    """Says a text one character at a time, as no encoder would write it."""

    def __init__(self, provider: BaseProvider, text: str) -> None:
        self._tokens = [token for character in text for token in provider.encode_within(character)]
        self._tokens.append(provider.get_eos_token_id())

    def on_probs(self, probs: Any, tokens: list[int]) -> Any:
        return {self._tokens[len(tokens)]: 1.0}


def evaluated(
    pipeline: ChatPipeline, question: str, history: list[Message], **options: Any
) -> tuple[int, list[Message]]:
    """Tokens that were evaluated for a prompt alone, and the conversation after a turn."""
    provider = pipeline.generator.provider
    turn = pipeline.stream_turn(question, history, seed=1, max_new_tokens=40, **options)
    before = provider.evaluated_tokens
    next(turn)
    count = provider.evaluated_tokens - before
    for _ in turn:
        pass
    return count, turn.history


def check_only_new(provider: BaseProvider) -> None:
    pipeline = ChatPipeline(provider)
    slops = AntiSlopStrategy(provider, ["the", "and", "that"])
    first, history = evaluated(pipeline, "Who wrote Hamlet, and when was that?", [], strategy=slops)
    assert pipeline.generator.stats.rollbacks > 0
    second, history = evaluated(pipeline, "Why?", history, strategy=Spelled(provider, "Because he could."))
    assert history[-1] == assistant("Because he could.")
    third, _ = evaluated(pipeline, "Why?", history)
    # <|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n, and one that was drawn last
    assert second <= 14
    assert third <= 14
    assert first > 30
    anew, _ = evaluated(ChatPipeline(provider), "Why?", history)
    assert anew > third + 3


@pytest.mark.slow
def test_only_what_is_new_on_llamacpp(smollm: Any) -> None:
    """On llama.cpp a turn costs its question and the template's tokens, also after rollbacks."""
    check_only_new(smollm)


@pytest.mark.slow
def test_only_what_is_new_on_transformers(smollm_transformers: Any) -> None:
    """And so on transformers."""
    check_only_new(smollm_transformers)


@pytest.mark.slow
def test_tokens_of_a_second_turn(smollm: Any) -> None:
    """Special tokens and text after an answer are encoded as they would be in the whole."""
    pipeline = ChatPipeline(smollm, system="Be brief.")
    text = "It's a play."
    turn = pipeline.stream_turn("What is Hamlet?", strategy=Spelled(smollm, text))
    list(turn)
    second = pipeline.stream_turn("Why?", turn.history)
    whole = smollm.encode(smollm.chat_prompt([*turn.history, user("Why?")]))
    spelled = [token for character in text for token in smollm.encode(character)]
    assert second.prompt == turn.prompt + spelled + whole[len(turn.prompt) + len(smollm.encode(text)) :]


@pytest.mark.slow
def test_conversation_longer_than_a_real_context(smollm: Any) -> None:
    """It is refused in one line before anything is evaluated."""
    before = smollm.evaluated_tokens
    with pytest.raises(InputError, match="context holds 2048") as raised:
        ChatPipeline(smollm).run_turn("word " * 2100)
    assert "\n" not in str(raised.value)
    assert smollm.evaluated_tokens == before


@pytest.mark.slow
def test_a_real_context_that_fills_up(smollm_file: Path) -> None:
    """In 256 tokens a chat goes on and on; most turns go on from the tokens of the turn before."""
    from backtrack_sampler.provider.llamacpp_provider import LlamacppProvider

    provider = LlamacppProvider.from_pretrained(smollm_file, n_ctx=256)
    pipeline = ChatPipeline(provider, "Answer in one sentence.", drop_oldest=True)
    turns: list[Any] = []
    for n in range(12):
        history = turns[-1].history if turns else []
        turn = pipeline.stream_turn(f"Tell me of number {n}.", history, seed=n, max_new_tokens=20)
        list(turn)
        assert len(turn.prompt) <= 256 - 20
        assert provider.decode(turn.prompt).startswith("system\nAnswer in one sentence.\nuser\n")
        if turns and turn.dropped == turns[-1].dropped:
            assert turn.prompt[: len(turns[-1].prompt)] == turns[-1].prompt
        turns.append(turn)
    assert len(turns[-1].history) == 25
    assert 2 <= len({turn.dropped for turn in turns}) - 1 <= 4


@pytest.mark.slow
def test_sentencepiece() -> None:
    """Where the tokenizer begins every text with a space, the rest of a conversation gets none."""
    provider = sentencepiece()
    pipeline = ChatPipeline(provider)
    for answer, same in (
        (provider.encode_within(" hello the you"), True),
        (provider.encode_within(" h") + provider.encode_within("ello"), False),
    ):
        history: list[Message] = []
        strategy = Exactly([*answer, provider.get_eos_token_id()])
        for question in ("you?", "the the?"):
            turn = pipeline.stream_turn(question, history, strategy=strategy)
            list(turn)
            history = turn.history
        whole = provider.encode(provider.chat_prompt(history[:-1]))
        first = provider.encode(provider.chat_prompt(history[:1]))
        assert (turn.prompt == whole) == same
        assert turn.prompt[: len(first) + len(answer)] == first + answer
        rest = turn.prompt[len(first) + len(answer) :]
        assert rest == whole[-len(rest) :]
        assert provider.decode(turn.prompt) == provider.decode(whole)


class Exactly(BaseStrategy):
    """Says these tokens."""

    def __init__(self, tokens: list[int]) -> None:
        self._tokens = tokens

    def on_probs(self, probs: Any, tokens: list[int]) -> Any:
        return {self._tokens[len(tokens)]: 1.0}


def sentencepiece() -> BaseProvider:
    """A tiny random model with a tokenizer like that of Llama 2, and its chat template."""
    import tokenizers
    import torch
    import transformers
    from tokenizers import decoders, models, normalizers

    from backtrack_sampler.provider.transformers_provider import TransformersProvider

    letters = "▁abcdefghijklmnopqrstuvwxyzINST.,?[/]"
    vocabulary = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256)), *letters]
    merges: list[tuple[str, str]] = []
    for word in ("▁hello", "▁the", "▁you", "▁[INST]", "[/INST]"):
        for end in range(1, len(word)):
            pair = (word[:end], word[end])
            if pair not in merges:
                merges.append(pair)
                vocabulary.append("".join(pair))
    core = tokenizers.Tokenizer(
        models.BPE({piece: n for n, piece in enumerate(vocabulary)}, merges, unk_token="<unk>", byte_fallback=True)
    )
    core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    core.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'user' %}{{ '<s>[INST] ' + m.content + ' [/INST]' }}"
        "{% else %}{{ ' ' + m.content.strip() + ' </s>' }}{% endif %}{% endfor %}"
    )
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(1)
    return TransformersProvider(transformers.AutoModelForCausalLM.from_config(config), tokenizer)


# -- files -------------------------------------------------------------------------------------


def test_files(tmp_path: Path) -> None:
    """A conversation is a readable JSON list of messages; what is saved is what is loaded."""
    messages = [{"role": "system", "content": "Sei höflich."}, user('"☃"\n'), assistant("é\u0301😀")]
    path = tmp_path / "chat.json"
    save_messages(path, messages)
    assert load_messages(path) == messages == json.loads(path.read_bytes())
    assert "höflich" in path.read_text(encoding="utf-8")
    path.write_text("\ufeff" + path.read_text(encoding="utf-8"), encoding="utf-8")  # as some editors save it
    assert load_messages(path) == messages
    save_messages(path, [])
    assert load_messages(path) == []
    assert [file.name for file in tmp_path.iterdir()] == ["chat.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"), (b"[1", "not JSON"), (b"\xff\xfe[]", "not JSON"), (b"[" * 100_000, "not JSON"),
        (b"{}", "not dict"), (b"5", "not int"), (b"[5]", "message 1"), (b'[{"role": "x", "content": ""}]', "role 'x'"),
        (b'[{"role": "user", "content": "\\ud800"}]', "not valid text"),
    ],
)  # fmt: skip
def test_files_that_are_no_conversation(tmp_path: Path, content: bytes, message: str) -> None:
    """Broken files, and others, are one line that names them."""
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as raised:
        load_messages(path)
    assert "x.json is not a saved chat" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """A missing file, a folder, a device and a place that is none are one line."""
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "file" / "x", "a\0b"):
        with pytest.raises(InputError):
            load_messages(path)
    for path in (tmp_path, tmp_path / "no" / "x", tmp_path / "file" / "x", "a\0b", os.devnull, tmp_path / ("x" * 300)):
        with pytest.raises(InputError, match="cannot write") as raised:
            save_messages(path, [])
        assert "\n" not in str(raised.value)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_saving_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where writing fails the old file is as it was, and nothing else is left."""
    path = tmp_path / "chat.json"
    save_messages(path, [user("old")])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        save_messages(path, [user("new")])
    assert load_messages(path) == [user("old")]
    assert [file.name for file in tmp_path.iterdir()] == ["chat.json"]


def test_saving_keeps_links_and_permissions(tmp_path: Path) -> None:
    """A link stays a link, and a private file private."""
    path, link = tmp_path / "chat.json", tmp_path / "link.json"
    save_messages(path, [])
    path.chmod(0o600)
    link.symlink_to(path)
    save_messages(link, [user("a")])
    assert link.is_symlink()
    assert load_messages(path) == [user("a")]
    assert path.stat().st_mode & 0o777 == 0o600
