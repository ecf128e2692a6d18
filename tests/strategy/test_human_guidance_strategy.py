"""Human guidance, with a script in place of a person and no terminal."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrack_sampler import BacktrackSampler, ChainStrategy
from backtrack_sampler.errors import InputError
from backtrack_sampler.events import Rollback
from backtrack_sampler.guidance import BACK, QUIT, Answer, Insert, Menu, RunOn
from backtrack_sampler.strategy.antislop_strategy import AntiSlopStrategy
from backtrack_sampler.strategy.base_strategy import BaseStrategy, Candidates
from backtrack_sampler.strategy.human_guidance_strategy import HumanGuidanceStrategy, check_choices
from backtrack_sampler.terminal.guidance_screen import CursesScreen
from backtrack_sampler.testing import FakeProvider, check_strategy

WORDS = ["", " one", " two", " three", " four"]
END, ONE, TWO, THREE, FOUR = range(5)
TOKENS = dict(zip(WORDS, range(5), strict=True))


class Script:
    """Answers one after the other, then "quit"; remembers what it was asked."""

    def __init__(self, answers: Iterable[Answer] = ()) -> None:
        self._answers = iter(answers)
        self.menus: list[Menu] = []
        self.is_open = False

    def choose(self, menu: Menu) -> Answer:
        self.is_open = True
        self.menus.append(menu)
        return next(self._answers, QUIT)

    def close(self) -> None:
        self.is_open = False

    @property
    def texts(self) -> list[str]:
        return [menu.text for menu in self.menus]


def always(*logits: float) -> FakeProvider:
    """A model that always gives the same logits, to WORDS."""
    return FakeProvider(WORDS, lambda tokens: list(logits), eos=END)


def falling() -> FakeProvider:
    """One is the most probable, then two, three, four; the end hardly ever."""
    return always(-9, 4, 3, 2, 1)


def run(
    provider: FakeProvider, script: Script, top_k: int = 3, min_autopass: float = 1.0, **options: Any
) -> tuple[str, BacktrackSampler]:
    sampler = BacktrackSampler(provider, HumanGuidanceStrategy(provider, top_k, min_autopass, screen=script))
    text = sampler.generate_text([ONE], **{"max_new_tokens": 9, "seed": 1, **options})
    return text, sampler


def test_takes_what_is_chosen() -> None:
    """Each answer is the token at that place of the list, whatever its probability."""
    script = Script([0, 2, 1])
    text, sampler = run(falling(), script)
    assert text == " one three two"
    assert script.texts == ["", " one", " one three", " one three two"]
    assert sampler.stats.finish_reason == "end"


def test_shows_the_most_probable_tokens() -> None:
    """The options are the most probable tokens, highest first, with their probabilities."""
    script = Script()
    run(falling(), script, top_k=2)
    whole = sum(map(math.exp, (-9, 4, 3, 2, 1)))
    assert [text for text, _ in script.menus[0].options] == [" one", " two"]
    assert [p for _, p in script.menus[0].options] == pytest.approx([math.exp(4) / whole, math.exp(3) / whole])


def test_goes_back_any_number_of_steps() -> None:
    """Each step back asks again where a choice was made, with the text as it was there."""
    script = Script([0, 1, 2, BACK, BACK, BACK, 1, 1])
    text, _ = run(falling(), script)
    assert text == " two two"
    assert script.texts == ["", " one", " one two", " one two three", " one two", " one", "", " two", " two two"]


def test_going_back_at_the_start_asks_again() -> None:
    """Where nothing was chosen yet, a step back changes nothing."""
    script = Script([BACK, BACK, 1, BACK, BACK, 2])
    text, sampler = run(falling(), script)
    assert text == " three"
    assert script.texts == ["", "", "", " two", "", "", " three"]
    assert sampler.stats.rollbacks == 1


def test_quit_keeps_the_text_so_far() -> None:
    """Quitting ends the text where it is; nobody is asked again."""
    script = Script([0, QUIT, 0])
    text, sampler = run(falling(), script)
    assert text == " one"
    assert len(script.menus) == 2
    assert sampler.stats.finish_reason == "end"


def test_quit_at_once_gives_nothing() -> None:
    """Quitting at the first question streams no text."""
    assert run(falling(), Script())[0] == ""


def test_certain_tokens_pass_without_a_question() -> None:
    """A token at least as probable as min_autopass is taken; below, the person is asked."""

    def logits(tokens: list[int]) -> list[float]:
        return [-9, 1, 0, 0, 0] if len(tokens) % 3 == 0 else [-9, 0, 0, 9, 0]

    script = Script([1, 0])
    text, _ = run(FakeProvider(WORDS, logits, eos=END), script, min_autopass=0.9, max_new_tokens=7)
    assert text == " three three two three three one three"
    assert script.texts == [" three three", " three three two three three", text]


def test_border_of_min_autopass() -> None:
    """Just the probability min_autopass passes; 1 still passes what is the only candidate."""
    script = Script()
    run(always(-math.inf, 0, 0, -math.inf, -math.inf), script, min_autopass=0.5)
    assert script.texts == [" one" * 9]
    script = Script()
    run(always(-math.inf, 0, -math.inf, -math.inf, -math.inf), script)
    assert script.texts == [" one" * 9]


def test_goes_back_across_tokens_that_passed() -> None:
    """A step back leads to the last token that was chosen, over all that passed without a question."""

    def logits(tokens: list[int]) -> list[float]:
        return [-9, 1, 0, 0, 0] if tokens[-1] != TWO else [-9, 0, 0, 9, 0]

    script = Script([1, 1, BACK, BACK, 0])
    provider = FakeProvider(WORDS, logits, eos=END)
    text, sampler = run(provider, script, min_autopass=0.9, max_new_tokens=20)
    assert script.texts == ["", " two three", " two three two three", " two three", "", " one"]
    assert text == " one"
    # Four chosen or passed tokens, and each time one more that was drawn to be taken back.
    assert sampler.stats.discarded == (2 + 1) + (2 + 1)


def test_going_back_does_not_lead_to_tokens_that_all_passed() -> None:
    """Where everything passed, there is nothing to go back to, not even at the end."""
    script = Script([BACK, BACK, 0])
    text, _ = run(falling(), script, min_autopass=0.0, max_new_tokens=3)
    assert text == " one one one"
    assert script.texts == [text] * 3


def test_length_limit_asks_whether_to_keep() -> None:
    """At the length limit the person keeps the text, or goes back from there any number of steps."""
    script = Script([0, 0, BACK, BACK, 1, 1, 0])
    text, sampler = run(falling(), script, max_new_tokens=2)
    assert text == " two two"
    assert script.texts == ["", " one", " one one", " one", "", " two", " two two"]
    assert [menu.options == [] for menu in script.menus] == [False, False, True, False, False, False, True]
    assert sampler.stats.finish_reason == "length"


def test_quit_at_the_length_limit_keeps_the_text() -> None:
    """At the end, quitting and keeping are the same."""
    assert run(falling(), Script([0, 0, QUIT]), max_new_tokens=2)[0] == " one one"


def test_end_token_asks_whether_to_keep() -> None:
    """After an end token was chosen, a step back undoes that choice, and further ones those before."""
    provider = always(4, 3, 2, 1, 0)
    script = Script([1, 0, BACK, 2, 0, BACK, BACK, BACK, 2, 0, 0])
    text, sampler = run(provider, script)
    assert text == " two"
    assert script.texts == ["", " one", " one", " one", " one two", " one two", " one two", " one", "", " two", " two"]
    assert [text for text, _ in script.menus[0].options] == ["", " one", " two"]
    assert sampler.stats.finish_reason == "end"


def test_every_end_token_ends() -> None:
    """A model's second end token is shown as the end, ends the text, and can be taken back."""
    provider = always(0, 4, 3, 2, 1)
    provider.eos_token_ids = frozenset([END, FOUR])
    script = Script([0, 3, BACK, 1, 3, 0])
    text, _ = run(provider, script, top_k=4)
    assert text.removesuffix(" four") == " one two"
    assert script.menus[0].options[3][0] == ""
    assert script.texts == ["", " one", " one", " one", " one two", " one two"]


def test_stop_string_asks_whether_to_keep() -> None:
    """Going back from a stop string leads on; kept, the text ends before it."""
    script = Script([0, 1, BACK, 2, 1, 0])
    text, sampler = run(falling(), script, stop=["two"])
    assert text == " one three "
    assert sampler.stats.finish_reason == "stop"


def test_full_context_asks_whether_to_keep() -> None:
    """What was chosen when the context is full is streamed, and that is the end."""
    provider = FakeProvider(WORDS, lambda tokens: [-9, 4, 3, 2, 1], eos=END, context_size=3)
    script = Script([0, 1, 2, 0])
    sampler = BacktrackSampler(provider, HumanGuidanceStrategy(provider, screen=script))
    assert sampler.generate_text([ONE]) == " one two three"
    assert sampler.stats.finish_reason == "context"
    assert not script.is_open


def test_statistics_count_what_was_taken_back() -> None:
    """Drawn is emitted plus discarded, and going back costs no forward pass."""
    provider = falling()
    script = Script([0, 1, 2, BACK, BACK, 1, 0])
    _, sampler = run(provider, script, max_new_tokens=3)
    stats = sampler.stats
    assert (stats.emitted, stats.rollbacks) == (3, 2)
    # From " one two three", at the length limit: one token; then one and the one that was drawn to go back.
    assert stats.discarded == 1 + 2
    assert stats.drawn == stats.emitted + stats.discarded
    assert stats.forward_passes == 3  # one for each prefix: "", " one", " one two"


def test_nothing_is_streamed_before_the_end() -> None:
    """Because everything can be taken back, the first token comes after the last question."""
    script = Script([0, 1, 0])
    provider = falling()
    sampler = BacktrackSampler(provider, HumanGuidanceStrategy(provider, screen=script))
    tokens = sampler.generate([ONE], max_new_tokens=2)
    next(tokens)
    assert len(script.menus) == 3


def test_screen_is_given_back_before_the_text_comes() -> None:
    """With the first token the terminal is free again for the text."""
    for answers in ([0, 1, 0], [0]):
        script = Script(answers)
        provider = falling()
        tokens = BacktrackSampler(provider, HumanGuidanceStrategy(provider, screen=script)).generate(
            [ONE], max_new_tokens=2
        )
        next(tokens)
        assert not script.is_open


class Breaks(Exception):
    """What a screen may raise."""


def raising(answers: Sequence[int], error: BaseException) -> Iterator[int]:
    yield from answers
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), InputError("no terminal"), Breaks()])
def test_screen_is_closed_after_an_error(error: BaseException) -> None:
    """Ctrl-C and errors in the middle of a question leave no screen behind."""
    script = Script(raising([0, 1], error))
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        run(falling(), script)
    assert error in (caught.value, caught.value.__cause__)
    assert not script.is_open


def test_screen_is_closed_when_the_reader_breaks_off() -> None:
    """A reader who stops in the middle of the stream leaves no screen behind, and no memory of it."""
    provider = falling()
    script = Script([0, 1, 0, 2, 2, QUIT])
    strategy = HumanGuidanceStrategy(provider, screen=script)
    sampler = BacktrackSampler(provider, strategy)
    for _ in sampler.generate([ONE], max_new_tokens=2):
        break
    assert not script.is_open
    assert sampler.generate_text([ONE], max_new_tokens=4) == " three three"
    assert script.texts[-3:] == ["", " three", " three three"]


def test_starts_anew_after_an_abandoned_question() -> None:
    """A stream that broke off while a step back was under way does not go back in the next one."""
    provider = falling()
    script = Script(raising([0, BACK], Breaks()))
    strategy = HumanGuidanceStrategy(provider, screen=script)
    sampler = BacktrackSampler(provider, strategy)
    with pytest.raises(Exception, match="Breaks"):
        sampler.generate_text([ONE])
    strategy._screen = script = Script([1])
    assert sampler.generate_text([ONE]) == " two"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 2, BACK, BACK]), max_size=40),
    st.sampled_from([0.3, 0.5, 1.0]),
    st.integers(0, 50),
)
def test_any_answers_lead_where_a_pile_of_choices_does(answers: list[int], min_autopass: float, seed: int) -> None:
    """Whatever is chosen and taken back, the text is what a pile of choices would hold."""
    provider = FakeProvider(WORDS, eos=END, seed=seed)
    script = Script(answers)
    limits = {"max_retries": 10**9, "max_discarded": 10**9}
    text, _ = run(provider, script, min_autopass=min_autopass, max_new_tokens=6, **limits)

    model = FakeProvider(WORDS, eos=END, seed=seed)
    pile: list[int] = []  # tokens
    asked: list[int] = []  # where
    remaining = iter(answers)
    while True:
        ended = len(pile) == 6 or (pile and pile[-1] == END)
        if not ended:
            row = model.logits([ONE, *pile])
            best = sorted(range(5), key=lambda token: -row[token])
            if math.exp(row[best[0]]) / sum(map(math.exp, row)) >= min_autopass:
                pile.append(best[0])
                continue
        answer = next(remaining, QUIT)
        if answer == BACK:
            if asked:
                del pile[asked.pop() :]
        elif answer == QUIT or ended:
            break
        else:
            asked.append(len(pile))
            pile.append(best[answer])
    assert text == model.decode(pile)


def test_the_next_stream_asks_again() -> None:
    """What a person has quit is over with the stream, and so is where they chose."""
    provider = falling()
    script = Script([0, QUIT, BACK, 1, QUIT])
    sampler = BacktrackSampler(provider, HumanGuidanceStrategy(provider, screen=script))
    assert [sampler.generate_text([ONE], max_new_tokens=5) for _ in range(2)] == [" one", " two"]
    assert script.texts == ["", " one", "", "", " two"]


def test_says_who_took_it_back() -> None:
    """The event of a step back says that a person wanted it, from where on, and what is gone."""
    events: list[Any] = []
    run(falling(), Script([0, 1, BACK]), on_event=events.append)
    (rollback,) = [event for event in events if isinstance(event, Rollback)]
    assert (rollback.why, rollback.position, rollback.text) == ("taken back by a person", 1, " two one")


def test_a_single_choice_can_be_taken_back() -> None:
    """With one option on the screen, too."""
    script = Script([0, 0, BACK, QUIT])
    assert run(falling(), script, top_k=1)[0] == " one"
    assert script.texts == ["", " one", " one one", " one"]


def test_the_terminal_is_the_screen_where_none_is_given() -> None:
    """It is not touched before the first question."""
    assert isinstance(HumanGuidanceStrategy(falling())._screen, CursesScreen)


def test_other_strategies_may_take_a_choice_back() -> None:
    """In a chain, what anti-slop takes back is asked again, without the banned token."""
    provider = falling()
    script = Script([0, 1, 0])
    chain = ChainStrategy([AntiSlopStrategy(provider, ["one two"]), HumanGuidanceStrategy(provider, screen=script)])
    text = BacktrackSampler(provider, chain).generate_text([ONE], max_new_tokens=5)
    assert script.texts == ["", " one", "", " two"]
    assert [text for text, _ in script.menus[2].options] == [" two", " three", " four"]
    assert text == " two"


def test_quit_holds_when_the_end_is_taken_back() -> None:
    """Where another strategy takes the end back to remove a phrase, nobody who has quit is asked again."""
    provider = falling()
    script = Script([1, 0, QUIT])
    slop = AntiSlopStrategy(provider, ["one"], whole_words=True)
    chain = ChainStrategy([slop, HumanGuidanceStrategy(provider, screen=script)])
    assert BacktrackSampler(provider, chain).generate_text([ONE], max_new_tokens=5) == " two"
    assert len(script.menus) == 3


def test_option_that_completes_a_character_shows_it() -> None:
    """Parts of a character show as incomplete, the part that completes it as the character."""
    provider = FakeProvider(
        [b"\xc3", b"\xa9", b"x", b""], lambda tokens: [3, 2, 1, -9] if tokens == [2] else [2, 3, 1, -9]
    )
    script = Script([0])
    sampler = BacktrackSampler(provider, HumanGuidanceStrategy(provider, screen=script))
    sampler.generate_text([2], max_new_tokens=3)
    assert [text for text, _ in script.menus[0].options] == ["\ufffd", "\ufffd", "x"]
    assert script.menus[1].options[0][0] == "é"


def test_token_without_a_text_is_not_taken_for_the_end() -> None:
    """A special token that is no end token shows its number."""
    provider = FakeProvider(["a", "", ""], lambda tokens: [2, 1, 0])
    script = Script()
    sampler = BacktrackSampler(provider, HumanGuidanceStrategy(provider, screen=script))
    sampler.generate_text([0], max_new_tokens=3)
    assert [text for text, _ in script.menus[0].options] == ["a", "(token 1)", ""]


def test_prompt_is_shown() -> None:
    """The prompt stands before the continuation on every menu."""
    provider = falling()
    script = Script([0])
    strategy = HumanGuidanceStrategy(provider, screen=script, prompt="Count:")
    BacktrackSampler(provider, strategy).generate_text([ONE])
    assert {menu.prompt for menu in script.menus} == {"Count:"}


def test_keeps_the_contract_of_strategies() -> None:
    """With a person who always answers the same to the same question, all checks for strategies pass."""

    class Steady(Script):
        def choose(self, menu: Menu) -> int:
            return len(menu.text) % len(menu.options) if menu.options else 0

    check_strategy(lambda provider: HumanGuidanceStrategy(provider, screen=Steady()))


@pytest.mark.parametrize(
    ("top_k", "min_autopass"),
    [(0, 1.0), (-1, 1.0), (True, 1.0), (1.5, 1.0), (3, -0.1), (3, 1.1), (3, math.nan), (3, "x")],
)
def test_parameters_that_make_no_sense(top_k: Any, min_autopass: Any) -> None:
    """Parameters out of range are refused in one line, with and without a model."""
    with pytest.raises(InputError, match="must be"):
        check_choices(top_k, min_autopass)
    with pytest.raises(InputError, match="must be"):
        HumanGuidanceStrategy(falling(), top_k, min_autopass, screen=Script())


def test_needs_an_end_token() -> None:
    """Without an end token a person could not end the text, so such a model is refused."""
    with pytest.raises(InputError, match="end token"):
        HumanGuidanceStrategy(FakeProvider(["a"], eos=-1), screen=Script())


def test_steps_back_are_bounded_by_the_session_only() -> None:
    """With wide budgets a person goes back to the same place hundreds of times."""
    answers = [*itertools.chain.from_iterable([0, BACK] for _ in range(300)), 1]
    text, sampler = run(falling(), Script(answers), max_retries=10**9, max_discarded=10**9)
    assert text == " two"
    assert sampler.stats.rollbacks == 300


def test_a_step_back_that_is_refused() -> None:
    """The budget is used up and tokens are kept: what the person chooses afterwards counts again."""
    script = Script([1, BACK, 1, 1, QUIT])
    tokens = list(
        BacktrackSampler(falling(), HumanGuidanceStrategy(falling(), screen=script)).generate(
            [ONE], max_discarded=0, on_exhausted="accept"
        )
    )
    assert tokens == [TWO, ONE, TWO, TWO, END]


# -- further options -----------------------------------------------------------------------


def test_further_options_are_there_on_demand() -> None:
    """Beyond top_k as many as the filters have left, in the same order; they can be chosen as well."""
    script = Script([3, 4])
    text, _ = run(falling(), script, top_k=2)
    assert [text for text, _ in script.menus[0].options] == [" one", " two"]
    assert [text for text, _ in script.menus[0].rest] == [" three", " four", ""]
    assert [text for text, _ in script.menus[0].rest[1:]] == [" four", ""]
    assert sum(share for _, share in [*script.menus[0].options, *script.menus[0].rest]) == pytest.approx(1)
    assert text == " four"
    script = Script()
    run(falling(), script, top_k=2, temperature=1, min_p=0.1)
    assert [text for text, _ in script.menus[0].rest] == [" three"]


def test_all_that_the_filters_leave() -> None:
    """With top_k=None everything can be chosen from at once; what nobody looks at is not decoded."""
    script = Script()
    run(falling(), script, top_k=None)
    assert len(script.menus[0].options) == 5
    assert len(script.menus[0].rest) == 0
    provider = FakeProvider(
        [str(number) for number in range(9000)] + [""], lambda tokens: [n / 9001 for n in range(9001)]
    )
    decoded: list[int] = []
    decode = provider.decode
    provider.decode = lambda tokens: decoded.append(tokens[-1]) or decode(tokens)  # type: ignore[assignment]
    script = Script()
    strategy = HumanGuidanceStrategy(provider, None, screen=script)
    BacktrackSampler(provider, strategy).generate_text([1], top_k=0)
    assert len(script.menus[0].options) == 9001
    assert len(decoded) < 50
    assert [text for text, _ in script.menus[0].options[:3]] == ["", "8999", "8998"]


class Reweighs(BaseStrategy):
    """Makes one token likely, and leaves the candidates in another order, not summing to one."""

    def __init__(self, weight: float) -> None:
        self._weight = weight

    def on_probs(self, probs: Candidates, tokens: list[int]) -> Candidates:
        return {**{token: 3 * share for token, share in probs.items()}, THREE: self._weight}


def test_options_are_what_other_strategies_have_left() -> None:
    """Highest first and as shares of one, whatever order and weights they come in."""
    script = Script()
    provider = falling()
    chain = [Reweighs(9.0), HumanGuidanceStrategy(provider, screen=script)]
    BacktrackSampler(provider, chain).generate_text([ONE])
    assert [text for text, _ in script.menus[0].options] == [" three", " one", " two"]
    assert script.menus[0].options[0][1] > 0.7
    assert sum(share for _, share in [*script.menus[0].options, *script.menus[0].rest]) == pytest.approx(1)
    script = Script()
    chain = [Reweighs(math.inf), HumanGuidanceStrategy(provider, screen=script)]
    BacktrackSampler(provider, chain).generate_text([ONE], max_new_tokens=2)
    assert script.texts == [" three three"]  # forced, and so not asked


# -- words of one's own --------------------------------------------------------------------


def test_words_of_ones_own_are_put_in() -> None:
    """Their tokens follow each other without a question, also where the model would never say them."""
    script = Script([Insert(" four two three"), 0])
    text, sampler = run(falling(), script)
    assert text == " four two three one"
    assert script.texts == ["", " four two three", " four two three one"]
    assert sampler.stats.rollbacks == 0
    assert (script.menus[1].tokens, script.menus[1].choices) == (3, 1)


def test_one_step_back_takes_all_of_them_back() -> None:
    """What was put in at once goes at once."""
    script = Script([1, Insert(" four two three"), 0, BACK, BACK, 2])
    text, sampler = run(falling(), script)
    assert script.texts == [
        "",
        " two",
        " two four two three",
        " two four two three one",
        " two four two three",
        " two",
        " two three",
    ]
    assert text == " two three"
    assert sampler.stats.rollbacks == 2
    assert script.menus[-1].steps_back == 2


def test_words_that_the_model_cannot_spell() -> None:
    """The person is told, and asked again."""
    script = Script([Insert("xyz"), Insert(" two")])
    text, _ = run(falling(), script)
    assert text == " two"
    assert [menu.notice for menu in script.menus] == ["", "the model's alphabet cannot write that", ""]
    assert script.texts == ["", "", " two"]


def test_words_that_reach_the_limit() -> None:
    """What does not fit any more is left out; going back from there takes them all."""
    script = Script([Insert(" two three four"), BACK, 0, 0, 0])
    text, sampler = run(falling(), script, max_new_tokens=2)
    assert text == " one one"
    assert script.texts == ["", " two three", "", " one", " one one"]
    assert script.menus[1].notice == "the limit of 2 tokens is reached"
    assert sampler.stats.finish_reason == "length"


def test_words_that_another_strategy_does_not_want() -> None:
    """They are not put in again: the person is told what went, and asked from where it was taken back to."""
    provider = falling()
    script = Script([0, Insert(" two three four"), 0])
    chain = ChainStrategy([AntiSlopStrategy(provider, ["two three"]), HumanGuidanceStrategy(provider, screen=script)])
    text = BacktrackSampler(provider, chain).generate_text([ONE], max_new_tokens=8)
    assert script.texts == ["", " one", " one", " one one"]
    assert [menu.notice for menu in script.menus] == ["", "", "“two three” was taken back by a strategy", ""]
    assert text == " one one"


# -- running on ----------------------------------------------------------------------------

STORY = ["", " The", " cat", " sat", ".", " Then", " it", " ran"]
(PERIOD, CAT) = (4, 2)


def story_teller() -> FakeProvider:
    """Each word leads to the next one, the last one to the end."""
    return FakeProvider(STORY, lambda tokens: [6 if n == (tokens[-1] + 1) % 8 else -n for n in range(8)], eos=END)


class Watched(Script):
    """Also remembers what it has seen of runs, and stops them after some tokens."""

    def __init__(self, answers: Iterable[Answer], stop_after: int = 999) -> None:
        super().__init__(answers)
        self.seen: list[str] = []
        self._stop_after = stop_after

    def watch(self, menu: Menu) -> bool:
        self.seen.append(menu.text)
        return len(self.seen) <= self._stop_after


def test_runs_on_to_the_end_of_the_sentence() -> None:
    """The chosen token and the most probable ones after it; then the person is asked again."""
    script = Watched([RunOn(0)])
    text, sampler = run(story_teller(), script)
    assert text == " cat sat."
    assert script.texts == ["", " cat sat."]
    assert script.seen == [" cat", " cat sat"]
    assert (script.menus[1].tokens, script.menus[1].choices) == (3, 1)
    assert sampler.stats.rollbacks == 0


def test_one_step_back_undoes_a_run() -> None:
    """All of it, the token it began with as well."""
    script = Watched([0, RunOn(0), BACK, BACK, QUIT])
    assert run(story_teller(), script)[0] == ""
    assert script.texts == ["", " cat", " cat sat.", " cat", ""]


def test_a_run_does_not_end_the_text() -> None:
    """It stops before an end token: to end is the person's choice."""
    script = Watched([2, RunOn(0), RunOn(0), 0])
    text, sampler = run(story_teller(), script, top_k=8)
    assert script.texts[2:] == [" The cat sat.", " The cat sat. Then it ran", " The cat sat. Then it ran"]
    assert script.menus[-1].notice == "this is the end of the text"
    assert text == " The cat sat. Then it ran"
    assert sampler.stats.finish_reason == "end"


def test_a_key_stops_a_run() -> None:
    """What was written until then stays, and one step back takes it."""
    script = Watched([RunOn(0), BACK, QUIT], stop_after=1)
    run(story_teller(), script)
    assert script.texts == ["", " cat sat", ""]


def test_a_run_ends_without_a_sentence() -> None:
    """After 60 tokens, where none ends before."""
    script = Script([RunOn(0)])
    text, _ = run(falling(), script, max_new_tokens=200)
    assert text == " one" * 60


def test_a_run_respects_other_strategies() -> None:
    """What they take back is replaced by the next best, and the run goes on."""
    provider = falling()
    script = Watched([RunOn(1), BACK])
    chain = [AntiSlopStrategy(provider, ["one one"]), HumanGuidanceStrategy(provider, screen=script)]
    BacktrackSampler(provider, chain).generate_text([TWO], max_new_tokens=8)
    assert script.texts == ["", " two two two two two two two one", ""]


def test_a_run_whose_beginning_is_taken_back() -> None:
    """The person is asked again where it began."""
    provider = story_teller()
    script = Watched([RunOn(0), QUIT])
    chain = [AntiSlopStrategy(provider, ["cat sat"]), HumanGuidanceStrategy(provider, screen=script)]
    BacktrackSampler(provider, chain).generate_text([1], max_new_tokens=9)
    assert script.texts == ["", ""]
    assert " cat" not in [text for text, _ in script.menus[1].options]


# -- with others ---------------------------------------------------------------------------


class TakesBackOnce(BaseStrategy):
    """Takes the newest token back, the first time that a text has some length."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._done = False

    def reset(self) -> None:
        self._done = False

    def backtrack(self, tokens: list[int]) -> int:
        if self._done or len(tokens) != self._length:
            return 0
        self._done = True
        return 1


def test_a_step_back_is_not_lost() -> None:
    """Where another strategy takes back the token that was drawn to go back, the step back comes next."""
    provider = falling()
    script = Script([0, 1, 2, BACK, QUIT])
    chain = [TakesBackOnce(4), HumanGuidanceStrategy(provider, screen=script)]
    assert BacktrackSampler(provider, chain).generate_text([ONE], max_new_tokens=9) == " one two"
    assert script.texts == ["", " one", " one two", " one two three", " one two"]
    assert script.menus[-1].notice == ""


def test_the_first_word_keeps_its_space() -> None:
    """Options and text stand after the prompt also where a tokeniser drops the space of what comes first."""

    class Drops(FakeProvider):
        def decode(self, tokens: Sequence[int]) -> str:
            return super().decode(tokens).removeprefix(" ")

    script = Script([1])
    run(Drops(WORDS, lambda tokens: [-9, 4, 3, 2, 1], eos=END), script)
    assert [text for text, _ in script.menus[0].options] == [" one", " two", " three"]
    assert script.texts == ["", " two"]


def test_the_beginning_is_named() -> None:
    """Where there is nowhere to go back to, the person is told."""
    script = Script([BACK, 0])
    run(falling(), script)
    assert [menu.notice for menu in script.menus] == ["", "this is the beginning", ""]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([0, 1, 2, BACK, BACK]),
            st.builds(RunOn, st.integers(0, 2)),
            st.sampled_from([Insert(" four"), Insert(" two three one")]),
        ),
        max_size=20,
    ),
    st.integers(0, 50),
    st.booleans(),
)
def test_a_step_back_undoes_one_decision(answers: list[Answer], seed: int, with_others: bool) -> None:
    """Whatever was decided, after as many steps back as there were choices the text is empty again."""
    provider = FakeProvider(WORDS, eos=END, seed=seed)

    class NeverKeeps(Watched):
        def choose(self, menu: Menu) -> Answer:
            answer = super().choose(menu)
            return answer if menu.options else BACK

    script = NeverKeeps([*answers, *[BACK] * 30])
    human = HumanGuidanceStrategy(provider, screen=script)
    chain = [AntiSlopStrategy(provider, ["one two", "three three"]), human] if with_others else human
    limits = {"max_retries": 10**9, "max_discarded": 10**9, "max_new_tokens": 12, "seed": seed}
    text = BacktrackSampler(provider, chain).generate_text([ONE], **limits)
    assert text == ""
    for before, menu in itertools.pairwise(script.menus):
        if menu.steps_back > before.steps_back and not with_others:
            assert menu.choices == before.choices - 1
            assert before.text.startswith(menu.text)
