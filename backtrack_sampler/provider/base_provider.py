"""What a model backend is: a function from tokens to next-token logits, with a memory.

`logits(tokens)` always means the same: these tokens, that answer, whatever was asked before. So a rollback
is nobody's command: whoever asks simply asks for fewer tokens, the memory finds out what still agrees, and
there is no second copy of the truth that could drift.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from ..arrays import copy_of
from ..checks import check_count
from ..errors import ContextFullError, InputError
from .memory import Memory
from .one_row import Backend, OneRow, SeparateMemories

__all__ = ["BaseProvider"]

_NEUTRAL = "."


class BaseProvider(Backend):
    """Base class of all backends.

    A backend implements `encode`, `decode`, `_evaluate` and `_keep` (see `Backend`). The rest is here.

    Threads: each request holds `lock`, so that a second thread waits.

    Args:
        remember: raw logits of so many last positions are kept, so that going back to one of them
            costs no forward pass. Each takes vocabulary size times 4 bytes.

    Attributes:
        eos_token_ids: tokens that end a text; a model may have several.
        bos_token_id: the token that a text may begin with; None where there is none, or nothing says.
        context_size: most tokens it can hold, or None where nothing says.
        vocabulary_size: token ids are below it; None where nothing says.
        model_name: of the model, "" where nothing says.
        piece: prompts are evaluated in pieces of so many tokens, always the same ones, so that an engine that
            rounds differently for several tokens at once gives equal prompts equal logits; 1: as they come.
        remembers_all: whether `recall` may know what other streams have asked for, not only where one was before.
        forward_passes: how often the model was called, since it was made.
        evaluated_tokens: how many tokens it has evaluated.
        lock: reentrant; see above.
    """

    eos_token_ids: frozenset[int] = frozenset()
    bos_token_id: int | None = None
    context_size: int | None = None
    vocabulary_size: int | None = None
    model_name: str = ""
    piece: int = 1
    remembers_all: bool = False

    def __init__(self, remember: int = 64) -> None:
        self._remember = remember = check_count("remember", remember)
        self._one = OneRow(self, remember)
        self._batch: Memory | None = None  # of several streams; made when they are first asked for
        self.lock = threading.RLock()
        self.forward_passes = 0
        self.evaluated_tokens = 0

    # -- for everybody ---------------------------------------------------------------------

    @abstractmethod
    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        """Text to token ids. Special tokens written out in the text become those tokens."""

    @abstractmethod
    def decode(self, tokens: Sequence[int]) -> str:
        """Token ids to text, special tokens left out, incomplete characters as U+FFFD."""

    def neutral_tokens(self) -> list[int]:
        """Tokens to decode a text after, so that its first word keeps its leading space.

        Some tokenisers (SentencePiece) drop the space of the first word they decode, and add one to the
        first they encode: in the middle of a text both would be wrong.
        """
        return self.encode(_NEUTRAL)

    def encode_within(self, text: str) -> list[int]:
        """Token ids of a text that stands in the middle of another."""
        neutral, whole = self.neutral_tokens(), self.encode(_NEUTRAL + text)
        if whole[: len(neutral)] == neutral:
            return whole[len(neutral) :]
        return self.encode(text)  # the two have merged; then its beginning is no new word

    @property
    def special_tokens(self) -> Mapping[int, str]:
        """Each special, control or added token, and how one writes it; whether or not it leaves a text."""
        return {}

    def chat_prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        """A conversation as one prompt, in the model's own format, ready for its answer.

        Args:
            messages: `{"role": "system" | "user" | "assistant", "content": text}`.

        Raises:
            InputError: the model has no chat template.
        """
        raise InputError("this model has no chat template: use an instruction-tuned model, or leave chat out")

    def get_eos_token_id(self) -> int:
        """One of the end tokens (as backtrack_sampler 3.x had it); -1 where there is none."""
        return min(self.eos_token_ids, default=-1)

    def logits(self, tokens: Sequence[int]) -> Any:
        """Logits of the next token after these.

        Args:
            tokens: at least one token id, prompt and continuation.

        Returns:
            float32, shape (vocab,), in the backend's library; the caller's to change.

        Raises:
            InputError: no tokens, more than the context holds, or one that is not in the vocabulary.
        """
        with self.lock:
            return copy_of(self.peek(tokens))

    def peek(self, tokens: Sequence[int]) -> Any:
        """What `logits` returns, not copied: only to read. It stays what it is while it is held."""
        with self.lock:
            return self._one.logits([self._checked(tokens)])[0]

    def logits_batch(self, sequences: Sequence[Sequence[int]]) -> list[Any]:
        """Logits of the next token after each of several streams: `logits`, a row a stream.

        The streams of the last call go on where they were, each back or forth as its tokens say. All
        that need the model share one forward pass, and what prompts have in common is evaluated once.
        A stream that is not asked for may lose its row. The first call decides whether the model can be
        batched; one that cannot (see `batched`) is evaluated row by row.

        Raises:
            InputError: as `logits`; nothing is evaluated then.
        """
        with self.lock:
            return [copy_of(raw) for raw in self.peek_batch(sequences)]

    def peek_batch(self, sequences: Sequence[Sequence[int]]) -> list[Any]:
        """What `logits_batch` returns, not copied: only to read. They stay what they are while they are held."""
        with self.lock:
            checked = [self._checked(tokens) for tokens in sequences]
            if not checked:
                return []
            if self._batch is None:
                self._batch = self._new_batch()
            return self._batch.logits(checked)

    def score_batch(self, sequences: Sequence[Sequence[int]], starts: Sequence[int]) -> list[list[tuple[float, bool]]]:
        """What the model makes of texts that are there: how probable each of their tokens is.

        As many tokens share a forward pass as the engine takes, and what sequences have in common before
        their starts is evaluated once.

        Args:
            sequences: token ids. The last one of each is not evaluated, and may be beyond the context.
            starts: for each, from which of its tokens on; 1 at the least: the first has nothing before it.

        Returns:
            For each sequence, for each token from its start on: the log-probability in nats, given all
            tokens before it, and whether it is the most probable one.

        Raises:
            InputError: as `logits`, or a start that is not inside.
        """
        with self.lock:
            checked = [list(tokens) for tokens in sequences]
            for tokens, start in zip(checked, starts, strict=True):
                self._checked(tokens[:-1] or tokens)
                self.check_vocabulary(tokens)
                if not 1 <= start <= len(tokens):
                    raise InputError(f"a start must be from 1 to the sequence's length, {len(tokens)}, not {start}")
            if self._batch is None:
                self._batch = self._new_batch()
            return self._batch.scores(checked, starts)

    def recall(self, tokens: Sequence[int]) -> Any | None:
        """What `peek` or `peek_batch` returns, where it is remembered; None where it needs the model."""
        with self.lock:
            return (self._batch or self._one).recall(list(tokens))

    @property
    def batched(self) -> bool:
        """Whether several streams share a forward pass; False as well before they were first asked for."""
        return self._batch is not None and not isinstance(self._batch, SeparateMemories)

    @property
    def larger_context(self) -> str:
        """How a message that says "shorten the prompt" goes on: how to have a larger context, or why there is none."""
        return ", or load the model with a larger context"

    def context_full(self, new: int) -> ContextFullError:
        """What to raise where the context is full after so many new tokens."""
        return ContextFullError(
            f"the context of {self.context_size} tokens is full after {new} new ones: "
            f"pass max_new_tokens, shorten the prompt{self.larger_context}"
        )

    def check_vocabulary(self, tokens: Sequence[int]) -> None:
        """Raise InputError where a token id is none of this model's."""
        size = self.vocabulary_size
        if size is not None and tokens and not 0 <= min(tokens) <= max(tokens) < size:
            raise InputError(f"the prompt has a token id outside the vocabulary of {size}: use this model's tokenizer")

    def reset(self) -> None:
        """Forget everything that was evaluated, and give back the memory of several streams."""
        with self.lock:
            self._batch = None
            self._one.reset()

    def _checked(self, tokens: Sequence[int]) -> list[int]:
        tokens = tokens if type(tokens) is list else list(tokens)
        if not tokens:
            raise InputError("the prompt is empty: give the model at least one token to go on from")
        if self.context_size is not None and len(tokens) > self.context_size:
            raise InputError(
                f"{len(tokens)} tokens do not fit the model's context of {self.context_size}: "
                f"shorten the prompt{self.larger_context}"
            )
        return tokens

    # -- for backends ----------------------------------------------------------------------

    @property
    def _evaluated(self) -> list[int]:
        """What the memory of the single stream holds."""
        return self._one.tokens

    def _new_batch(self) -> Memory:
        """A memory for several streams. Without one of its own, a backend evaluates them in turn."""
        return SeparateMemories(self, self._remember, self._one.fork)

    def _overwrite(self, array: Any, raw: Any) -> None:
        """Write logits to an array that has held others."""
        array[:] = raw
