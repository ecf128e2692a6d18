"""What a decision earns. Everything is on one scale: 1 is what the judge gives for the best text there is.

The judge's score of a text is from 0 to 1, and an episode earns all of it: at its end, or bit by bit where the
partial text is judged as well (dense; after Molnár and Tajti). What was earned for a token goes when the token goes, so
nothing is earned twice by writing it twice. What shaping adds or takes off is in the same unit, so
a penalty of 0.01 is a hundredth of all that a text can be worth. The names are those of backtracking-llm, whose
judge gives 1 to 10: there a penalty weighs nine times less beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...checks import check_number

__all__ = ["Shaping"]


@dataclass(frozen=True)
class Shaping:
    """Small rewards and penalties of each decision, in units of the judge's full score.

    Attributes:
        backtrack_action_penalty: taken off each time that something is taken back.
        backtrack_token_penalty: taken off for each token that is taken back.
        repetition_penalty_weight: taken off for the token drawn next, times its repetition: the share of the last
            five tokens that stand among them already.
        high_confidence_reward: for each token that is kept and had at least `high_confidence_threshold`.
        high_confidence_threshold: a probability.
        cut_off_penalty: taken off where a text is cut off, for its budget is used up; what it was paid bit by bit goes
            as well. With less than 1, to be cut off may pay: how such a text would have gone on is only guessed, from
            what others are worth.
    """

    backtrack_action_penalty: float = 0.0
    backtrack_token_penalty: float = 0.0
    repetition_penalty_weight: float = 0.0
    high_confidence_reward: float = 0.0
    high_confidence_threshold: float = 0.9
    cut_off_penalty: float = 1.0

    def __post_init__(self) -> None:
        for name in (
            "backtrack_action_penalty", "backtrack_token_penalty", "repetition_penalty_weight",
            "high_confidence_reward", "cut_off_penalty",
        ):  # fmt: skip
            check_number(name, getattr(self, name), 0)
        check_number("high_confidence_threshold", self.high_confidence_threshold, 0, 1)

    def of_rollback(self, taken_back: int) -> float:
        """What it earns to take so many tokens back, 0 for none."""
        if not taken_back:
            return 0.0
        return -self.backtrack_action_penalty - self.backtrack_token_penalty * taken_back

    def of_kept(self, probability: float) -> float:
        """What it earns to keep a token that had this probability, as long as it stands."""
        return self.high_confidence_reward if probability >= self.high_confidence_threshold else 0.0

    def of_draw(self, repetition: float) -> float:
        """What the token drawn next earns: the repetition with it."""
        return -self.repetition_penalty_weight * repetition
