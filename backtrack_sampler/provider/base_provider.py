"""What a model backend is: a function from tokens to next-token logits, with a memory.

`logits(tokens)` always means the same: these tokens, that answer, whatever was asked before. What
has been evaluated already is found out here, by comparing; what no longer agrees is dropped; only
what is new is evaluated. So a rollback is nobody's command: whoever asks simply asks for fewer
tokens, and there is no second copy of the truth that could drift.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ..errors import ContextFullError, InputError
from .batch_memory import BatchMemory, SeparateMemories, common_prefix

__all__ = ["BaseProvider", "least_missed"]

_NEUTRAL = "."


class BaseProvider(ABC):
    """Base class of all backends.

    A backend implements `encode`, `decode`, `_evaluate` and `_keep`. The rest is here.

    Args:
        remember: raw logits of so many last positions are kept, so that going back to one of them
            costs no forward pass. Each takes vocabulary size times 4 bytes.

    Attributes:
        eos_token_ids: tokens that end a text; a model may have several.
        context_size: most tokens it can hold, or None where nothing says.
        vocabulary_size: token ids are below it; None where nothing says.
        forward_passes: how often the model was called, since it was made.
        evaluated_tokens: how many tokens it has evaluated.
    """

    eos_token_ids: frozenset[int] = frozenset()
    context_size: int | None = None
    vocabulary_size: int | None = None

    def __init__(self, remember: int = 64) -> None:
        if remember < 1:
            raise InputError(f"remember must be at least 1, not {remember}")
        self._remember = remember
        self._evaluated: list[int] = []  # what the backend's memory holds
        self._recent: dict[int, Any] = {}  # length -> raw logits after that many tokens of it
        self._batch: BatchMemory | None = None  # other streams; made when they are first asked for
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
            InputError: no tokens, or more than the context holds.
        """
        tokens = self._checked(tokens)
        wanted = len(tokens)
        self._notice_changes()
        shared = common_prefix(tokens, self._evaluated)
        known = self._recent.get(wanted) if shared == wanted else None
        if known is None:
            known = self._advance(tokens, min(shared, wanted - 1))
        return self._copy(known)

    def logits_batch(self, sequences: Sequence[Sequence[int]]) -> list[Any]:
        """Logits of the next token after each of several streams: `logits`, a row a stream.

        The streams of the last call go on where they were, each back or forth as its tokens say. All
        that need the model share one forward pass, and what prompts have in common is evaluated once.
        A stream that is not asked for may lose its row.

        Args:
            sequences: token ids of each stream, prompt and continuation.

        Returns:
            For each what `logits` returns: float32, shape (vocab,), the caller's to change. The first
            call decides whether the model can be batched; one that cannot (see `batched`) is
            evaluated row by row.

        Raises:
            InputError: as `logits`; nothing is evaluated then.
        """
        return list(self.each_logits(sequences))

    def each_logits(self, sequences: Sequence[Sequence[int]]) -> Iterator[Any]:
        """What `logits_batch` returns, copied one by one as they are taken.

        All are evaluated when the first is taken. Where each is dropped before the next is taken, they
        use the same memory, which is much faster than fresh memory for all.
        """
        checked = [self._checked(tokens) for tokens in sequences]
        if not checked:
            return
        if self._batch is None:
            self._batch = self._new_batch()
        batch = self._batch
        found = batch.logits(checked)
        requests = batch.requests
        for index, raw in enumerate(found):
            if self._batch is not batch or batch.requests != requests:
                # Somebody has asked for something else in between, and may have overwritten it.
                yield from self.each_logits(checked[index:])
                return
            yield self._copy(raw)

    def recall(self, tokens: Sequence[int]) -> Any | None:
        """The same as `logits` where that is remembered by `logits_batch`; None where it needs the model."""
        raw = self._batch.recall(list(tokens)) if self._batch is not None else None
        return None if raw is None else self._copy(raw)

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

    def _checked(self, tokens: Sequence[int]) -> list[int]:
        tokens = tokens if type(tokens) is list else list(tokens)
        wanted = len(tokens)
        if wanted == 0:
            raise InputError("the prompt is empty: give the model at least one token to go on from")
        if self.context_size is not None and wanted > self.context_size:
            raise InputError(
                f"{wanted} tokens do not fit the model's context of {self.context_size}: "
                f"shorten the prompt{self.larger_context}"
            )
        return tokens

    def reset(self) -> None:
        """Forget everything that was evaluated, and give back the memory of other streams."""
        self._batch = None
        self._forget()

    def _forget(self) -> None:
        """Forget the one stream of `logits`."""
        self._evaluated = []
        self._recent = {}
        self._keep(0, [])

    def _advance(self, tokens: list[int], shared: int) -> Any:
        """Make the backend's memory hold `tokens`, of which it holds the first `shared`."""
        self.check_vocabulary(tokens[shared:])
        complete = False
        try:
            kept = shared
            if shared < len(self._evaluated) or shared == 0:
                kept = self._keep(shared, tokens)
                self._agree(kept, tokens)
            if kept < len(tokens):
                self._recent[len(tokens)] = self._evaluate(tokens[kept:], kept)
                self.forward_passes += 1
                self.evaluated_tokens += len(tokens) - kept
                self._evaluated += tokens[kept:]
            complete = True
        finally:
            if not complete:  # an error or Ctrl-C in the middle: nobody knows what the memory holds
                self._forget()
        if len(self._recent) > self._remember:  # the oldest was inserted first
            del self._recent[next(iter(self._recent))]
        if kept < len(tokens):
            self._after_evaluation(kept)
        return self._recent[len(tokens)]

    def _agree(self, kept: int, tokens: list[int]) -> None:
        """The memory holds the first `kept` of these tokens now: note it."""
        if kept > len(self._evaluated) or self._evaluated[:kept] != tokens[:kept]:
            # A saved state of another text was restored; only its own logits are known.
            self._recent = {n: raw for n, raw in self._recent.items() if n == kept}
            self._evaluated = tokens[:kept]
            return
        del self._evaluated[kept:]
        self._recent = {n: raw for n, raw in self._recent.items() if n <= kept}

    # -- for backends ----------------------------------------------------------------------

    @abstractmethod
    def _evaluate(self, tokens: list[int], start: int) -> Any:
        """Evaluate new tokens after the first `start`, and return the last one's logits.

        Returns:
            float32, shape (vocab,), an array that nothing will overwrite.
        """

    @abstractmethod
    def _keep(self, length: int, tokens: list[int]) -> int:
        """Make the memory hold a beginning of `tokens`, as long as can be had.

        Args:
            length: so many tokens at the beginning agree with what the memory holds now.
            tokens: what will be asked for. A saved state of a longer beginning of it may be
                restored instead; where it is all of it, its logits belong in `_recent`.

        Returns:
            How many tokens of `tokens` the memory holds now. A memory that cannot drop a suffix
            returns less than `length`, 0 at the least: never a wrong memory.
        """

    def _new_batch(self) -> BatchMemory:
        """A memory for several streams. Without one of its own, a backend's only memory serves them in turn."""
        return SeparateMemories(self, self._remember, lambda: self)

    def _copy(self, raw: Any) -> Any:
        return raw.copy()

    def _overwrite(self, array: Any, raw: Any) -> None:
        array[:] = raw

    def _notice_changes(self) -> None:
        """Called before every request: somebody else may have used the same memory."""

    def _after_evaluation(self, start: int) -> None:
        """Called after every evaluation of the tokens after the first `start`: time to save states."""


def least_missed(lengths: Collection[int], end: int) -> int:
    """Of saved states at some lengths, the one to drop: the rest stay dense near the end, sparse far back.

    Going back far is rare and may cost a longer replay: the hole that a state would leave counts
    in proportion to its distance from `end`.
    """
    ordered = [0, *sorted(lengths), end]
    holes = {
        here: (after - before) / (end - here + 1)
        for before, here, after in zip(ordered, ordered[1:], ordered[2:], strict=False)
    }
    return min(holes, key=holes.__getitem__)
