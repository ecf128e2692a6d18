"""What has come of one text: the smallest thing that results are made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

__all__ = ["Record"]


@dataclass(frozen=True, slots=True)
class Record:
    """One text of one arm, with what it is worth.

    Attributes:
        key: what it is stored under: a digest of model, arm, task, item, repeat, sample and seed.
        arm: the `Arm.key` it was written by.
        task: the task's name.
        item: the item's id.
        repeat: from 0; the same repeat of two arms has the same seed.
        sample: from 0; the others are drawn for controls that choose among several.
        seed: of its stream.
        text: as it was streamed.
        answer: see `Score.answer`.
        score: from 0 to 1.
        kept: tokens that stand.
        drawn: all tokens drawn, those taken back among them: what it has cost.
        rollbacks: how often tokens were taken back.
        forwards: places of the text that the model had to be asked about. A token that was taken back is
            drawn again from what the model has said there already, so these are fewer than `drawn`. What
            other texts have in common with this one does not make them less.
        log_probability: the model's own, in nats a token, before temperature and filters: the mean over all
            tokens that stand and those that have ended the text, whether an end token or a stop string; None
            where there are none.
        finish_reason: see `Finished.reason`; "" after an error.
        error: what has ended the stream, or gone wrong in the checker; "" for nothing.
        taken_back: of each rollback, where it went back to (tokens of the text), what was taken back, and
            who asked why.
    """

    key: str
    arm: str
    task: str
    item: str
    repeat: int
    sample: int
    seed: int
    text: str
    answer: str | None
    score: float
    kept: int
    drawn: int
    rollbacks: int
    forwards: int
    log_probability: float | None
    finish_reason: str
    error: str = ""
    taken_back: list[tuple[int, str, str]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, said: dict[str, Any]) -> Record:
        """From JSON.

        Raises:
            TypeError, KeyError: it is no record.
        """
        known = {each.name: said[each.name] for each in fields(cls)}
        return cls(**{**known, "taken_back": [tuple(each) for each in known["taken_back"]]})
