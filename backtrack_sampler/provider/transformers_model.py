"""A transformers model, and how its `forward` is called."""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["CausalModel"]


class CausalModel:
    """What has to be known of a model to call it.

    Attributes:
        model: in evaluation mode.
        config: of its text part.
        size: of its vocabulary.
        accepted: names of what `forward` takes.
        cache_name: under which it takes its memory; None where it has none, or none that is right.
        positions: whether it is told the positions of what it is given.
        options: what it is given in any case.
        ropes: all that its config says of how positions are scaled.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model.eval()
        self.config = model.config.get_text_config(decoder=True)
        self.size: int = model.get_input_embeddings().weight.shape[0]
        # Asked once, never in the loop.
        self.accepted = accepted = inspect.signature(model.forward).parameters.keys()
        # Recurrent families name their memory otherwise.
        names = ("past_key_values", "cache_params")
        self.cache_name = next((name for name in names if name in accepted), None)
        self.positions = "position_ids" in accepted
        self.options: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}
        self._alone = self.options | ({"use_cache": False} if self.cache_name or "use_cache" in accepted else {})
        self.ropes = _rope_settings(self.config.to_dict())

    def plain(self, tokens: list[int]) -> torch.Tensor:
        """Logits after a text, shape (vocab,), by nothing but the model itself: what every memory must agree with."""
        import torch

        with torch.inference_mode():
            output = self.model(input_ids=torch.tensor([tokens], device=self.device), **self._alone)
            return output.logits[0, -1].float()

    def variant(self, positions: bool) -> CausalModel:
        """The same model, told positions or not."""
        other = copy.copy(self)
        other.positions = positions
        return other

    @property
    def device(self) -> torch.device:
        """Where it wants its tokens."""
        return self.model.get_input_embeddings().weight.device

    @property
    def turns(self) -> set[int]:
        """Lengths of a text beyond which all its positions are encoded in another way (Phi-3).

        Keys of both kinds in one memory would give logits that the text alone does not have.
        """
        lengths = [
            rope.get("original_max_position_embeddings")
            for rope in self.ropes
            if "longrope" in (rope.get("rope_type"), rope.get("type"))
        ]
        return {length for length in lengths if isinstance(length, int)}


def _rope_settings(settings: Any) -> list[dict[str, Any]]:
    """All that a config says of how its positions are scaled, wherever it says it."""
    if not isinstance(settings, dict):
        return []
    inner = [found for value in settings.values() for found in _rope_settings(value)]
    return [settings, *inner] if {"rope_type", "type"} & settings.keys() else inner
