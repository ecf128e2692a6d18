"""What has been found, in sentences: what is better than what, at which price, and what does as well for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ..rows import BEST_OF_N, MAJORITY
from ..table import Table
from ..table.entries import ALL_TASKS, BASELINE, BETTER, CHEAP, SLACK, UNDECIDED, WORSE, Comparison, Entry
from .wording import change, listed, number, probability, score, span, times

__all__ = ["verdicts"]

Named = Callable[[str], str]

_IN_FULL = 8  # strategies that help have sentences of their own, unless they are more
_IN_LIST = 15
_PLAIN = {BEST_OF_N: "best-of-n", MAJORITY: "a majority vote"}


def verdicts(table: Table, named: Named = str) -> list[str]:
    """Sentences, the most important first. They say what the table says, and nothing else.

    Args:
        table: with at least one item.
        named: how names of rows and tasks are written, such as in bold letters.
    """
    column = table.columns[0]
    entries = table.entries(column)
    strategies = [entry for entry in entries if entry.row.kind == "strategy"]
    found: list[str] = []
    if strategies:
        by = {verdict: [e for e in strategies if _of(e, BASELINE).verdict == verdict] for verdict in _ALL}
        helping = sorted(by[BETTER], key=lambda entry: -_of(entry, BASELINE).difference.value)
        found.append(_summary(strategies, by, column))
        found += [_helps(entry, named) for entry in helping[:_IN_FULL]]
        if rest := helping[_IN_FULL:]:
            found.append(f"Better than their baselines as well: {_differences(rest, named)}.")
        if acting := [entry for entry in by[UNDECIDED] if not _idle(entry)]:
            found.append(_not_told(acting, named))
        if idle := [entry for entry in by[UNDECIDED] if _idle(entry)]:
            found.append(_never(idle, named))
        if by[WORSE]:
            found.append(f"Worse than their baselines: {_differences(by[WORSE], named, priced=True)}.")
    else:
        found.append("There are only controls here: nothing that takes tokens back was run.")
    found += [_free(entries, named), *_on_single_tasks(table, named)]
    if failed := sum(entry.failed for entry in entries):
        found.append(
            f"{failed:,} text{'s have' if failed != 1 else ' has'} ended with an error; such texts count as wrong."
        )
    return [sentence for sentence in found if sentence]


_ALL = (BETTER, UNDECIDED, WORSE)


def _of(entry: Entry, against: str) -> Comparison:
    return entry.comparisons[against]


def _summary(strategies: Sequence[Entry], by: dict[str, list[Entry]], column: str) -> str:
    """How many help, and how many of these are worth their price."""
    counts = [
        f"{_some(by[BETTER])} better than the same sampling alone",
        f"{_some(by[WORSE])} worse",
        f"{len(by[UNDECIDED]) or 'none'} cannot be told from it",
    ]
    if idle := sum(map(_idle, by[UNDECIDED])):
        counts[-1] += f", {'which' if idle == len(by[UNDECIDED]) else f'{idle} of which'} never took anything back"
    family = max(_of(entry, BASELINE).family for entry in strategies)
    where = f"on {column} together" if column == ALL_TASKS else "on the one task here"
    said = f"Of {_count(strategies, 'strategy', 'strategies')}, {listed(counts)} ({where}"
    said += f"; p-values corrected for {family} comparisons)." if family > 1 else ")."
    worth = [entry for entry in strategies if all(each.verdict == BETTER for each in entry.comparisons.values())]
    if by[BETTER]:
        said += f" {_some(worth).capitalize()} better than every control here that costs as much or less"
        said += f" (at most {SLACK:.0%} more drawn tokens)."
        if once := [entry for entry in worth if _twins(entry, BASELINE)]:
            said += f" For {len(once)} of these, some of these controls are the baseline again."
    return said


def _helps(entry: Entry, named: Named) -> str:
    """One that is better than its baseline: by how much, for what, and what else could be had for that."""
    base = _of(entry, BASELINE)
    said = (
        f"{named(entry.name)} is better than {named(base.control)}: "
        f"{score(entry.score)} against {score(base.score.value)} "
        f"({change(base.difference.value)}, 95% interval {span(base.difference.low, base.difference.high, True)}, "
        f"{probability(base.p)}), for {times(entry.price or 1)} times the tokens ({number(entry.drawn)} an item)."
    )
    if same := _twins(entry, BASELINE):
        names = listed([_control(entry, each, named) for each in same])
        said += f" Here {names} {'is' if len(same) == 1 else 'are'} the same as {named(base.control)}."
    others = [each for against, each in entry.comparisons.items() if against != BASELINE and not each.same_as]
    but = "But it"
    for verdict, words in ((WORSE, "is worse than"), (UNDECIDED, "cannot be told from"), (BETTER, "is better than")):
        if some := [_control(entry, each, named) for each in others if each.verdict == verdict]:
            said += f" {'It' if verdict == BETTER else but} {words} {listed(some)}."
            but = "It"
    return said


def _twins(entry: Entry, against: str) -> list[Comparison]:
    """Controls that are no further evidence: they have the same score on every item as this one, by other names."""
    control = _of(entry, against).control
    return [each for each in entry.comparisons.values() if each.same_as == against and each.control != control]


def _control(entry: Entry, found: Comparison, named: Named) -> str:
    if found.against == CHEAP:
        return f"{named(found.control)} ({score(found.score.value)} for {number(found.drawn)} tokens an item)"
    drawn_by = entry.row.beside[found.against].arm
    own = entry.row.baseline is None or drawn_by == entry.row.baseline.arm
    of = "" if own else f" of {named(drawn_by.name)}"
    samples = entry.beside[found.against].samples if found.against in entry.beside else None
    so_many = f", about {samples:.1f} samples an item" if samples is not None else ""
    same = [_PLAIN.get(each.against) or named(each.control) for each in _twins(entry, found.against)]
    alike = f"; here the same as {listed(same)}" if same else ""
    return f"{_PLAIN.get(found.against, found.against)}{of} at equal cost ({score(found.score.value)}{so_many}{alike})"


def _not_told(entries: Sequence[Entry], named: Named) -> str:
    visible = sorted(_of(entry, BASELINE).visible_corrected for entry in entries)
    said = (
        f"Not distinguishable from {'its baseline' if len(entries) == 1 else 'their baselines'}: "
        f"{_differences(entries, named)}. "
    )
    if visible[-1] > 1:
        return said + "With so few items hardly any difference could have been shown."
    small, large = score(visible[0]), score(visible[-1])
    return said + (
        f"A true difference of {small if small == large else f'{small} to {large}'} would be found here at least four "
        "times in five; a smaller one may have been missed."
    )


def _idle(entry: Entry) -> bool:
    """Whether it has never acted: nothing was taken back, and nothing is otherwise than the baseline has it."""
    base = _of(entry, BASELINE)
    return entry.rollbacks == 0 and base.difference.changed == 0 and entry.drawn == base.drawn


def _never(entries: Sequence[Entry], named: Named) -> str:
    some = listed([named(entry.name) for entry in entries])
    its = "its baseline writes" if len(entries) == 1 else "their baselines write"
    return f"Never took anything back, and wrote what {its}: {some}. Nothing was tested there."


def _differences(entries: Sequence[Entry], named: Named, priced: bool = False) -> str:
    def one(entry: Entry) -> str:
        price = f" for {times(entry.price or 1)} times the tokens" if priced else ""
        return f"{named(entry.name)} ({change(_of(entry, BASELINE).difference.value)}{price})"

    some = [one(entry) for entry in entries[:_IN_LIST]]
    return listed([*some, f"{len(entries) - _IN_LIST} more"] if len(entries) > _IN_LIST else some)


def _free(entries: Iterable[Entry], named: Named) -> str:
    """The best of what takes nothing back and draws once."""
    controls = sorted((each for each in entries if each.row.kind == "control"), key=lambda entry: -entry.score)
    if not controls:
        return ""
    best, *others = controls
    said = (
        f"Without any strategy, {named(best.name)} scores {score(best.score)} for {number(best.drawn)} tokens an item"
    )
    if others:
        said += f": the best of {len(controls)} controls that draw once and take nothing back"
    return said + "."


def _on_single_tasks(table: Table, named: Named) -> Iterator[str]:
    """Where one task says what all of them together do not."""
    if table.columns[0] != ALL_TASKS:
        return
    whole = {entry.name: entry for entry in table.entries(ALL_TASKS)}
    found: dict[str, dict[str, list[str]]] = {BETTER: {}, WORSE: {}}
    for task in table.columns[1:]:
        for entry in table.entries(task):
            verdict = _of(entry, BASELINE).verdict if entry.comparisons else UNDECIDED
            if verdict in found and verdict != _of(whole[entry.name], BASELINE).verdict:
                said = f"{named(entry.name)} ({change(_of(entry, BASELINE).difference.value)})"
                found[verdict].setdefault(task, []).append(said)
    for verdict, tasks in found.items():
        if tasks:
            where = "; ".join(f"on {named(task)} {listed(some[:_IN_LIST])}" for task, some in tasks.items())
            yield f"{verdict.capitalize()} on single tasks only: {where}."


def _some(entries: Sequence[Entry]) -> str:
    return f"{len(entries) or 'none'} {'is' if len(entries) < 2 else 'are'}"


def _count(some: Sequence[object], word: str, many: str) -> str:
    return f"{len(some)} {word if len(some) == 1 else many}"
