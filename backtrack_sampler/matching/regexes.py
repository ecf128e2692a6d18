"""Regular expressions over a growing text that can be taken back, in linear time.

Python's `re` backtracks: it can take forever on a line of text, cannot say whether a match is
still possible, and must start over after a rollback. This is Thompson's simulation (1968) over
the tree that Python's own parser gives, so the syntax is the one everybody knows: per character
it advances every thread once, a state is a value that a rollback simply returns to, and a live
thread is a match that is still possible.

What has no such automaton (look-around, back-references) is refused with a clear message. A
thread older than `max_span` characters is dropped, so that after `not only .* but` the rest of the
stream is not pending for ever: longer matches are not found.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from ..errors import InputError

__all__ = ["NO_THREADS", "RegexAutomaton", "Running", "Threads"]

#: NFA state -> where the earliest and the latest match through it began. The earliest is the one to
#: report; the latest goes on when the earliest has become too long, or is not wanted.
Threads = Mapping[int, tuple[int, int]]


class Running(NamedTuple):
    """What a rollback returns to.

    Attributes:
        threads: matches that are still possible.
        if_over: those that are possible only where the text ends here: `$` has taken the line break that came
            last for the end of the text, as Python does.
        found_if_over: likewise, matches as (start, end, pattern) that are complete.
    """

    threads: Threads
    if_over: Threads
    found_if_over: tuple[tuple[int, int, int], ...]

    @property
    def first(self) -> int:
        """Where the earliest match that is still possible begins; out of reach where none is."""
        begun = [first for threads in (self.threads, self.if_over) for first, _ in threads.values()]
        return min([*begun, *(start for start, _, _ in self.found_if_over)], default=sys.maxsize)


NO_THREADS = Running({}, {}, ())

_MAX_STATES = 20_000
_LAST_BREAK = "\n."  # how a gap is told of a line break that may be the end of the text

Accepts = Callable[[str], bool]
Gap = Callable[[str, str], bool]  # assertion between what `step` calls `before` and a character, "" at the end


def _is_word(character: str) -> bool:
    """Whether it is a letter, a digit or an underscore, as `\\w` means it."""
    return character.isalnum() or character == "_"


_CATEGORIES: dict[Any, Accepts] = {
    sre.CATEGORY_DIGIT: str.isdecimal,
    sre.CATEGORY_NOT_DIGIT: lambda c: not c.isdecimal(),
    sre.CATEGORY_SPACE: str.isspace,
    sre.CATEGORY_NOT_SPACE: lambda c: not c.isspace(),
    sre.CATEGORY_WORD: _is_word,
    sre.CATEGORY_NOT_WORD: lambda c: not _is_word(c),
}


def _boundary(before: str, after: str) -> bool:
    return _is_word(before[-1:]) != _is_word(after[:1])


def _gaps(multiline: bool) -> dict[Any, Gap]:
    return {
        sre.AT_BOUNDARY: _boundary,
        sre.AT_NON_BOUNDARY: lambda a, b: not _boundary(a, b),
        sre.AT_BEGINNING: lambda a, b: a[-1:] in ("", "\n") if multiline else len(a) != 1,
        sre.AT_BEGINNING_STRING: lambda a, b: len(a) != 1,
        sre.AT_END: lambda a, b: b in ("", _LAST_BREAK) or (multiline and b == "\n"),
        sre.AT_END_STRING: lambda a, b: b == "",
    }


class RegexAutomaton:
    """Finds the shortest, earliest match of any of several regular expressions.

    Args:
        patterns: regular expressions in Python's syntax; they see the text as it is written.
        ignore_case: as re.IGNORECASE.
        max_span: longest match that is looked for, in characters.

    Attributes:
        too_long: indices of patterns whose shortest match is longer than that.

    Raises:
        InputError: a pattern that is broken, matches the empty text, or uses look-around or
            back-references.
    """

    def __init__(self, patterns: Iterable[str], *, ignore_case: bool = False, max_span: int = 200) -> None:
        self.max_span = max_span
        self._steps: list[tuple[Accepts, int] | None] = []  # state -> (test, next state)
        self._free: list[list[int]] = []  # state -> states reached without a character
        self._guarded: list[list[tuple[Gap, int]]] = []  # ... where the gap allows it
        self._accepting: dict[int, int] = {}  # state -> pattern
        self._reached: dict[int, tuple[int, ...]] = {}
        self._knows_last_break = False  # whether any pattern asks for it
        self.too_long: list[int] = []
        starts = []
        for index, pattern in enumerate(patterns):
            starts.append(self._compile(index, pattern, ignore_case))
        self._initial = self._closure(starts)
        self._anchored = [state for state in self._initial if self._guarded[state]]
        self._entry: dict[tuple[str, str], tuple[int, ...]] = {}  # gap -> states after a fresh start

    # -- running ---------------------------------------------------------------------------

    def step(
        self, running: Running, position: int, before: str, character: str
    ) -> tuple[Running, list[tuple[int, int, int]]]:
        """Advance by one character.

        Args:
            running: what the last step returned (`NO_THREADS` at the beginning).
            position: index of `character` in the text.
            before: the character before it. At the beginning of the text: "" or, where it goes on
                from another one, two characters, of which the second is the last of that one.
            character: the new one.

        Returns:
            What runs now, and matches as (start, end, pattern); those that had waited for this
            character to settle a boundary end before it.
        """
        found: list[tuple[int, int, int]] = []
        live = self._cross(running.threads, before, character, position, found)
        after = self._consumed(live, before, character, character, position, found)
        if not self._knows_last_break or character != "\n":
            return Running(after, {}, ()) if after else NO_THREADS, found
        certain = set(found)
        over: list[tuple[int, int, int]] = []
        live = self._cross(running.threads, before, _LAST_BREAK, position, over)
        if_over = self._consumed(live, before, character, _LAST_BREAK, position, over)
        return Running(after, if_over, tuple(match for match in over if match not in certain)), found

    def finish(self, running: Running, position: int, before: str) -> list[tuple[int, int, int]]:
        """The text ends at `position`: matches that only waited for that."""
        found = list(running.found_if_over)
        self._cross(running.threads, before, "", position, found)
        self._cross(running.if_over, before, "", position, found)
        return list(dict.fromkeys(found))

    def _consumed(
        self, live: Threads, before: str, character: str, gap: str, position: int, found: list[tuple[int, int, int]]
    ) -> Threads:
        """The threads behind a character, those that begin with it among them."""
        after: dict[int, tuple[int, int]] = {}
        oldest = position + 1 - self.max_span
        for state, (first, last) in live.items():
            step = self._steps[state]
            if step is not None and last >= oldest and step[0](character):
                for target in self._reach(step[1]):
                    _merge(after, target, first if first >= oldest else last, last)
        for target in self._fresh(before, character, gap):
            _merge(after, target, position, position)
        self._collect(after, position + 1, found)
        return after

    def _cross(
        self,
        threads: Threads,
        before: str,
        character: str,
        position: int,
        found: list[tuple[int, int, int]],
    ) -> Threads:
        """Pass the assertions that hold between these two characters."""
        crossed: dict[int, tuple[int, int]] = {}
        for state, (first, last) in threads.items():
            for target in self._pass(state, before, character):
                _merge(crossed, target, first, last)
        if not crossed:
            return threads
        self._collect(crossed, position, found)
        for state, (first, last) in threads.items():
            _merge(crossed, state, first, last)
        return crossed

    def _pass(self, state: int, before: str, character: str) -> set[int]:
        """States reached from one state through at least one assertion."""
        reached: set[int] = set()
        todo = [target for holds, target in self._guarded[state] if holds(before, character)]
        while todo:
            for target in self._reach(todo.pop()):
                if target not in reached:
                    reached.add(target)
                    todo += [t for holds, t in self._guarded[target] if holds(before, character)]
        return reached

    def _fresh(self, before: str, character: str, gap: str) -> tuple[int, ...]:
        """States after `character` of matches that begin with it, remembered. `gap`: what assertions are told of it."""
        key = (before if self._anchored else "", gap)
        states = self._entry.get(key)
        if states is None:
            reached = self._consume(self._initial, character)
            for state in self._anchored:
                reached |= self._consume(self._pass(state, before, gap), character)
            states = self._entry[key] = tuple(reached)
        return states

    def _consume(self, states: Iterable[int], character: str) -> set[int]:
        steps = (self._steps[state] for state in states)
        return self._closure([s[1] for s in steps if s is not None and s[0](character)])

    def _collect(self, threads: Threads, end: int, found: list[tuple[int, int, int]]) -> None:
        for state, (first, last) in threads.items():
            if state in self._accepting:
                pattern = self._accepting[state]
                found += [(start, end, pattern) for start in {first, last} if start < end]

    def _reach(self, state: int) -> tuple[int, ...]:
        """The closure of one state, remembered."""
        reached = self._reached.get(state)
        if reached is None:
            reached = self._reached[state] = tuple(self._closure([state]))
        return reached

    def _closure(self, states: Iterable[int]) -> set[int]:
        reached = set(states)
        todo = list(reached)
        while todo:
            for target in self._free[todo.pop()]:
                if target not in reached:
                    reached.add(target)
                    todo.append(target)
        return reached

    # -- building --------------------------------------------------------------------------

    def _compile(self, index: int, pattern: str, ignore_case: bool) -> int:
        try:
            tree = sre_parser.parse(pattern, re.IGNORECASE if ignore_case else 0)
        except (re.error, OverflowError, RecursionError) as error:
            raise InputError(f"broken regular expression {pattern!r}: {error}") from None
        if ignored := tree.state.flags & (re.ASCII | re.LOCALE):
            raise InputError(f"regular expression {pattern!r} asks for {re.RegexFlag(ignored).name}: leave that out")
        self._most_states = len(self._free) + _MAX_STATES
        start, end = self._state(pattern), self._state(pattern)
        self._build(tree, tree.state.flags, start, end, pattern)
        # An assertion alone does not make a match: ^ or \b match nothing that could be taken back.
        reached = self._closure([start])
        todo = list(reached)
        while todo:
            for _, target in self._guarded[todo.pop()]:
                for state in self._closure([target]) - reached:
                    reached.add(state)
                    todo.append(state)
        if end in reached:
            raise InputError(f"regular expression {pattern!r} matches the empty text: ban something longer")
        self._accepting[end] = index
        if tree.getwidth()[0] > self.max_span:
            self.too_long.append(index)
        return start

    def _state(self, pattern: str) -> int:
        if len(self._free) >= self._most_states:
            raise InputError(f"regular expression {pattern!r} is too large: use smaller repeat counts")
        self._steps.append(None)
        self._free.append([])
        self._guarded.append([])
        return len(self._free) - 1

    def _build(self, tree: Any, flags: int, start: int, end: int, pattern: str) -> None:
        """Add the states of a parse tree between two states."""
        here = start
        for operation, argument in tree:
            there = self._state(pattern)
            self._build_one(operation, argument, flags, here, there, pattern)
            here = there
        self._free[here].append(end)

    def _build_one(self, operation: Any, argument: Any, flags: int, start: int, end: int, pattern: str) -> None:
        test = _test(operation, argument, flags)
        if test is not None:
            own = self._state(pattern)
            self._free[start].append(own)
            self._steps[own] = (test, end)
        elif operation is sre.SUBPATTERN:
            _, add, remove, tree = argument
            self._build(tree, (flags | add) & ~remove, start, end, pattern)
        elif operation is sre.BRANCH:
            for tree in argument[1]:
                self._build(tree, flags, start, end, pattern)
        elif operation in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            self._build_repeat(argument, flags, start, end, pattern)
        elif operation is sre.AT:
            gap = _gaps(bool(flags & re.MULTILINE))[argument]
            self._knows_last_break |= argument is sre.AT_END
            self._guarded[start].append((gap, end))
        else:
            name = str(operation).lower().replace("_", " ")
            raise InputError(
                f"regular expression {pattern!r} uses {name}, which cannot be matched in linear time: "
                "write it without look-around, back-references or atomic groups"
            )

    def _build_repeat(self, argument: Any, flags: int, start: int, end: int, pattern: str) -> None:
        least, most, tree = argument
        here = start
        for _ in range(least):
            there = self._state(pattern)
            self._build(tree, flags, here, there, pattern)
            here = there
        if most is sre.MAXREPEAT:
            loop = self._state(pattern)
            self._free[here].append(loop)
            back = self._state(pattern)
            self._build(tree, flags, loop, back, pattern)
            self._free[back].append(loop)
            self._free[loop].append(end)
            return
        for _ in range(most - least):
            self._free[here].append(end)
            there = self._state(pattern)
            self._build(tree, flags, here, there, pattern)
            here = there
        self._free[here].append(end)


def _merge(threads: dict[int, tuple[int, int]], state: int, first: int, last: int) -> None:
    known = threads.get(state)
    threads[state] = (first, last) if known is None else (min(first, known[0]), max(last, known[1]))


def _test(operation: Any, argument: Any, flags: int) -> Accepts | None:
    """What one character must satisfy; None where the operation is not about one character."""
    if operation is sre.LITERAL:
        return _is_literal(argument, flags)
    if operation is sre.NOT_LITERAL:
        same = _is_literal(argument, flags)
        return lambda c: not same(c)
    if operation is sre.ANY:
        return (lambda c: True) if flags & re.DOTALL else (lambda c: c != "\n")
    if operation is not sre.IN:
        return None
    negate = argument[0][0] is sre.NEGATE
    tests = [_set_member(kind, value) for kind, value in argument[negate:]]
    inside = _either_case(lambda c: any(test(c) for test in tests), flags)
    return (lambda c: not inside(c)) if negate else inside


def _is_literal(code: int, flags: int) -> Accepts:
    wanted = chr(code)
    others = _other_cases(wanted) if flags & re.IGNORECASE else ()
    return _either_case({wanted, *others}.__contains__, flags)


def _set_member(kind: Any, value: Any) -> Accepts:
    if kind is sre.LITERAL:
        return {chr(value)}.__contains__
    if kind is sre.RANGE:
        low, high = value
        return lambda c: low <= ord(c) <= high
    return _CATEGORIES[value]


def _either_case(test: Accepts, flags: int) -> Accepts:
    if not flags & re.IGNORECASE:
        return test
    return lambda c: test(c) or any(map(test, _other_cases(c)))


@lru_cache(maxsize=4096)
def _other_cases(character: str) -> tuple[str, ...]:
    """The same letter in other cases; both ways round, for those that share a capital, as the Kelvin sign and k."""
    lower, upper = character.lower(), character.upper()
    # upper() can give two characters ("\u00df"): such a character has no single counterpart.
    return tuple(each for each in {lower, upper, lower.upper(), upper.lower()} - {character} if len(each) == 1)
