"""Human guidance: a person chooses each token from the most probable ones, and may take them back."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace

from ..checks import check_count, check_number
from ..errors import InputError
from ..guidance import BACK, QUIT, Answer, Insert, Menu, RunOn, Screen
from ..look_ahead import AheadOf, LookAhead
from ..matching import Detokenizer
from ..provider.base_provider import BaseProvider
from ..rollback import TakeBack
from ..sentences import sentence_is_over
from .base_strategy import BaseStrategy, Candidates, Stream
from .options_shown import Options, TextOf, shares_of

__all__ = ["HumanGuidanceStrategy", "check_choices"]

_CONTEXT = 4  # tokens before an option that its text may depend on
_TOLD = 40  # characters of what was taken back
_RUN = 60  # tokens that are drawn without a question, where no sentence ends before


def _terminal() -> Screen:
    """The screen that is taken where none is given: looked up, so that a strategy needs no terminal."""
    screen: Screen = importlib.import_module("backtrack_sampler.terminal.guidance_screen").CursesScreen()
    return screen


def check_choices(top_k: int | None, min_autopass: float) -> None:
    """Raise InputError where these parameters of `HumanGuidanceStrategy` make no sense."""
    if top_k is not None:
        check_count("top_k, the number of choices,", top_k)
    check_number("min_autopass", min_autopass, 0, 1)


class HumanGuidanceStrategy(BaseStrategy):
    """Lets a person choose each token on a screen, and take any number of steps back.

    They can also put in words of their own, or let the model run on to the end of the sentence; one
    step back undoes either. In a chain it belongs at the end, so that the options are what the other
    strategies have left; what those take back is asked again.

    Nothing is streamed before the person ends the text, because all of it can be taken back. The
    session counts steps back as rollbacks: with `max_retries` and `max_discarded` as they are, about
    100 steps back to the same place, or 500 in all, end the stream.

    Args:
        provider: the model.
        top_k: tokens to choose from; a screen may show more on demand. None: all that the filters leave.
        min_autopass: the menu is shown only where the most probable token is less probable than
            this; elsewhere that token is taken.
        screen: where to ask; None is the terminal, through curses.
        prompt: text to show before the continuation.

    Example:
        backtrack-sampler guide "Once upon a time"
    """

    def __init__(
        self,
        provider: BaseProvider,
        top_k: int | None = 3,
        min_autopass: float = 1.0,
        *,
        screen: Screen | None = None,
        prompt: str = "",
    ) -> None:
        check_choices(top_k, min_autopass)
        if not provider.eos_token_ids:
            raise InputError("human guidance needs a model with an end token, to end the text")
        self._provider = provider
        self._eos = provider.eos_token_ids
        self._top_k = top_k
        self._min_autopass = min_autopass
        self._screen = _terminal() if screen is None else screen
        self._prompt = prompt
        self._look_ahead = LookAhead(provider)
        self._clear()

    def _clear(self) -> None:
        self._stream: Stream | None = None
        self._detokenizer = Detokenizer(self._provider.decode)
        self._pieces: list[str] = []  # the text of each token
        self._asked: list[int] = []  # positions where a person chose
        self._going_back: _StepBack | None = None
        self._words: _Words | None = None
        self._run: _Run | None = None
        self._steps_back = 0
        self._notice = ""
        self._quit = False
        self._look_ahead.clear()

    def reset(self) -> None:
        self._screen.close()
        self._clear()

    def on_start(self, stream: Stream) -> None:
        self._stream = stream
        self._detokenizer = Detokenizer(stream.decode, stream.prompt)

    # -- drawing ---------------------------------------------------------------------------

    def on_probs(self, probs: Candidates, tokens: list[int]) -> Candidates:
        options = Options(shares_of(probs), self._text_after(tokens))
        best = options.token(0)
        if self._going_back is not None and self._going_back.overtaken:
            self._going_back = replace(self._going_back, overtaken=False)
            return {best: 1.0}
        self._going_back = None  # if it is still there, it was refused
        if self._quit:  # another strategy took the end back
            return self._the_end()
        if self._words is not None:
            if (word := self._words.token_at(len(tokens))) is not None:
                return {word: 1.0}
            self._words = None
        if self._run is not None and not self._runs_on(options, tokens):
            self._run = None
        if self._run is not None or options.share(0) >= self._min_autopass:
            return {best: 1.0}
        token = self._decided(options, tokens)
        return {token: 1.0} if token is not None else self._the_end()

    def _decided(self, options: Options, tokens: list[int]) -> int | None:
        """The token that a person wants next; None is the end."""
        while True:
            choice = self._ask(tokens, options)
            if choice == QUIT:
                self._quit = True
                return None
            if choice == BACK:
                return options.token(0)  # any token: it is taken back with the rest
            if isinstance(choice, Insert):
                if not (words := self._encoded(choice.text)):
                    continue
                self._words = _Words(len(tokens), words)
                token = words[0]
            else:
                token = options.token(choice.first if isinstance(choice, RunOn) else choice)
                if isinstance(choice, RunOn) and token not in self._eos:
                    self._run = _Run(len(tokens) + 1, _RUN - 1)
            self._asked.append(len(tokens))
            return token

    def _encoded(self, text: str) -> list[int]:
        try:
            tokens = self._provider.encode_within(text)
            self._provider.check_vocabulary(tokens)
        except (ValueError, InputError):  # half a character, or what a small vocabulary cannot spell
            self._notice = "the model's alphabet cannot write that"
            return []
        return tokens

    def _runs_on(self, options: Options, tokens: list[int]) -> bool:
        """Whether the run takes one more token; what other strategies take back counts as well."""
        run = self._run
        assert run is not None
        text, _ = options[0]
        if not run.left or not text or sentence_is_over("".join(self._pieces[run.start :]), text):
            return False
        run.left -= 1
        watch = getattr(self._screen, "watch", None)
        return watch is None or watch(self._menu(tokens, options))

    def _the_end(self) -> Candidates:
        return {min(self._eos): 1.0}

    # -- asking ----------------------------------------------------------------------------

    def _ask(self, tokens: list[int], options: Options | None, notice: str = "") -> Answer:
        menu = self._menu(tokens, options)._replace(notice=self._notice or notice)
        self._notice = ""
        while True:
            try:
                choice = self._screen.choose(menu)
            finally:
                if isinstance(menu.ahead, AheadOf):
                    menu.ahead.leave()
            if choice != BACK:
                return choice
            if self._asked:
                self._going_back = _StepBack(self._asked[-1])
                self._steps_back += 1
                return BACK
            # Where nothing was chosen yet, there is nowhere to go back to.
            menu = menu._replace(notice="this is the beginning")

    def _menu(self, tokens: list[int], options: Options | None) -> Menu:
        ending = options is None and tokens[-1:] and tokens[-1] in self._eos
        text = "".join(self._pieces[:-1] if ending else self._pieces) + self._detokenizer.finish()
        count = len(tokens) - bool(ending)
        if options is None:
            return Menu(self._prompt, text, [], (), count, len(self._asked), self._steps_back)
        prompt = self._stream.prompt if self._stream is not None else ()
        ahead = self._look_ahead.after((*prompt, *tokens), options.token)
        most = len(options) if self._top_k is None else min(self._top_k, len(options))
        first, rest = options.part(0, most), options.part(most, len(options))
        return Menu(self._prompt, text, first, rest, count, len(self._asked), self._steps_back, ahead=ahead)

    def _text_after(self, tokens: list[int]) -> TextOf:
        prompt = self._stream.prompt if self._stream is not None else ()
        before = tokens[-_CONTEXT:] if len(tokens) >= _CONTEXT else [*prompt, *tokens][-_CONTEXT:]
        return TextOf(self._provider, before)

    # -- taking back, and the end ----------------------------------------------------------

    def on_next_token(self, tokens: list[int], probs: Candidates) -> None:
        self._pieces.append(self._detokenizer.push(tokens[-1]))

    def backtrack(self, tokens: list[int]) -> int:
        if self._going_back is None:
            return 0
        return TakeBack(len(tokens) - self._going_back.position, "taken back by a person")

    def at_end(self, tokens: list[int]) -> int:
        if not self._quit and self._ask(tokens, None, self._why_it_ends(tokens)) == BACK:
            return self.backtrack(tokens)
        self._screen.close()  # before the text is streamed to the same terminal
        return 0

    def _why_it_ends(self, tokens: list[int]) -> str:
        limit = self._stream.options.max_new_tokens if self._stream is not None else None
        if tokens[-1:] and tokens[-1] in self._eos:
            return "this is the end of the text"
        if limit is not None and len(tokens) >= limit:
            return f"the limit of {limit} tokens is reached"
        return "the text ends here"

    def on_rollback(self, tokens: list[int]) -> None:
        length = len(tokens)
        gone = "".join(self._pieces[length:])
        self._detokenizer.truncate(length)
        del self._pieces[length:]
        self._asked = [position for position in self._asked if position < length]
        self._words = None  # whoever took a part of them back would do so again
        if self._run is not None and length < self._run.start:
            self._run = None
        if self._going_back is None:
            gone = " ".join(gone.split())
            gone = gone if len(gone) <= _TOLD else f"{gone[: _TOLD - 1]}\u2026"
            self._notice = f"\u201c{gone}\u201d was taken back by a strategy"
        elif length <= self._going_back.position:
            self._going_back = None
        else:
            self._going_back = replace(self._going_back, overtaken=True)

    def pending(self, tokens: list[int]) -> int:
        return len(tokens)


@dataclass
class _StepBack:
    """A person wants to go back.

    Attributes:
        position: to this length.
        overtaken: another strategy has taken something back first, but less.
    """

    position: int
    overtaken: bool = False


@dataclass
class _Run:
    """The model goes on by itself.

    Attributes:
        start: position of the first token that nobody chose.
        left: so many may still be drawn.
    """

    start: int
    left: int


@dataclass
class _Words:
    """Words that a person has put in, from a position on."""

    start: int
    tokens: list[int]

    def token_at(self, position: int) -> int | None:
        """The one that belongs there; None after their end."""
        index = position - self.start
        return self.tokens[index] if index < len(self.tokens) else None
