"""What a policy is worth on prompts, as it is used: through the strategy, in a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...batch import Batch
from ...benchmark.tasks import Item
from ...provider.base_provider import BaseProvider
from ...stream import TokenStream
from ..environment.episode import EpisodeSettings, prompt_of, text_of
from ..features import repetition
from ..judges.base_judge import Answer, Judge
from ..policy.policy import Policy
from ..policy.strategy import RlPolicyStrategy

__all__ = ["Tried", "mean_of", "try_policy"]


@dataclass(frozen=True)
class Tried:
    """One text.

    Attributes:
        score: the judge's, from 0 to 1.
        checked: what the other judge says; None where there is none.
        kept, drawn: tokens.
        rollbacks: how often tokens were taken back.
        repetition: share of its words that stand before in it.
        text: what was written.
    """

    score: float
    checked: float | None
    kept: int
    drawn: int
    rollbacks: int
    repetition: float
    text: str


def try_policy(
    provider: BaseProvider,
    items: Sequence[Item],
    policy: Policy | None,
    settings: EpisodeSettings,
    judge: Judge,
    checker: Judge | None = None,
    *,
    deterministic: bool = True,
    seed: int = 0,
    max_batch: int = 16,
) -> list[Tried]:
    """Write one text for each item.

    Args:
        policy: None: nothing is taken back.
        checker: another judge, that the policy was not trained with.
        deterministic: see `RlPolicyOperator`.
        seed: of the first text; the others have the next ones.
    """

    def strategies(_: TokenStream) -> list[Any]:
        mine = [] if policy is None else [RlPolicyStrategy(None, policy, deterministic)]
        return [*mine, *(settings.others() if settings.others is not None else ())]

    streams = []
    for number, item in enumerate(items):
        tokens, options = prompt_of(provider, item, settings)
        streams.append(
            TokenStream(provider, tokens, replace(options, seed=seed + number), strategies, index=number)
        )  # fmt: skip
    for row in Batch(provider, streams, max_batch).results():
        if row.error is not None:
            raise row.error
    answers = [
        Answer(text_of(item), stream.text, item) for item, stream in zip(items, streams, strict=True)
    ]  # fmt: skip
    scores = judge.scores(answers)
    checks: Sequence[float | None] = checker.scores(answers) if checker is not None else [None] * len(answers)
    return [
        Tried(
            score, check, stream.stats.emitted, stream.stats.drawn, stream.stats.rollbacks,
            repetition(answer.text.split()), answer.text,
        )
        for answer, stream, score, check in zip(answers, streams, scores, checks, strict=True)
    ]  # fmt: skip


def mean_of(tried: Sequence[Tried]) -> dict[str, float | None]:
    """The means, by name; those of what nobody has said are None."""
    names = ("score", "checked", "kept", "drawn", "rollbacks", "repetition")
    found: dict[str, float | None] = {}
    for name in names:
        values = [value for each in tried if (value := getattr(each, name)) is not None]
        found[name] = sum(values) / len(values) if values else None
    return found
