"""Anti-slop."""

from __future__ import annotations

import pytest

from backtrack_sampler import AntiSlopStrategy, BacktrackSampler, InputError, Rollback
from backtrack_sampler.strategy.stock_phrases import STOCK_PHRASES
from backtrack_sampler.testing import FakeProvider
from benchmarks.phrases import banned_phrases

WORDS = ["a", " tape", "stry", " of", " map", ".", "cat", "ion", ""]


def run(strategy_options: dict, wanted: list[list[str]], prompt: str = "a", **options) -> tuple[str, list[Rollback]]:
    """Greedy text where, at each position, the words of `wanted` are preferred in their order."""

    def logits(tokens: list[int]) -> list[float]:
        here = wanted[min(len(tokens) - 1, len(wanted) - 1)]
        row = [-20.0] * len(WORDS)
        for rank, word in enumerate(here):
            row[WORDS.index(word)] = 5.0 - rank
        return row

    provider = FakeProvider(WORDS, logits)
    sampler = BacktrackSampler(provider, AntiSlopStrategy(provider, **strategy_options))
    rollbacks: list[Rollback] = []
    listen = lambda e: rollbacks.append(e) if isinstance(e, Rollback) else None  # noqa: E731
    text = sampler.generate_text(prompt, on_event=listen, **{"temperature": 0, "max_new_tokens": 12, **options})
    return text, rollbacks


STORY = [[" tape", " map"], ["stry", " of"], [" of", "."], [""]]


def test_a_banned_phrase_is_taken_back_to_where_it_begins() -> None:
    """The token in which the phrase begins is banned there, and the event says what was found."""
    text, rollbacks = run({"slops": ["tapestry"]}, STORY)
    assert text == " mapstry of"
    assert [(r.text, r.who, r.why) for r in rollbacks] == [(" tapestry", "AntiSlopStrategy", "found 'tapestry'")]


def test_case_and_variants() -> None:
    """Any case is banned by default; with_variants=False bans only what is written."""
    assert run({"slops": ["TapeStry"]}, STORY)[0] == " mapstry of"
    assert run({"slops": ["TapeStry"], "with_variants": False}, STORY)[0] == " tapestry of"


def test_strength() -> None:
    """0 leaves alone; 1 is never; between them the token becomes less likely, and what is drawn then stands."""
    assert run({"slops": {"tapestry": 0}}, STORY) == (" tapestry of", [])
    assert run({"slops": {"tapestry": 1}}, STORY)[0] == " mapstry of"
    # a logit lead of 1 survives a factor of 1/2, and not one of 1/10
    text, rollbacks = run({"slops": {"tapestry": 0.5}}, STORY)
    assert text == " tapestry of"
    assert len(rollbacks) == 1
    assert run({"slops": {"tapestry": 0.9}}, STORY)[0] == " mapstry of"


def test_skip_tokens() -> None:
    """Phrases that begin in the first tokens are left alone."""
    assert run({"slops": ["tapestry"], "skip_tokens": 1}, STORY)[0] == " tapestry of"
    assert run({"slops": ["of"], "skip_tokens": 2}, STORY)[0] != " tapestry of"


def test_whole_words_at_the_end_of_the_stream() -> None:
    """A whole word at the very end is a match: by the end token, and by the length limit."""
    cat = [["cat", "."], ["ion", ""], [""]]
    assert run({"slops": ["cat"], "whole_words": True}, cat, ".")[0] == "cation"
    ends = [["cat", "."], ["", "ion"], [""]]
    assert run({"slops": ["cat"], "whole_words": True}, ends, ".")[0] == "."
    assert run({"slops": ["cat"], "whole_words": True}, cat, ".", max_new_tokens=1)[0] == "."


def test_words_at_the_seam_of_prompt_and_continuation() -> None:
    """After the prompt "ion", "cat" is a part of a word, in every stream anew; after a full stop it is one."""
    cat = [["cat", "."], [".", ""], [""]]
    for options in ({"slops": ["cat"], "whole_words": True}, {"slops": [], "regexes": [r"\bcat"]}):
        assert run(options, cat, "ion")[0] == "cat."
        assert run(options, cat, ".")[0] == ".."
    provider = FakeProvider(["a", "cat", ".", ""], lambda tokens: [0.0, 1.0, -9.0, -9.0])
    sampler = BacktrackSampler(provider, AntiSlopStrategy(provider, ["cat"], whole_words=True))
    texts = [sampler.generate_text(prompt, temperature=0, max_new_tokens=1) for prompt in (".", "cat", ".")]
    assert texts == ["a", "cat", "a"]


def test_a_special_token_is_banned_as_it_is_written() -> None:
    """A phrase that is just a special token bans it, and the event says so."""
    words = ["a", " on", b"", ""]
    provider = FakeProvider(words, lambda tokens: [0.0, 1.0, 2.0, -9.0], special_tokens={2: "</think>"})
    sampler = BacktrackSampler(provider, AntiSlopStrategy(provider, ["</THINK>"]))
    rollbacks: list[Rollback] = []
    listen = lambda e: rollbacks.append(e) if isinstance(e, Rollback) else None  # noqa: E731
    assert sampler.generate_text("a", temperature=0, max_new_tokens=2, on_event=listen) == " on on"
    assert [r.why for r in rollbacks] == ["found '</THINK>'"] * 2


def test_a_phrase_across_the_length_limit() -> None:
    """A phrase whose end lies behind the limit is not complete, and stands; one that ends at it does not."""
    assert run({"slops": ["tapestry"]}, STORY, max_new_tokens=1)[0] == " tape"
    assert run({"slops": ["tapestry"]}, STORY, max_new_tokens=2)[0] == " mapstry"


def test_regular_expressions() -> None:
    """Patterns ban as phrases do, with strengths, case and boundaries."""
    assert run({"slops": [], "regexes": [r"TAPE\w+y"]}, STORY)[0] == " mapstry of"
    assert run({"slops": [], "regexes": {r"tape\w+y": 0}}, STORY)[0] == " tapestry of"
    assert run({"slops": [], "regexes": [r"\bcat\b"]}, [["cat", "."], ["", "ion"], [""]], ".")[0] == "."


def test_the_built_in_list_as_well() -> None:
    """`with_default` adds it; where both have a phrase, one's own strength counts."""
    provider = FakeProvider(WORDS)
    alone, both = (AntiSlopStrategy(provider, {"xyz": 1, "delve": 0}, with_default=d) for d in (False, True))
    built_in = len(STOCK_PHRASES)
    assert alone.describe() == "looks for 1 phrase"
    assert both.describe() == f"looks for {built_in} phrases"
    assert (
        AntiSlopStrategy(provider, with_default=True, regexes=["a+"]).describe()
        == f"looks for {built_in} phrases and 1 pattern"
    )


def test_one_text_is_a_list_of_one() -> None:
    """A phrase, or a pattern, by itself."""
    assert run({"slops": "tapestry"}, STORY)[0] == " mapstry of"
    assert run({"slops": (), "regexes": "tape[a-z]+"}, STORY)[0] == " mapstry of"


def test_a_pattern_that_can_never_match_is_said() -> None:
    """Its shortest match is longer than any that is looked for; the others work."""
    with pytest.warns(UserWarning, match=r"the pattern a\{1000\} can never match"):
        AntiSlopStrategy(FakeProvider(WORDS), [], regexes=["x", "a{1000}"])
    with pytest.warns(UserWarning, match=r"a\{1000\}"):
        assert run({"slops": ["tapestry"], "regexes": ["b", "a{1000}"]}, STORY)[0] == " mapstry of"


@pytest.mark.parametrize("stop", ["\u0130", "x"])
def test_a_whole_word_in_front_of_a_stop_string(stop: str) -> None:
    """What a stop string leaves of its token counts: with it cut off, "b" ends the text, and is a whole word."""
    words = ["a ", f"b{stop}", "c", ""]
    provider = FakeProvider(words, lambda tokens: [0.0, 9.0, 1.0, -9.0] if len(tokens) < 3 else [0.0, 0.0, 0.0, 9.0])
    for options, text in (
        ({}, "c"),
        ({"strength": 0.5}, "b"),
        ({"whole_words": False}, "c"),
        ({"pattern": r"b\b"}, "c"),
    ):
        slops = {} if "pattern" in options else {"b": options.get("strength", 1)}
        strategy = AntiSlopStrategy(
            provider, slops, regexes=[options["pattern"]] if "pattern" in options else [],
            whole_words=options.get("whole_words", True),
        )  # fmt: skip
        sampler = BacktrackSampler(provider, strategy)
        assert sampler.generate_text("a ", temperature=0, max_new_tokens=2, stop=stop)[:1] == text, options


def test_a_word_that_goes_on_in_front_of_a_stop_string() -> None:
    """It is no whole word, though the tokens before the stop string's would be."""
    provider = FakeProvider(
        ["a ", "ca", "t.", ""], lambda tokens: [0.0, 9.0, 1.0, -9.0] if len(tokens) < 2 else [0.0, 0.0, 9.0, 0.0]
    )
    sampler = BacktrackSampler(provider, AntiSlopStrategy(provider, ["ca"], whole_words=True))
    assert sampler.generate_text("a ", temperature=0, max_new_tokens=5, stop=".") == "cat"


def test_only_what_could_still_match_waits() -> None:
    """The stream is as smooth as without the strategy wherever no phrase has begun."""
    provider = FakeProvider(WORDS[:-1], eos=-1)
    strategy = AntiSlopStrategy(provider, ["tapestry of"])
    sampler = BacktrackSampler(provider, strategy)
    held = []
    stream = sampler.stream("a", max_new_tokens=30, seed=1)
    for _ in stream:
        held.append(len(stream.sequence) - 1 - len(stream.tokens))
    assert held.count(0) > 20


def test_bans_do_not_hit_innocent_prefixes() -> None:
    """A ban made after one text does not hold after another at the same position."""
    wanted = [[" map", "a"], [" tape", " of"], ["stry"], [""]]
    text, rollbacks = run({"slops": ["tapestry", " map of"]}, wanted)
    # " tape" is banned after " map"; then " map" itself goes, and after "a" " tape" is tried again.
    assert [r.why for r in rollbacks] == ["found 'tapestry'", "found ' map of'", "found 'tapestry'"]
    assert text == "a ofstry"


def test_the_built_in_list() -> None:
    """Without a list of its own it takes a short one, which bans what it says."""
    provider = FakeProvider(["a", " newfound", " wonder", ""])
    sampler = BacktrackSampler(provider, AntiSlopStrategy(provider))
    for seed in range(20):
        assert "newfound" not in sampler.generate_text("a", max_new_tokens=20, seed=seed)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"slops": 1984}, '"1984"'), ({"slops": [""]}, "empty"), ({"slops": [3]}, "texts"), ({"slops": None, "regexes": 5}, "regexes"),
        ({"slops": [["city", 3]]}, r'pairs such as \["city", 3\].* \{"city": 0.9\}'), ({"slops": ["\u200b"]}, "seen"),
        ({"slops": {"x": 2}}, "strength"), ({"slops": [], "regexes": ["("]}, "broken"), ({"slops": {"x": "1"}}, "strength"),
    ],
)  # fmt: skip
def test_bad_lists(options: dict, says: str) -> None:
    """Each is one clear line."""
    with pytest.raises(InputError, match=says):
        AntiSlopStrategy(FakeProvider(), **options)


@pytest.mark.slow
def test_eight_thousand_phrases(smollm) -> None:
    """The long list on a real model: none of its phrases is in the text."""
    slops = banned_phrases(8000)
    assert len(set(slops)) == 8000
    sampler = BacktrackSampler(smollm, AntiSlopStrategy(smollm, slops))
    rollbacks = 0
    for seed in range(3):
        text = sampler.generate_text("Once upon a time there was an old wizard.", max_new_tokens=80, seed=seed)
        plain = text.lower().replace("\u2019", "'")
        rollbacks += sampler.stats.rollbacks
        assert not [phrase for phrase in slops if phrase.lower() in plain]
    assert rollbacks > 0


def test_skip_tokens_and_patterns() -> None:
    """A match that begins too early does not hide one that begins later and ends at the same place."""
    row = [["a"], ["a"], [" of"], [""]]
    assert run({"slops": [], "regexes": ["a+ of"], "skip_tokens": 1}, row)[0] != "aa of"
