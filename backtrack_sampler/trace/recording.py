"""A listener that records a stream, with everything that was taken back."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

from ..errors import InputError
from ..events import Drawn, Event, Finished, Released, Rollback, Started
from ..matching import Decode, Detokenizer
from ..provider.base_provider import BaseProvider
from . import jsonl, marks, page
from .files import write_atomically
from .summary import TakenBack, by_whom, is_stop_string

__all__ = ["Trace"]


class Replay(NamedTuple):
    """The stream once more, as text.

    Attributes:
        texts: for each drawn token the characters it added; "" where they come with a later token.
        standing: which of the drawn tokens stand in the end, by their place in `texts`.
    """

    texts: list[str]
    standing: list[int]


class Trace:
    """Records one stream: pass it as `on_event`, then write it with `to_html` or `to_jsonl`.

    Where another stream begins, the trace starts anew. Texts are decoded when they are asked for, so
    recording costs a few microseconds a token.

    Args:
        provider: the model that is sampled from, or only its `decode`.
        prompt: what the stream goes on from, where it is to be shown otherwise than its tokens say.
        alternatives: so many of the most probable candidates are kept for each token.

    Attributes:
        events: what happened, in order. Of the candidates of a `Drawn`, the most probable are
            kept; here they are shares of one.
        prompt: the prompt's text.
        started: what is known of the stream: model, options, strategies; None where nothing was said.

    Raises:
        InputError: `alternatives` is not a number of tokens, or `provider` is neither of both.
    """

    def __init__(
        self, provider: BaseProvider | Decode, prompt: str | Sequence[int] = "", alternatives: int = 5
    ) -> None:
        if isinstance(alternatives, bool) or not isinstance(alternatives, int) or alternatives < 0:
            raise InputError(f"alternatives must be a whole number, 0 or more, not {alternatives!r}")
        if not isinstance(provider, BaseProvider) and not callable(provider):
            raise InputError(f"a trace needs the model or its decode function, not {type(provider).__name__}")
        self.events: list[Event]
        self._alternatives = alternatives
        self._decode: Decode = provider.decode if isinstance(provider, BaseProvider) else provider
        self._neutral: list[int] = []  # to decode a token after, as if it stood in a text
        self._eos: frozenset[int] = frozenset()
        prompt_tokens = [] if isinstance(prompt, str) else list(prompt)
        if isinstance(provider, BaseProvider):
            self._neutral, self._eos = provider.neutral_tokens(), provider.eos_token_ids
            if prompt and isinstance(prompt, str):
                prompt_tokens = provider.encode(prompt)
        self.prompt = prompt if isinstance(prompt, str) else self._decode(prompt_tokens)
        self._prompt_given = bool(self.prompt)
        self._context = prompt_tokens or self._neutral
        self._pieces: dict[int, str] = {}  # token -> its own text
        self._restart()

    def _restart(self) -> None:
        self.events = []
        self.started: Started | None = None
        self._replayed: Replay | None = None
        self._saved_text: str | None = None  # of a trace from a file: there is no model to decode with

    # -- recording -------------------------------------------------------------------------

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self._restart()
            self.started = event
            self._context = list(event.prompt)
            if not self._prompt_given:
                self.prompt = self._decode(event.prompt)
            return
        self._replayed = None
        self.events.append(self._shortened(event) if isinstance(event, Drawn) else event)

    def _shortened(self, event: Drawn) -> Drawn:
        """The event with the most probable candidates only, as shares of one."""
        token, share, candidates = event.token, float(event.probability), event.candidates
        weight = float(candidates.get(token, 0.0))
        if 0.0 < weight < math.inf:
            scale = share / weight
            best = {int(each): float(candidates[each]) * scale for each in islice(candidates, self._alternatives)}
        else:  # forced: nothing else had a chance
            best = {token: share} if self._alternatives else {}
        return Drawn(event.position, int(token), share, best)

    # -- reading ---------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The text that was streamed."""
        if self._saved_text is not None:
            return self._saved_text
        last = self.events[-1] if self.events else None
        return self._settled() + (last.text or self._incomplete() if isinstance(last, Finished) else "")

    @property
    def reason(self) -> str:
        """Why the stream ended (see `Finished`); "" where it was broken off or still runs."""
        return next((event.reason for event in self.events[-1:] if isinstance(event, Finished)), "")

    @property
    def drawn(self) -> int:
        """How many tokens were drawn."""
        return sum(isinstance(event, Drawn) for event in self.events)

    @property
    def emitted(self) -> int:
        """How many tokens were streamed."""
        return sum(len(event.tokens) for event in self.events if isinstance(event, Released))

    @property
    def discarded(self) -> int:
        """How many tokens were taken back, those of a stop string among them."""
        return sum(len(event.tokens) for event in self.events if isinstance(event, Rollback))

    @property
    def rollbacks(self) -> int:
        """How often tokens were taken back; a stop string at the end is none."""
        return sum(isinstance(event, Rollback) and not is_stop_string(event) for event in self.events)

    @property
    def by_whom(self) -> list[TakenBack]:
        """Who took back how much and why, those with the most tokens first."""
        return by_whom(self.events)

    @property
    def end_tokens(self) -> frozenset[int]:
        """Those of the recorded tokens that end a text."""
        if self.reason != "end":
            return self._eos
        return self._eos | {next(e.token for e in reversed(self.events) if isinstance(e, Drawn))}

    def replay(self) -> Replay:
        """The characters that each drawn token added, and which tokens stand in the end."""
        if self._replayed is not None:
            return self._replayed
        texts: list[str] = []
        standing: list[int] = []
        detokenizer = Detokenizer(self._decode, self._context)
        for event in self.events:
            if isinstance(event, Drawn):
                standing.append(len(texts))
                texts.append(detokenizer.push(event.token))
            elif isinstance(event, Rollback):
                if detokenizer.first_incomplete(len(detokenizer)) < len(detokenizer):
                    texts[standing[-1]] += detokenizer.finish()  # it goes before it is complete
                del standing[event.position :]
                detokenizer.truncate(event.position)
        self._replayed = Replay(texts, standing)
        return self._replayed

    def piece(self, token: int) -> str:
        """A token's own text, in the middle of a text; "" for special tokens."""
        text = self._pieces.get(token)
        if text is None:
            before = self._decode(self._neutral) if self._neutral else ""
            text = self._pieces[token] = self._decode([*self._neutral, token])[len(before) :]
        return text

    def _settled(self) -> str:
        """The text of the tokens that were streamed, but for what they leave incomplete."""
        texts, standing = self.replay()
        return "".join(texts[index] for index in standing[: self.emitted])

    def _incomplete(self) -> str:
        """What the streamed tokens leave of characters that were never completed."""
        detokenizer = Detokenizer(self._decode, self._context)
        for token in (token for event in self.events if isinstance(event, Released) for token in event.tokens):
            detokenizer.push(token)
        return detokenizer.finish()

    def marked(self, before: str = "~~", after: str = "~~") -> str:
        """The text, with what was taken back in its place, between marks.

        As it is, it is Markdown; in a terminal, `marked("\\x1b[9m", "\\x1b[29m")` strikes out. White space is
        put outside of the marks, so this is to be read; the text itself is `text`.
        """
        return marks.marked(self, before, after)

    def struck_out(self) -> str:
        """The same as a piece of HTML that any website keeps: `<del>`, and neither styles nor scripts."""
        return marks.struck_out(self)

    # -- writing ---------------------------------------------------------------------------

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write one self-contained page: the text, and in it what was taken back, by whom and why.

        Raises:
            InputError: the file cannot be written.
        """
        write_atomically(path, page.page(self))

    def to_jsonl(self, path: str | os.PathLike[str]) -> None:
        """Write all of it, one JSON object a line; `from_jsonl` reads it, with no model.

        Raises:
            InputError: the file cannot be written.
        """
        write_atomically(path, jsonl.dump(self))

    @classmethod
    def from_jsonl(cls, path: str | os.PathLike[str]) -> Trace:
        """Read what `to_jsonl` has written.

        Raises:
            InputError: the file cannot be read, or is no trace; the message names the line.
        """
        saved = jsonl.load(path)
        trace = cls(_no_model, alternatives=0)
        trace.events = saved.events
        trace.prompt = saved.prompt
        trace._pieces = saved.pieces
        trace._eos = saved.end_tokens
        trace._saved_text = saved.text
        trace._replayed = Replay(saved.texts, saved.standing)
        trace.started = saved.started
        return trace

    def __repr__(self) -> str:
        return f"<Trace: {marks.counts(self)}>"

    def _repr_html_(self) -> str:
        """For notebooks: the page in a frame of its own; where there are no scripts, the text with strikes."""
        return page.frame(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For consoles: the text with marks."""
        printer.text(f"{self!r}\n{self.marked()}")


def _no_model(tokens: Sequence[int]) -> str:
    raise InputError("this trace was read from a file and has no model: make a new one to record a stream")
