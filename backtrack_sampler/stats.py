"""What a stream has cost."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Stats"]


@dataclass
class Stats:
    """What a stream has cost. `emitted + discarded` is what was drawn.

    Attributes:
        emitted: tokens streamed.
        discarded: tokens taken back, including those of a stop string at the end.
        rollbacks: how often a strategy, or the session in its way out, took tokens back.
        forward_passes: calls of the model; a prompt that is evaluated in parts counts once.
        evaluated_tokens: tokens the model has evaluated, the prompt's among them.
        seconds: time spent in model and session, not in whoever reads the stream.
        finish_reason: see `Finished.reason`; "" while the stream runs or when it was abandoned.
    """

    emitted: int = 0
    discarded: int = 0
    rollbacks: int = 0
    forward_passes: int = 0
    evaluated_tokens: int = 0
    seconds: float = 0.0
    finish_reason: str = ""

    @property
    def drawn(self) -> int:
        """Tokens drawn; while the stream runs, those that are pending are not counted yet."""
        return self.emitted + self.discarded
