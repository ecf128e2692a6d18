"""Writing what is to be compared: each contender in batches of its own, in turns."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

from ..batch import Batch
from ..checks import check_count, check_seed
from ..errors import InputError
from ..provider.base_provider import BaseProvider
from ..sampler import BacktrackSampler
from ..signatures import like
from ..stats import Stats
from ..strategy.stock_phrases import STOCK_PHRASES
from ..stream import TokenStream
from .comparison import BASELINE, Comparison, Text
from .measures import repeated, words
from .phrases import PhraseCounter
from .recorder import Record

__all__ = ["compare", "comparing"]

_WARM_UP = 4  # tokens that nobody measures
_CHANCE = random.SystemRandom()

MakeStrategy = Callable[[], Any] | None


def comparing(
    provider: BaseProvider,
    prompts: Sequence[str | Sequence[int]],
    contenders: Mapping[str, MakeStrategy],
    seeds: int = 5,
    *,
    seed: int | None = 0,
    max_new_tokens: int | None = 128,
    max_batch: int = 16,
    phrases: Sequence[str] | None = None,
    on_text: Callable[[Text], None] | None = None,
    **sampling: Any,
) -> Iterator[Comparison]:
    """What `compare` does, step by step: yields the same comparison at the beginning and as it grows.

    Whatever ends it in between, what it has yielded is whole: the same prompts of all contenders.
    """
    seeds, first = check_count("seeds", seeds), check_seed("seed", seed)
    first = _CHANCE.randrange(1 << 32) if first is None else first
    finder = PhraseCounter(STOCK_PHRASES if phrases is None else phrases)
    makers = {BASELINE: None, **_checked(contenders)}
    sampler = BacktrackSampler(provider)

    def batch_of(
        prompts: Sequence[Any], make: MakeStrategy, numbers: Sequence[int], limit: int | None = max_new_tokens
    ) -> Batch:
        own = [first + number * seeds + sample for number in numbers for sample in range(seeds)]
        return sampler.generate_batch(
            prompts, make, n=seeds, seeds=own, max_batch=max_batch, max_new_tokens=limit, **sampling
        )

    # Never run: they only check. What is wrong with the last strategy is said before the first has written.
    checked = [batch_of(prompts, make, range(len(prompts))) for make in makers.values()]
    tokens = [row.prompt for row in checked[0].rows[::seeds]]
    if not tokens:
        raise InputError("there are no prompts: give one at least")
    options = {**asdict(checked[0].rows[0].options), "max_new_tokens": max_new_tokens, **sampling}
    options.pop("on_event", None)
    del checked, options["seed"]
    found = Comparison(
        prompts=[given if isinstance(given, str) else provider.decode(given) for given in prompts],
        contenders=list(makers),
        seeds=seeds,
        settings={
            "model": provider.model_name,
            "seeds": seeds,
            "seed": first,
            "max_batch": max_batch,
            **options,
        },
        phrases=f"{'built-in list' if phrases is None else 'list'} of {len(finder.phrases):,}",
        built_in=phrases is None,
        costs={name: Stats() for name in makers},
    )
    yield found

    at_once = max(1, max_batch // seeds)
    batch_of(tokens[:at_once], None, range(at_once)[: len(tokens)], _WARM_UP).texts(return_exceptions=True)
    turns = list(makers)
    for start in range(0, len(tokens), at_once):
        numbers = range(start, min(start + at_once, len(tokens)))
        new: list[Text] = []
        costs = {}
        for name in turns:
            provider.reset()  # with the same seed, much of it would come from what the one before has left
            record = Record()
            batch = batch_of([tokens[number] for number in numbers], record.observing(makers[name]), numbers)
            with closing(batch.results()) as rows:  # type: ignore[type-var]  # a generator
                for row in rows:
                    new.append(_measured(name, numbers[row.index // seeds], row, record, provider, finder))
                    if on_text is not None:
                        on_text(new[-1])
            costs[name] = batch.stats
            costs[name].seconds -= record.seconds
        found.add(new, costs, numbers.stop)
        yield found
        turns = turns[1:] + turns[:1]  # whoever is first finds the machine as the last has left it


@like(comparing)
def compare(*args: Any, **options: Any) -> Comparison:
    """Write the same prompts with the same seeds in several ways, and measure what comes.

    A quick look, and no benchmark: speed is measured in turns, on a machine that may do other things as well.

    Args:
        provider: the model. What its memory holds is forgotten before each turn, so that no contender
            finds there what another one has left.
        prompts: texts, or token ids.
        contenders: a name, and what makes a strategy, or a list of them, for each stream; as in
            `generate_batch`. Before them comes the baseline, "none".
        seeds: texts of each contender for each prompt.
        seed: text `j` of prompt `i` has `seed + i * seeds + j`, whoever writes it, as in `generate_batch`.
            -1: a random one, which stands in `settings` then.
        max_new_tokens: most tokens of each text.
        max_batch: most texts at once.
        phrases: to be counted in the texts, as whole words; None: the built-in list, which anti-slop
            bans where it is given no other.
        on_text: called with each text when it is over.
        **sampling: the others are those of `BacktrackSampler.generate_batch`.

    Raises:
        InputError: something cannot be used; before anything is evaluated.
    """
    *_, found = comparing(*args, **options)
    return found


def _checked(contenders: Mapping[str, MakeStrategy]) -> Mapping[str, MakeStrategy]:
    if not isinstance(contenders, Mapping) or not contenders:
        raise InputError(
            "contenders must be names with what makes their strategies, such as {'mine': lambda: MyStrategy()}"
        )
    for name in contenders:
        if not isinstance(name, str) or not name.strip() or name == BASELINE:
            raise InputError(f"a contender cannot be called {name!r}: give it a name that is not {BASELINE!r}")
    return contenders


def _measured(
    name: str, prompt: int, row: TokenStream, record: Record, provider: BaseProvider, finder: PhraseCounter
) -> Text:
    text, stats, seed = row.text, row.stats, row.options.seed
    worth = record.log_probabilities.get(seed, [])[: len(row.tokens)]
    return Text(
        contender=name,
        prompt=prompt,
        seed=seed or 0,
        text=text,
        tokens=stats.emitted,
        discarded=stats.discarded,
        rollbacks=stats.rollbacks,
        finish_reason=stats.finish_reason,
        words=len(words(text)),
        repeated=repeated([token for token in row.tokens if token not in provider.eos_token_ids]),
        log_probability=math.fsum(worth) / len(worth) if worth else math.nan,
        places=tuple(finder.find(text)),
        error=" ".join(str(row.error).split()) if row.error is not None else "",
    )
