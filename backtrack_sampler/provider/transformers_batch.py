"""Many streams in one transformers cache, each of which goes back alone.

A token's column in the cache is its position in its own stream. So a rollback is nothing but a smaller
length: no hole is left behind, nothing has to be compacted, and sliding windows, which count columns,
count positions. What a row's length does not cover is masked until it is overwritten. (Appending a
column for all rows and masking the discarded ones, as padding does, leaves holes, and is wrong where
windows slide.)
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import torch
from transformers.cache_utils import Cache, DummyLayer, DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from .memory import Memory
from .row import Owner, Row, Work
from .transformers_model import CausalModel

__all__ = ["TransformersBatch", "windows"]

_log = logging.getLogger(__name__)

_FORWARD_TOKENS = 4096  # prompts are evaluated together up to so many tokens, padding included
_FEW = 3  # so many new tokens share the pass of the rows that have one
_COLUMNS = 128  # the cache grows by at least so many


class _Where:
    """Where the tokens of the present forward pass go; what all layers of a cache share.

    Attributes:
        rows: shape (rows, 1), their places.
        columns: shape (rows, tokens), the column of each token; padding goes to the last of all.
        leading: how many rows, where these are the first ones, in order; else 0.
        visible: so many columns are looked at.
        capacity: (rows, columns) to make room for.
    """

    rows: torch.Tensor
    columns: torch.Tensor
    leading: int
    visible: int
    capacity: tuple[int, int]


class _RowsLayer(DynamicLayer):  # type: ignore[misc]  # transformers is not typed
    """Keys and values of one layer, shape (rows, heads, columns + 1, size); the last column is for padding."""

    keys: torch.Tensor | None
    values: torch.Tensor | None

    def __init__(self, where: _Where) -> None:
        super().__init__()
        self._where = where

    def update(self, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, torch.Tensor]:
        where = self._where
        self.keys = self._stored(self.keys, keys)
        self.values = self._stored(self.values, values)
        if where.leading:
            return self.keys[: where.leading, :, : where.visible], self.values[: where.leading, :, : where.visible]
        rows = where.rows[:, 0]
        return self.keys[rows, :, : where.visible], self.values[rows, :, : where.visible]

    def _stored(self, store: torch.Tensor | None, new: torch.Tensor) -> torch.Tensor:
        if store is None:
            store = new.new_zeros((0, new.shape[1], 1, new.shape[3]))
            self.is_initialized = True
        store = self._grown(store)
        store[self._where.rows, :, self._where.columns] = new.transpose(1, 2)
        return store

    def _grown(self, store: torch.Tensor) -> torch.Tensor:
        """With room for what the capacity says: zeros, because what is masked is still multiplied by nought."""
        rows, columns = self._where.capacity
        if store.shape[0] >= rows and store.shape[2] > columns:
            return store
        larger = store.new_zeros((rows, store.shape[1], columns + 1, store.shape[3]))
        larger[: store.shape[0], :, : store.shape[2] - 1] = store[:, :, :-1]
        return larger

    def copy_row(self, source: int, target: int, length: int) -> None:
        """Let a row begin as another does, and hold nothing else."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self._grown(self.keys), self._grown(self.values)
            for store in (self.keys, self.values):
                store[target, :, :length] = store[source, :, :length]
                store[target, :, length:] = 0

    def clear_row(self, row: int, length: int) -> None:
        """Keep only the beginning: where half precision has overflowed, not even what is masked may stay."""
        for store in (self.keys, self.values):
            if store is not None and store.shape[0] > row:
                store[row, :, length:] = 0


class TransformersBatch(Memory):
    """Rows in one padded cache.

    Memory for keys and values: rows times columns, of which there are at most twice as many as the
    longest stream has tokens, and 128.

    Args:
        owner: see `Memory`.
        remember: see `Memory`.
        causal: the model; see `transformers_trial.batches_exactly`.
    """

    def __init__(self, owner: Owner, remember: int, causal: CausalModel) -> None:
        super().__init__(owner, remember)
        self._model = causal.model
        self._options = causal.options
        self._where = _Where()
        self._where.capacity = (0, 0)
        self.least_visible = 0
        self._windows = windows(causal.config) or {}
        layers = DynamicCache(config=causal.config).layers
        self._layers = [layer if type(layer) is DummyLayer else _RowsLayer(self._where) for layer in layers]
        self._own = [layer for layer in self._layers if isinstance(layer, _RowsLayer)]
        self._cache = Cache(layers=self._layers)
        self.device = causal.device

    def reset(self) -> None:
        super().reset()
        self._where.capacity = (0, 0)
        for layer in self._layers:
            layer.reset()

    def _make_room(self, rows: int, length: int) -> None:
        columns = self._where.capacity[1]
        length = max(length, self.least_visible)
        if length > columns:
            columns = max(length + _COLUMNS, min(2 * columns, length + 1024))
            _log.debug("a cache for %d streams of %d tokens each", rows, columns)
        self._where.capacity = (rows, columns)

    def _keep(self, row: Row, length: int, tokens: list[int]) -> int:
        with torch.inference_mode():
            for layer in self._own:
                layer.clear_row(row.place, length)
        return length

    def _share(self, source: Row, target: Row, length: int) -> int:
        with torch.inference_mode():
            for layer in self._own:
                layer.copy_row(source.place, target.place, length)
        return length

    def _evaluate(self, work: list[Work]) -> list[torch.Tensor]:
        found: dict[Row, torch.Tensor] = {}
        with torch.inference_mode():
            for each in work:
                if each.start == 0:
                    self._keep(each.row, 0, [])  # nothing is left of the stream before
            for group in _groups(work):
                logits = self._forward(group)
                found |= {each.row: logits[index, -1] for index, each in enumerate(group)}
        return [found[each.row] for each in work]

    def _evaluate_all(self, work: list[Work]) -> Iterator[tuple[Row, int, torch.Tensor]]:
        with torch.inference_mode():
            for each in work:
                if each.start == 0:
                    self._keep(each.row, 0, [])
            for group in _groups(work):
                logits = self._forward(group, max(len(each.tokens) for each in group))
                for index, each in enumerate(group):
                    yield each.row, each.start + 1, logits[index, -len(each.tokens) :]

    def _forward(self, group: list[Work], last: int = 1) -> torch.Tensor:
        """Evaluate tokens of several rows, padded on the left; returns the last logits, shape (rows, last, vocab)."""
        width = max(len(each.tokens) for each in group)
        visible = max(self.least_visible, *(each.start + len(each.tokens) for each in group))
        where = self._where
        trash = where.capacity[1]
        places = [each.row.place for each in group]
        padding = [width - len(each.tokens) for each in group]
        ids = torch.tensor([[0] * pad + each.tokens for pad, each in zip(padding, group, strict=True)])
        positions = torch.tensor([
            [-1] * pad + list(range(each.start, each.start + len(each.tokens)))
            for pad, each in zip(padding, group, strict=True)
        ])  # fmt: skip
        ids, positions = ids.to(self.device), positions.to(self.device)
        where.rows = torch.tensor(places, device=self.device)[:, None]
        where.columns = torch.where(positions < 0, trash, positions)
        where.leading = len(places) if places == list(range(len(places))) else 0
        where.visible = visible
        positions = positions.clamp(min=0)  # padding looks at the first column, and is not looked at
        output = self._model(
            input_ids=ids,
            attention_mask=self._masks(positions, visible),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            **dict.fromkeys(self._options, last),
        )
        self._owner.forward_passes += 1
        self._owner.evaluated_tokens += sum(len(each.tokens) for each in group)
        return output.logits[:, -last:].float()

    def _masks(self, positions: torch.Tensor, visible: int) -> Any:
        """What each token may look at, shape (rows, 1, tokens, columns); one for each kind of layer."""
        at = positions[:, None, :, None]
        columns = torch.arange(visible, device=self.device)
        masks = {}
        for name, window in self._windows.items():
            seen = columns <= at
            if window is not None:
                seen &= columns > at - window
            mask = torch.zeros(seen.shape, dtype=self._model.dtype, device=self.device)
            masks[name] = mask.masked_fill_(~seen, torch.finfo(mask.dtype).min)
        return masks if len(masks) > 1 else next(iter(masks.values()))


def _groups(work: list[Work]) -> list[list[Work]]:
    """What to evaluate together: rows with a few new tokens; longer ones beside none that are under half as long.

    A row that has gone back past what is remembered needs two tokens: in a pass of its own it would leave
    a gap among the others, and their keys and values would have to be gathered.
    """
    ordered = sorted(work, key=lambda each: len(each.tokens))
    few = [each for each in ordered if len(each.tokens) <= _FEW]
    groups = [few] if few else []
    longest = 0
    for each in reversed(ordered[len(few) :]):
        length = len(each.tokens)
        if 2 * length >= longest > 0 and longest * (len(groups[-1]) + 1) <= _FORWARD_TOKENS:
            groups[-1].append(each)
        else:
            groups.append([each])
            longest = length
    return [sorted(group, key=lambda each: each.row.place) for group in groups]


def windows(config: Any) -> dict[str, int | None] | None:
    """The kinds of layers and their windows (None: all); None where one is not known to be batched exactly."""
    layers = DynamicCache(config=config).layers
    names = getattr(config, "layer_types", None) or [
        "sliding_attention" if type(layer) is DynamicSlidingWindowLayer else "full_attention" for layer in layers
    ]
    kinds: dict[str, int | None] = {}
    for name, layer in zip(names, layers, strict=False):
        if type(layer) is DynamicSlidingWindowLayer and name == "sliding_attention":
            kinds[name] = layer.sliding_window
        elif type(layer) is DynamicLayer and name == "full_attention":
            kinds[name] = None
        elif type(layer) is not DummyLayer:  # those use what another layer has stored
            return None
    return kinds or None
