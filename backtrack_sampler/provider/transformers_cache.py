"""Going back in a transformers cache, layer by layer, for every kind of layer.

`Cache.crop` alone is not enough: sliding-window layers keep only what they need now, and layers
with a recurrent state say yes and then answer wrongly (transformers 5.23 records only their
convolution states). So full attention is cropped; sliding windows record their past and are cropped
here, as far as it reaches; everything else is saved at intervals, restored, and the rest replayed.
"""

from __future__ import annotations

import copy
from typing import Any

from transformers import PreTrainedConfig
from transformers.cache_utils import (
    DummyLayer,
    DynamicCache,
    DynamicIndexedLayer,
    DynamicLayer,
    DynamicSlidingWindowLayer,
)

from .row import least_missed

__all__ = ["RollbackCache"]

_SLACK = 256  # a sliding window keeps so many tokens beyond the window to go back to
_MAX_SAVED = 32


class RollbackCache:
    """A `DynamicCache` that can be shortened to any earlier length it still knows.

    Attributes:
        cache: what the model's `forward` takes.
        length: tokens in it.
    """

    def __init__(self, config: PreTrainedConfig) -> None:
        self.cache = DynamicCache(config=config)
        self.length = 0
        self._saved: dict[int, dict[int, Any]] = {}  # length -> layer index -> its state
        for layer in self.cache.layers:
            if type(layer) is DynamicSlidingWindowLayer:
                layer.activate_past_recording()

    @property
    def is_recurrent(self) -> bool:
        """Whether any layer has a state that cannot be shortened."""
        return not all(_croppable(layer) for layer in self.cache.layers)

    def advanced(self, length: int) -> None:
        """The model has filled it up to `length` tokens."""
        self.length = length
        others = {}
        for index, layer in enumerate(self.cache.layers):
            if type(layer) is DynamicSlidingWindowLayer:
                self._trim(layer)
            elif not _croppable(layer):
                others[index] = copy.deepcopy(layer)
        if others:
            self._saved[length] = others
            if len(self._saved) > _MAX_SAVED:
                del self._saved[least_missed(self._saved, length)]

    def shorten(self, length: int) -> int:
        """Go back to `length` tokens, or where that is not possible to fewer; returns how many."""
        reachable = self._reachable(length)
        if reachable == 0:
            return 0  # nothing is left that could be used: the caller begins again with a new one
        for index, layer in enumerate(self.cache.layers):
            if type(layer) is DynamicSlidingWindowLayer:
                remove = self.length - reachable
                if remove and layer.is_initialized:
                    layer.keys = layer.keys[:, :, :-remove]
                    layer.values = layer.values[:, :, :-remove]
                    layer.cumulative_length -= remove
            elif _croppable(layer):
                layer.crop(reachable - self.length)
            else:
                self.cache.layers[index] = copy.deepcopy(self._saved[reachable][index])
        self._saved = {n: state for n, state in self._saved.items() if n <= reachable}
        self.length = reachable
        return reachable

    def _reachable(self, length: int) -> int:
        """The longest length, at most `length`, that every layer can go back to; 0 if none."""
        for layer in self.cache.layers:
            if type(layer) is DynamicSlidingWindowLayer and layer.is_initialized:
                oldest = self.length - layer.keys.shape[-2]
                if oldest > max(0, length - layer.sliding_window + 1):
                    return 0
        if not self.is_recurrent:
            return length
        return max((n for n in self._saved if n <= length), default=0)

    def _trim(self, layer: DynamicSlidingWindowLayer) -> None:
        """Recording the past keeps everything; keep the window and some slack, in large steps."""
        keep = layer.sliding_window - 1 + _SLACK
        if layer.is_initialized and layer.keys.shape[-2] > keep + _SLACK:
            layer.keys = layer.keys[:, :, -keep:].clone()
            layer.values = layer.values[:, :, -keep:].clone()


def _croppable(layer: Any) -> bool:
    """Whether dropping the last positions of this layer is exact. Only what is known to be."""
    return type(layer) in (DynamicLayer, DynamicIndexedLayer, DynamicSlidingWindowLayer, DummyLayer)
