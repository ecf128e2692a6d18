"""Several ways of writing on the same prompts with the same seeds, and what came of each."""

from __future__ import annotations

import html
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..stats import Stats
from .intervals import Interval, percentiles, resampled
from .measures import distinct, words

__all__ = ["BASELINE", "MEASURES", "Comparison", "Measure", "Text"]

#: Who draws without any strategy: what all others are compared with.
BASELINE = "none"


@dataclass(frozen=True)
class Text:
    """One text of one contender.

    Attributes:
        contender: whose it is.
        prompt: the index of its prompt.
        seed: what it was drawn with.
        text: what was written.
        tokens: how many were kept, an end token among them.
        discarded: tokens taken back.
        rollbacks: how often.
        finish_reason: see `Finished.reason`.
        words: how many: see `measures.words`.
        repeated: the share of its 4-grams of tokens that were there before: see `measures.repeated`.
        log_probability: the model's own, in nats, the mean of its tokens; at temperature 1, without filters.
        places: where phrases of the list stand in it, each from its first character to after its last.
        error: what has ended it, or "".
    """

    contender: str
    prompt: int
    seed: int
    text: str
    tokens: int
    discarded: int
    rollbacks: int
    finish_reason: str
    words: int
    repeated: float
    log_probability: float
    places: tuple[tuple[int, int], ...] = ()
    error: str = ""

    @property
    def phrases(self) -> int:
        """How many phrases of the list were found."""
        return len(self.places)


@dataclass(frozen=True)
class Measure:
    """A line of the table.

    Attributes:
        name: in files.
        label: for people.
        show: a value, written out.
        of: what it is, of a contender's texts and of what they have cost.
        parts: for a mean: what is added up, and what that is divided by, of each text. Such a value has
            an interval.
    """

    name: str
    label: str
    show: Callable[[float], str]
    of: Callable[[Sequence[Text], Stats], float]
    parts: Callable[[Text], tuple[float, float]] | None = None


def _mean(name: str, label: str, show: Callable[[float], str], parts: Callable[[Text], tuple[float, float]]) -> Measure:
    return Measure(name, label, show, lambda texts, _: _ratio(map(parts, texts)), parts)


def _ratio(parts: Any) -> float:
    above, below = 0.0, 0.0
    for more, each in parts:
        above += more
        below += each
    return above / below if below else math.nan


def _exhausted(texts: Sequence[Text]) -> int:
    return sum(text.finish_reason == "exhausted" for text in texts)


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _one(value: float) -> str:
    return f"{value:z,.1f}"


def _two(value: float) -> str:
    return f"{value:z.2f}"


def _three(value: float) -> str:
    return f"{value:z.3f}"


def _percent(value: float) -> str:
    return f"{value:z.1%}"


def _distinct(size: int) -> Measure:
    return Measure(
        f"distinct_{size}", f"distinct-{size}", _three, lambda texts, _: distinct((words(t.text) for t in texts), size)
    )


#: What is told of each contender, in this order.
MEASURES = (
    Measure("texts", "texts", _whole, lambda texts, _: len(texts)),
    _mean("tokens_per_text", "tokens a text", _one, lambda t: (t.tokens, 1)),
    _mean("words_per_text", "words a text", _one, lambda t: (t.words, 1)),
    Measure("discarded", "tokens taken back", _whole, lambda texts, _: sum(t.discarded for t in texts)),
    _mean("share_discarded", "... of all drawn", _percent, lambda t: (t.discarded, t.tokens + t.discarded)),
    Measure("rollbacks", "rollbacks", _whole, lambda texts, _: sum(t.rollbacks for t in texts)),
    Measure("forward_passes", "forward passes", _whole, lambda _, cost: cost.forward_passes),
    Measure("evaluated_tokens", "tokens evaluated", _whole, lambda _, cost: cost.evaluated_tokens),
    Measure(
        "tokens_per_second", "tokens a second", _one,
        lambda _, cost: cost.emitted / cost.seconds if cost.seconds > 0 else math.nan,
    ),
    _mean("repeated_4_grams", "repeated 4-grams", _percent, lambda t: (t.repeated, 1)),
    *map(_distinct, (1, 2, 3)),
    _mean("log_probability", "log-probability", _two, lambda t: (t.tokens and t.log_probability * t.tokens, t.tokens)),
    _mean("phrases_per_1000_words", "phrases/1,000 words", _one, lambda t: (1000 * t.phrases, t.words)),
    Measure("exhausted", "ended exhausted", _whole, lambda texts, _: _exhausted(texts)),
)  # fmt: skip


@dataclass(repr=False)
class Comparison:
    """What was compared, and what came of it; it may still grow.

    Attributes:
        prompts: as given.
        contenders: their names, the baseline first.
        seeds: texts of each contender for each prompt.
        settings: how they were written; for people and for files.
        phrases: what the list of phrases is, in words.
        built_in: whether it is the built-in one.
        texts: those of the prompts that are complete, prompt by prompt, seed by seed, in the order of the
            contenders. A text that has failed is there, with its error, and counts nowhere else.
        costs: what the texts of each contender have cost together, those that have failed as well.
        done: so many prompts are complete.
    """

    prompts: list[str]
    contenders: list[str]
    seeds: int
    settings: dict[str, Any]
    phrases: str
    built_in: bool = False
    texts: list[Text] = field(default_factory=list)
    costs: dict[str, Stats] = field(default_factory=dict)
    done: int = 0
    _intervals: dict[tuple[str, int], dict[str, Interval | None]] = field(default_factory=dict, compare=False)

    @property
    def complete(self) -> bool:
        return self.done == len(self.prompts)

    @property
    def failed(self) -> int:
        """How many texts have ended with an error."""
        return sum(bool(text.error) for text in self.texts)

    def of(self, contender: str) -> list[Text]:
        """The texts of a contender that have not failed."""
        return [text for text in self.texts if text.contender == contender and not text.error]

    def reasons(self, contender: str) -> dict[str, int]:
        """Why the texts of a contender ended, the most frequent reason first."""
        reasons = Counter(
            "error" if text.error else text.finish_reason for text in self.texts if text.contender == contender
        )
        return dict(reasons.most_common())

    def value(self, contender: str, measure: Measure) -> float:
        """What a measure says of a contender; NaN where it says nothing."""
        return float(measure.of(self.of(contender), self.costs.get(contender, Stats())))

    def pairs(self, contender: str) -> list[list[tuple[Text, Text]]]:
        """For each prompt the texts of a contender, each with the baseline's of the same seed."""
        plain = {(text.prompt, text.seed): text for text in self.of(self.contenders[0])}
        groups: dict[int, list[tuple[Text, Text]]] = {}
        for text in self.of(contender):
            if other := plain.get((text.prompt, text.seed)):
                groups.setdefault(text.prompt, []).append((text, other))
        return list(groups.values())

    def changed(self, contender: str) -> int:
        """How many texts of a contender are not what the baseline has written with the same seed."""
        return sum(one.text != other.text for pairs in self.pairs(contender) for one, other in pairs)

    def difference(self, contender: str, measure: Measure) -> Interval | None:
        """The 95% interval of what a contender has more than the baseline, text by text with the same seed.

        None where a measure is no mean, and where there are too few texts. See `intervals.bootstrap`.
        """
        key = contender, len(self.texts)
        if key not in self._intervals:
            self._intervals[key] = self._differences(contender)
        return self._intervals[key].get(measure.name)

    def _differences(self, contender: str) -> dict[str, Interval | None]:
        """The intervals of all means: the same samples serve them all."""
        means = [measure for measure in MEASURES if measure.parts is not None]
        if contender == self.contenders[0]:
            return {}
        groups = [[_flat(means, pair) for pair in pairs] for pairs in self.pairs(contender)]
        found: list[list[float]] = [[] for _ in means]
        for drawn in resampled(groups):
            sums = list(map(sum, zip(*drawn, strict=True)))
            for index, values in enumerate(found):
                above, below, other_above, other_below = sums[4 * index : 4 * index + 4]
                if below and other_below:
                    values.append(above / below - other_above / other_below)
        return {measure.name: percentiles(values) for measure, values in zip(means, found, strict=True)}

    def add(self, texts: Iterable[Text], costs: Mapping[str, Stats], done: int) -> None:
        """More prompts are complete."""
        place = {name: index for index, name in enumerate(self.contenders)}
        self.texts += sorted(texts, key=lambda text: (text.prompt, text.seed, place[text.contender]))
        for name, cost in costs.items():
            self.costs[name] = _sum([self.costs.get(name, Stats()), cost])
        self.done = done

    @property
    def total(self) -> Stats:
        """What all contenders have cost together."""
        return _sum(self.costs.values())

    # -- as a table, a file, a page --------------------------------------------------------

    def table(self, columns: int = 80) -> str:
        """The table as text that fits so many columns."""
        from .table import table

        return table(self, columns)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a row a contender."""
        from .files import contenders_csv, write

        write(path, contenders_csv(self))

    def to_texts_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a row a text."""
        from .files import texts_csv, write

        write(path, texts_csv(self))

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write everything: settings, contenders, texts."""
        from .files import as_json, write

        write(path, as_json(self))

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write a page that needs nothing else: the table, and the texts side by side."""
        from .files import write
        from .page import page

        write(path, page(self))

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"Comparison({', '.join(self.contenders)}: {self.done} of {len(self.prompts)} prompts)"

    def _repr_html_(self) -> str:
        """In a notebook, it shows its table, also where scripts are not run."""
        return f"<pre>{html.escape(self.table(100))}</pre>"


def _flat(means: Sequence[Measure], pair: tuple[Text, Text]) -> list[float]:
    """What is added up, of both texts, of one measure after the other."""
    return [part for measure in means if measure.parts for text in pair for part in measure.parts(text)]


def _sum(costs: Iterable[Stats]) -> Stats:
    total = Stats()
    for cost in costs:
        for name in ("emitted", "discarded", "rollbacks", "forward_passes", "evaluated_tokens", "seconds"):
            setattr(total, name, getattr(total, name) + getattr(cost, name))
    return total
