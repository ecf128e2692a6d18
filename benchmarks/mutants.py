"""Which changes to the core would no test notice? A mutation run over sessions, sampling, strategies and operators.

make mutants                                                   # all: hours; goes on where it was stopped
python benchmarks/mutants.py --sample 500                      # so many, by chance: the score and how sure it is
python benchmarks/mutants.py "backtrack_sampler.rollback*"     # one module, or one function, again
mutmut show NAME                                               # what a survivor has changed

The settings are in pyproject.toml, under `tool.mutmut`. Two things differ from mutmut's own changes: a call, or a
`del`, that stands alone is left out as well, for such are the guards that forget something after a rollback; and
texts stay as they are, since they are messages. One process runs, so that the machine can be used.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libcst as cst
from mutmut.mutation import mutators
from mutmut.workers import isolation

RESULTS = Path("mutants")
TEXTS = [entry for entry in mutators.mutation_operators if entry[1] is mutators.operator_string]
UNTOUCHED, KILLED, SURVIVED, UNTESTED = None, (1, 3), 0, 33  # exit codes; any other is a time limit


def left_out(statement: cst.Expr | cst.Del) -> Iterator[cst.Pass]:
    """Nothing in place of a statement that only does something."""
    if isinstance(statement, cst.Del) or isinstance(statement.value, cst.Call):
        yield cst.Pass()


def summary() -> str:
    """A row a file, and the names of those that no test has noticed."""
    rows, survivors, every = [], [], Counter[str]()
    for path in sorted(RESULTS.rglob("*.py.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        if not codes:
            continue
        found = Counter(map(verdict, codes.values()))
        survivors += [
            f"{verdict(code)}: {name}" for name, code in codes.items() if verdict(code) in ("survived", "untested")
        ]
        every += found
        rows.append(row(str(path.relative_to(RESULTS)).removesuffix(".meta"), found))
    heading = "| file | changes | noticed | survived | untested | not run | noticed |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    return "\n".join([*survivors, "", heading, *rows, row("all", every), "", f"noticed of all: {interval(every)}"])


def verdict(code: int | None) -> str:
    names = {UNTOUCHED: "not run", SURVIVED: "survived", UNTESTED: "untested"}
    return names.get(code, "noticed")  # by a test that fails, or that does not end


def row(name: str, found: Counter[str]) -> str:
    tried = found.total() - found["not run"]
    share = f"{found['noticed'] / tried:.1%}" if tried else "-"
    return f"| {name} | {found.total()} | {found['noticed']} | {found['survived']} | {found['untested']} | {found['not run']} | {share} |"


def interval(found: Counter[str]) -> str:
    """Where the share lies, at 95% (Wilson's interval), when only some were tried."""
    tried, z = found.total() - found["not run"], 1.96
    if not found["not run"] or not tried:
        return "see above"
    share = found["noticed"] / tried
    middle = (share + z * z / (2 * tried)) / (1 + z * z / tried)
    half = z / (1 + z * z / tried) * math.sqrt(share * (1 - share) / tried + (z / (2 * tried)) ** 2)
    return f"between {middle - half:.1%} and {middle + half:.1%}, by a sample of {tried}"


def take_sample(program: Any, count: int) -> None:
    """Let mutmut try only some, the same ones each time."""
    collect = program.collect_source_file_mutation_data

    def sampled(**options: Any) -> Any:
        mutants, files = collect(**options)
        return random.Random(0).sample(mutants, min(count, len(mutants))), files

    program.collect_source_file_mutation_data = sampled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="of changes, with * for any part; all where there are none")
    parser.add_argument("--sample", type=int, help="try so many of them")
    options = parser.parse_args()
    operators = mutators.mutation_operators
    assert isinstance(operators, list)
    for entry in TEXTS:
        operators.remove(entry)
    operators += [(cst.Expr, left_out), (cst.Del, left_out)]
    # It would signal a process by its number even after that has ended and the number is another's. Endless changes
    # are ended by pytest's own time limit for a test, and by the limit of processor time.
    isolation.register_timeout = lambda pid, timeout_s: None
    from mutmut import __main__ as program

    if options.sample:
        take_sample(program, options.sample)
    try:
        program.cli(["run", "--max-children", "1", *options.names], standalone_mode=False)
    finally:
        print(summary())


if __name__ == "__main__":
    main()
