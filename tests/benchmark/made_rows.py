"""An experiment made up from a seed: what a table, a file or a page is made from, without a model."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from backtrack_sampler.benchmark.arms import Arm, digest, sampling_of
from backtrack_sampler.benchmark.controls import PICKS
from backtrack_sampler.benchmark.records import Record
from backtrack_sampler.benchmark.results import Results, Trial
from backtrack_sampler.benchmark.rows import BEST_OF_N, MAJORITY, ORACLE, Outcome, Row
from backtrack_sampler.benchmark.tasks import Item

__all__ = ["CONTROLS", "STRATEGIES", "TASKS", "made_results", "made_rows"]

#: What a page could trip over, in answers.
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<b>7</b>",
    '"',
    ",",
    "=1+1",
    "漢字",
    "\u202eabc",
    "\n",
    "{{data}}",
    "&lt;",
]

#: name -> what an arm scores on an easy item, tokens it keeps, tokens it takes back for an item.
CONTROLS: dict[str, tuple[Arm, float, float]] = {
    "baseline T=1": (Arm("baseline T=1"), 0.50, 20.0),
    "baseline T=0.7": (Arm("baseline T=0.7", sampling=sampling_of(temperature=0.7)), 0.56, 19.0),
    "greedy": (Arm("greedy", sampling=sampling_of(temperature=0.0)), 0.62, 18.0),
    "min-p 0.1": (Arm("min-p 0.1", sampling=sampling_of(min_p=0.1)), 0.58, 19.0),
    "top-p 0.9": (Arm("top-p 0.9", sampling=sampling_of(top_p=0.9)), 0.54, 19.5),
}  # fmt: skip

_OPERATOR = "probability_threshold:min_probability=0.1"

#: name -> arm, score, kept, taken back, its baseline, whether it was tuned.
STRATEGIES: dict[str, tuple[Arm, float, float, float, str, bool]] = {
    "probability-threshold": (Arm("probability-threshold", (("operator", _OPERATOR),)), 0.60, 20.0, 12.0, "baseline T=1", False),
    "probability-threshold, tuned": (
        Arm("probability-threshold, tuned", (("operator", "probability_threshold:min_probability=0.21"),)), 0.66, 20.0, 22.0, "baseline T=1", True,
    ),
    "repetition": (Arm("repetition", (("operator", "repetition"),)), 0.505, 20.0, 0.4, "baseline T=1", False),
    "entropy-threshold": (Arm("entropy-threshold", (("operator", "entropy_threshold"),)), 0.30, 24.0, 60.0, "baseline T=1", False),
    "creative-writing": (Arm("creative-writing", (("strategy", "creative-writing"),)), 0.52, 20.0, 5.0, "baseline T=1", False),
    "probability-threshold T=0.7": (
        Arm("probability-threshold T=0.7", (("operator", _OPERATOR),), sampling_of(temperature=0.7)), 0.61, 19.0, 6.0, "baseline T=0.7", False,
    ),
    "probability-threshold T=0": (
        Arm("probability-threshold T=0", (("operator", _OPERATOR),), sampling_of(temperature=0.0)), 0.62, 18.0, 3.0, "greedy", False,
    ),
}  # fmt: skip

#: name -> how much harder it is than the scores above say.
TASKS = {"sums": 0.0, "gcd:largest=20": 0.1, "countdown:numbers=2": 0.2, "needle:statements=4": 0.05}


class _World:
    """Texts of arms: the same item is as hard for all, and the same repeat has the same luck."""

    def __init__(self, tasks: Sequence[str], items: int, repeats: int, seed: int, clusters: int | None) -> None:
        self.tasks, self.count, self.repeats, self.seed = tasks, items, repeats, seed
        self.items: dict[str, dict[str, Item]] = {}
        for task in tasks:
            chance = random.Random(f"{seed} {task}")
            found = self.items[task] = {}
            for number in range(items):
                name = f"{task.split(':')[0]}-{number}"
                cluster = f"template {number % clusters}" if clusters else ""
                prompt = f"{chance.randint(1, 9)} + {chance.randint(1, 9)} = {chance.choice(HOSTILE) if number % 7 == 3 else ''}"
                found[name] = Item(name, prompt, cluster, {"target": number})

    def record(
        self, arm: Arm, ability: float, kept: float, back: float, task: str, item: str, repeat: int, sample: int = 0
    ) -> Record:
        easy = random.Random(f"{self.seed} {task} {item}").gauss(0, 0.25)
        if cluster := self.items[task][item].cluster:
            easy += random.Random(f"{self.seed} {task} {cluster}").gauss(0, 0.15)
        shared = random.Random(f"{self.seed} {task} {item} {repeat} {sample}")
        own = random.Random(f"{self.seed} {task} {item} {repeat} {sample} {arm.name}")
        luck = shared.random() if own.random() < 0.7 else own.random()
        right = luck < min(max(ability - TASKS.get(task, 0.1) + easy, 0), 1)
        answer = str(self.items[task][item].data["target"]) if right else own.choice([*HOSTILE, "1", "2", "3", "4"])
        tokens = max(1, round(own.gauss(kept, 3)))
        taken = max(0, round(own.gauss(back, back / 3))) if back else 0
        error = "the checker failed with ValueError: <b>no</b>" if own.random() < 0.002 else ""
        places = (
            [(min(tokens, place), "7" * (taken // max(1, taken // 3)), arm.name) for place in range(-(-taken // 3))]
            if taken
            else []
        )
        return Record(
            key=digest([arm.key, task, item, repeat, sample]), arm=arm.key, task=task, item=item, repeat=repeat, sample=sample,
            seed=repeat * 1000 + sample, text=f" {answer}\n", answer=answer, score=float(right and not error), kept=tokens,
            drawn=tokens + taken, rollbacks=len(places), forwards=tokens + taken - len(places), log_probability=-own.random(), finish_reason="stop", error=error,
            taken_back=places,
        )  # fmt: skip


def _outcome(
    item: Item, records: Sequence[Record], scores: Sequence[float] | None = None, drawn: float | None = None
) -> Outcome:
    count = len(records)
    return Outcome(
        item.id, item.cluster or item.id,
        sum(scores or [each.score for each in records]) / count,
        drawn if drawn is not None else sum(each.drawn for each in records) / count,
        sum(each.kept for each in records) / count,
        sum(each.rollbacks for each in records) / count,
        count, sum(bool(each.error) for each in records),
        drawn if drawn is not None else sum(each.forwards for each in records) / count,
    )  # fmt: skip


def made_results(
    items: int = 60, repeats: int = 3, *, tasks: Iterable[str] = TASKS, controls: Iterable[str] = CONTROLS,
    strategies: Iterable[str] = STRATEGIES, seed: int = 0, clusters: int | None = None, traces: bool = True, complete: bool = True,
) -> Results:  # fmt: skip
    """What an experiment could have found: one strategy helps, one harms, most do little, and greedy is hard to beat.

    Args:
        items: of each task.
        repeats: of each item; 1: scores are 0 or 1.
        clusters: how many templates the items of a task share; None: each is like no other.
        traces: there are pages of texts.
    """
    world = _World(list(tasks), items, repeats, seed, clusters)
    results = Results(about={
        "experiment": {"model_name_or_path": "made-up.gguf", "evaluation": {"limit": items, "runs": repeats}}, "seed": seed,
        "model": {"name": "made-up.gguf", "engine": "none", "sha256": "0" * 64}, "versions": {"backtrack_sampler": "4.0"},
        "machine": {"processor": "none", "system": "none"}, "started": "2026-11-01T12:00:00+00:00", "seconds": 81.5,
    }, items=world.items, complete=complete, planned=dict.fromkeys(world.tasks, items if complete else items * 2))  # fmt: skip

    def written(arm: Arm, ability: float, kept: float, back: float) -> dict[str, list[Outcome]]:
        found: dict[str, list[Outcome]] = {}
        for task, questions in world.items.items():
            found[task] = []
            for item in questions.values():
                records = [world.record(arm, ability, kept, back, task, item.id, repeat) for repeat in range(repeats)]
                for each in records:
                    results.records[arm.key, task, item.id, each.repeat] = each
                    if traces and each.rollbacks and each.repeat == 0 and len(results.traces) < 20:
                        results.traces[arm.key, task, item.id, 0] = f"traces/{each.key}.html"
                found[task].append(_outcome(item, records))
        return found

    made: dict[str, Row] = {}
    needed = {STRATEGIES[name][4] for name in strategies}
    for name in CONTROLS:
        if name in set(controls) | needed:
            arm, ability, kept = CONTROLS[name]
            made[name] = Row(name, "control", arm, written(arm, ability, kept, 0))
    for name in strategies:
        arm, ability, kept, back, base, tuned = STRATEGIES[name]
        outcomes = written(arm, ability, kept, back)
        beside: dict[str, Row] = {}
        # Samples of greedy decoding are all the same: those of another control are chosen among.
        base_arm, base_ability, base_kept = CONTROLS["baseline T=1" if base == "greedy" else base]
        for task, mine in outcomes.items():
            left = 0.0  # of the strategy's tokens
            for outcome in mine:
                for repeat in range(repeats):
                    left += results.records[arm.key, task, outcome.item, repeat].drawn
                    samples: list[Record] = []
                    while not samples or left > base_kept / 2:
                        samples.append(
                            world.record(base_arm, base_ability, base_kept, 0, task, outcome.item, repeat, len(samples))
                        )
                        left -= samples[-1].drawn
                    results.samples[arm.key, task, outcome.item, repeat] = samples
        for control in (BEST_OF_N, MAJORITY, ORACLE):
            scored: dict[str, list[Outcome]] = {}
            for task, mine in outcomes.items():
                scored[task] = []
                for outcome in mine:
                    pools = [results.samples[arm.key, task, outcome.item, repeat] for repeat in range(repeats)]
                    cost = sum(each.drawn for pool in pools for each in pool) / repeats
                    chosen = [PICKS[control](pool) for pool in pools]
                    scored[task].append(
                        _outcome(world.items[task][outcome.item], [pool[0] for pool in pools], chosen, cost)
                    )
            kind = "oracle" if control == ORACLE else "equal cost"
            beside[control] = Row(f"{name}, {control}", kind, base_arm, scored)
        development = (
            {task: sum(each.score for each in outcomes[task]) / items + 0.04 for task in outcomes} if tuned else {}
        )
        made[name] = Row(name, "strategy", arm, outcomes, made[base], beside, development)
        if tuned:
            results.trials += _trials(name, random.Random(seed))
    results.rows = list(made.values())
    return results


def _trials(name: str, chance: random.Random) -> list[Trial]:
    found = []
    for number in range(12):
        low = round(chance.random(), 3)
        state = "failed" if number == 5 else "pruned" if number % 4 == 2 else "complete"
        trial = Trial(
            name,
            number,
            {"min_probability": low, "backtrack_count": chance.randint(1, 4)},
            0.6 - (low - 0.2) ** 2 / 2,
            state,
            40,
            30 + 20 * low,
        )
        found.append(
            replace(trial, value=None, items=0, drawn=0.0, error="ValueError: no,\n<b>") if state == "failed" else trial
        )
    return found


def made_rows(items: int = 60, repeats: int = 3, **more: Any) -> list[Row]:
    """The rows of `made_results`."""
    return made_results(items, repeats, **more).rows
