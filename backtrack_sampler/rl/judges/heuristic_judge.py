"""A judge that is a formula: no other model, no network, nothing that costs. The offline default."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

from ...benchmark.harness.likelihood import Continuation, log_likelihoods
from ...checks import check_count, check_number
from ...compare.measures import distinct, repeated, words
from ...errors import InputError
from ...prompts import encoded
from ...provider.base_provider import BaseProvider
from .base_judge import Answer, Judge

__all__ = ["HeuristicJudge"]

_SIZES = (1, 2, 3)


class HeuristicJudge(Judge):
    """Likes texts that are varied, that do not repeat themselves, and that the model itself finds likely.

    The score is the mean, weighed, of three numbers, each from 0 to 1:

    - distinct: the mean of distinct-1, -2 and -3 of the text's words, see `compare.measures.distinct`; n-grams
      for which it has too few words are left out.
    - unrepeated: 1 less the share of its n-grams that were there before, see `compare.measures.repeated`.
    - likely: 1 + L / ln V, and 0 at the least, where L is the mean log-probability of its tokens after the prompt,
      in nats, unfiltered and at temperature 1, and V is the size of the vocabulary: 1 is certain, 0 no better than
      a token drawn blindly.

    Without words a text is worth 0. The longer a text, the more of it was there before: compare texts of about the
    same length. A formula is easily pleased, so look at what it has rewarded.

    Args:
        provider: the model that writes the texts.
        distinct_weight, unrepeated_weight, likelihood_weight: 0 or more, and not all of them 0.
        repeated_size: n of the n-grams that `unrepeated` counts.

    Raises:
        InputError: a weight that is none.
    """

    name = "heuristic"

    def __init__(
        self,
        provider: BaseProvider,
        distinct_weight: float = 1.0,
        unrepeated_weight: float = 1.0,
        likelihood_weight: float = 1.0,
        repeated_size: int = 4,
    ) -> None:
        self._provider = provider
        self.distinct_weight = check_number("distinct_weight", distinct_weight, 0)
        self.unrepeated_weight = check_number("unrepeated_weight", unrepeated_weight, 0)
        self.likelihood_weight = check_number("likelihood_weight", likelihood_weight, 0)
        self.repeated_size = check_count("repeated_size", repeated_size)
        self._sum = math.fsum((self.distinct_weight, self.unrepeated_weight, self.likelihood_weight))
        if not 0 < self._sum < math.inf:
            raise InputError("the weights of the heuristic judge must not all be 0")
        self._texts = 0

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        self._texts += len(answers)
        spoken = [words(each.text) for each in answers]
        likely = iter(self._likely([each for each, said in zip(answers, spoken, strict=True) if said]))
        return [self._score(said, next(likely)) if said else 0.0 for said in spoken]

    def report(self) -> dict[str, Any]:
        return {"judge": self.name, "texts": self._texts}

    def _score(self, said: Sequence[Hashable], likely: float) -> float:
        shares = [distinct([said], size) for size in _SIZES if size <= len(said)]
        score = math.fsum(
            (
                self.distinct_weight * sum(shares) / len(shares),
                self.unrepeated_weight * (1 - repeated(said, self.repeated_size)),
                self.likelihood_weight * likely,
            )
        )
        return min(1.0, score / self._sum)

    def _likely(self, answers: Sequence[Answer]) -> list[float]:
        if not self.likelihood_weight or not answers:
            return [0.0] * len(answers)
        asked = [self._continuation(each) for each in answers]
        found = log_likelihoods(self._provider, asked)
        size = self._provider.vocabulary_size or 2**16  # an engine that does not say: about as many as is usual
        return [
            max(0.0, 1 + total / max(1, len(each.tokens) - each.start) / math.log(max(2, size)))
            for each, (total, _) in zip(asked, found, strict=True)
        ]

    def _continuation(self, answer: Answer) -> Continuation:
        prompt = encoded(self._provider, answer.prompt, None)
        tokens = [*prompt, *self._provider.encode_within(answer.text)]
        # The first token of all has nothing before it; a long prompt loses its beginning.
        return Continuation(tokens, max(1, len(prompt))).within(self._provider.context_size)
