"""Do programs run here as they should? HumanEval's own solutions, which must all pass, and what confines them.

    python benchmarks/humaneval_check.py

Runs each canonical solution twice: once to see how long it needs, and again with the limit that follows from it,
which is that of what a model writes. Needs no model. Ends with status 1 where one of them does not pass.
"""

from __future__ import annotations

import sys
import time

from backtrack_sampler.benchmark.execution.programs import execute_all, processors
from backtrack_sampler.benchmark.tasks.human_eval import FLOOR, TIMES, _calibrated, canonical_programs
from backtrack_sampler.errors import BacktrackError


def main() -> int:
    begun = time.perf_counter()
    found = _calibrated()
    took = time.perf_counter() - begun
    programs = canonical_programs()
    again = execute_all([(parts, found.limits[name]) for name, parts in programs.items()])
    late = [name for name, execution in zip(programs, again, strict=True) if not execution.passed]
    passed = [name for name in programs if name not in {*found.failed, *late}]
    print(
        f"{len(passed)} of {len(programs)} canonical solutions pass; once each took {took:.1f} s on {processors()} processors"
    )
    for name in sorted({*found.failed, *late}):
        print(f"  {name}: {found.executions[name].outcome} {found.executions[name].detail}")
    seconds = sorted((execution.seconds, name) for name, execution in found.executions.items())
    print(
        f"processor time: median {seconds[len(seconds) // 2][0]:.3f} s, most {seconds[-1][0]:.3f} s ({seconds[-1][1]}); "
        f"limits, {TIMES} times that and {FLOOR:g} s at least: "
        f"{min(each.seconds for each in found.limits.values()):.1f} to {max(each.seconds for each in found.limits.values()):.1f} s"
    )
    gaps = "; ".join(f"{name} ({why})" for name, why in found.missing.items())
    print(f"what does not confine programs here: {gaps or 'nothing, all guards hold'}")
    return int(len(passed) < len(programs))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BacktrackError as error:
        sys.exit(f"humaneval_check: {error}")
