"""Anti-slop: phrases that never appear, however they are tokenised or written.

After the algorithm of Sam Paech's antislop-sampler: where a banned phrase turns up, take it
back, ban the token it begins with there, and draw again. Here phrases are matched on text by one
automaton, so thousands cost what a few do, and only tokens that could still become part of a phrase
are pending.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..checks import check_count
from ..errors import InputError
from ..matching import Match, TokenMatcher
from ..provider.base_provider import BaseProvider
from ..rollback import Bans
from .base_strategy import BaseStrategy, Candidates, Stream, TakeBack
from .stock_phrases import STOCK_PHRASES

__all__ = ["AntiSlopStrategy"]

Strengths = str | Iterable[str] | Mapping[str, float]


class AntiSlopStrategy(BaseStrategy):
    """Takes banned phrases back and writes something else.

    A phrase is found in whatever way it is written: case, kinds of space, dash and quotation mark, accents,
    ligatures, invisible characters and Markdown's emphasis make no difference (`docs/antislop.md` has the whole
    table). Regular expressions see the text as it is written. A phrase that is a special token as one writes it
    (`</think>`) is that token. A phrase that begins in the prompt and ends in the continuation is not seen: the
    prompt is the caller's. But its last character counts where words end, for `whole_words` and `\\b`, and with
    `(?m)` for whether a line begins; `^` and `\\A` mean the beginning of the continuation.

    Args:
        provider: for its `decode` and special tokens.
        slops: a phrase, several, or `{phrase: strength}`; None takes a short built-in list. Strength 1 means
            never; 0 means leave alone; between them, the token that begins the phrase becomes less
            likely by that share (0.8: a fifth as likely), and what is then drawn stands.
        keep_index_buffer: accepted for 3.x and not used: what must be pending is known exactly.
        with_variants: ignore case.
        skip_tokens: phrases that begin in the first so many tokens are left alone.
        regexes: regular expressions, or `{pattern: strength}`, besides the phrases; `slops=[]` leaves those out.
            No look-around, no back-references, no match longer than 200 characters.
        whole_words: phrases match only where no letter or digit touches them.
        with_default: the built-in list as well; where both have a phrase, your strength counts.

    Raises:
        InputError: an empty phrase, a broken pattern, a strength outside 0 to 1.

    Example:
        antislop:slops=one day,with_default=true
    """

    def __init__(
        self,
        provider: BaseProvider,
        slops: Strengths | None = None,
        keep_index_buffer: int = 5,
        with_variants: bool = True,
        skip_tokens: int = 0,
        *,
        regexes: Strengths = (),
        whole_words: bool = False,
        with_default: bool = False,
    ) -> None:
        phrases = _strengths("slops", STOCK_PHRASES if slops is None else slops)
        if with_default:
            phrases = dict.fromkeys(STOCK_PHRASES, 1.0) | phrases
        patterns = _strengths("regexes", regexes)
        phrases, patterns = _without_zero(phrases), _without_zero(patterns)
        self._texts = [*phrases, *patterns]
        self._strengths = [*phrases.values(), *patterns.values()]
        self._phrase_count = len(phrases)
        self._skip_tokens = check_count("skip_tokens", skip_tokens, 0)
        self._matcher = TokenMatcher(
            provider.decode,
            phrases,
            patterns,
            ignore_case=with_variants,
            whole_words=whole_words,
            special=provider.special_tokens,
        )
        for index in self._matcher.too_long:
            warnings.warn(
                f"the pattern {self._texts[len(phrases) + index]} can never match, because no match longer than "
                "200 characters is looked for: use a smaller repeat count",
                stacklevel=2,
            )
        self._bans = Bans()
        self._found: list[Match] = []
        self._stops_at: Callable[[], int | None] = lambda: None

    def describe(self) -> str:
        patterns = len(self._texts) - self._phrase_count
        return f"looks for {_counted(self._phrase_count, 'phrase')}" + (
            f" and {_counted(patterns, 'pattern')}" if patterns else ""
        )

    def reset(self) -> None:
        self._matcher.reset()
        self._bans.clear()
        self._found = []

    def on_start(self, stream: Stream) -> None:
        self._matcher.reset(stream.prompt)
        self._stops_at = stream.stops_at

    def logit_bias(self, tokens: list[int]) -> Mapping[int, float]:
        return self._bans.at(len(tokens))

    def on_next_token(self, tokens: list[int], probs: Candidates) -> None:
        self._found = self._matcher.push(tokens[-1])

    def backtrack(self, tokens: list[int]) -> int:
        return self._reject(self._found, tokens)

    def at_end(self, tokens: list[int]) -> int:
        return self._reject(self._matcher.finish(self._stops_at()), tokens)

    def on_rollback(self, tokens: list[int]) -> None:
        self._matcher.truncate(len(tokens))
        self._bans.truncate(len(tokens))
        self._found = []

    def pending(self, tokens: list[int]) -> int:
        return self._matcher.pending(len(tokens))

    def _reject(self, matches: list[Match], tokens: list[int]) -> int:
        """Ban the token in which the first match begins, or make it less likely, and take all from there back.

        What was made less likely and was drawn again stands; what is banned never does.
        """
        for match in matches:
            if match.token < self._skip_tokens:
                continue
            culprit = tokens[match.token]
            factor = 1.0 - self._strengths[match.pattern]
            if factor == 0 or factor < self._bans.factor(match.token, culprit):
                self._bans.add(match.token, culprit, factor)
                found = self._matcher.text(match.start, match.end) or self._texts[match.pattern]
                return TakeBack(len(tokens) - match.token, f"found {found!r}")
        return 0


def _strengths(name: str, given: Strengths) -> dict[str, float]:
    """`{text: strength}`."""
    if isinstance(given, str):
        given = [given]
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        raise InputError(f'{name} must be texts, and {given} is a number: write ["{given}"]')
    if not isinstance(given, Iterable):
        raise InputError(f"{name} must be a list of texts, or texts with their strengths, not {given!r}")
    if isinstance(given, (list, tuple)) and "" not in given and set(map(type, given)) == {str}:
        return dict.fromkeys(given, 1.0)  # nothing to look for one by one: each stream of a batch does this
    pairs = list(given.items()) if isinstance(given, Mapping) else [(text, 1.0) for text in given]
    for text, strength in pairs:
        if isinstance(text, (list, tuple)) and len(text) == 2 and isinstance(text[0], str):
            raise InputError(
                f"{name} must hold texts, not pairs such as {_shown(text)}: for strengths write an object, "
                f"{_shown({text[0]: 0.9})}, with numbers from 0 (leave alone) to 1 (never)"
            )
        if not isinstance(text, str) or not text:
            raise InputError(f"{name} must hold texts that are not empty, not {_shown(text)}")
        if isinstance(strength, bool) or not isinstance(strength, (int, float)) or not 0 <= strength <= 1:
            raise InputError(
                f"the strength of {text!r} must be between 0 (leave alone) and 1 (never), not {strength!r}"
            )
    return {text: float(strength) for text, strength in pairs}


def _without_zero(strengths: dict[str, float]) -> dict[str, float]:
    return {t: s for t, s in strengths.items() if s} if 0.0 in strengths.values() else strengths


def _shown(value: Any) -> str:
    """As one writes it in a JSON file."""
    return json.dumps(value, ensure_ascii=False, default=repr)


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
