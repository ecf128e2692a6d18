"""What was run, in a paragraph; and all that it takes to run it again."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..results import Results
from .wording import escaped, listed, number

__all__ = ["how", "interrupted", "what"]

_COMMAND = "backtrack-sampler benchmark --config experiment.yaml"


def what(results: Results) -> str:
    """HTML: model, tasks, items, repeats, seed, temperatures, and how much was drawn."""
    model = results.about.get("model") or {}
    rows = results.rows
    items = {task: len(outcomes) for row in rows[:1] for task, outcomes in row.outcomes.items() if outcomes}
    repeats = max((each.repeats for row in rows for some in row.outcomes.values() for each in some), default=0)
    temperatures = sorted({row.arm.sampling.get("temperature", 1.0) for row in rows}, reverse=True)
    kinds = [sum(row.kind == kind for row in rows) for kind in ("strategy", "control")]
    texts = {each.key: each for each in results.records.values()}
    texts |= {each.key: each for samples in results.samples.values() for each in samples}
    tasks = [f"<b>{escaped(task)}</b> ({number(count)} items)" for task, count in items.items()]
    engine = f" on {escaped(str(model['engine']))}" if model.get("engine") else ""
    said = [
        f"<b>{escaped(str(model.get('name') or 'A model'))}</b>{engine} was asked {listed(tasks) or 'nothing yet'}"
        + (f", each {repeats} times with seeds that are the same for every row" if repeats > 1 else "")
        + (f" (seed of the experiment: {escaped(str(results.about['seed']))})." if "seed" in results.about else "."),
        f"{_count(kinds[0], 'strategy', 'strategies')} and {_count(kinds[1], 'control', 'controls')} that draw once, "
        f"at temperature{'s' * (len(temperatures) != 1)} {listed([f'{each:g}' for each in temperatures])}; beside each "
        "strategy best-of-n, a majority vote and the oracle, at as many drawn tokens, but one sample of each item at "
        "least." if rows else "",
        f"{len(texts):,} texts, {sum(each.drawn for each in texts.values()):,} tokens drawn." if texts else "",
    ]  # fmt: skip
    return " ".join(filter(None, said))


def interrupted(results: Results) -> str:
    """HTML: how far it has come; "" for all the way."""
    if results.complete:
        return ""
    answered: dict[str, int] = {}
    for row in results.rows:
        for task, outcomes in row.outcomes.items():
            answered[task] = min(answered.get(task, len(outcomes)), len(outcomes))
    parts = [f"{escaped(task)} {answered.get(task, 0):,} of {count:,}" for task, count in results.planned.items()]
    far = f" Items that all rows have answered: {', '.join(parts)}." if parts else ""
    return (
        f"<b>This experiment was interrupted.</b> What is here is of a part of its items, and may change.{far} "
        "The same command with <code>--resume</code> goes on."
    )


def how(results: Results) -> str:
    """HTML: configuration, seed, versions, machine, model and command."""
    about = results.about
    rows = [(label, value) for label, value in _lines(about) if value]
    listing = "".join(f"<div><dt>{html.escape(label)}</dt><dd>{escaped(value)}</dd></div>" for label, value in rows)
    command = about.get("command") or _COMMAND
    return (
        f"<dl>{listing}</dl>"
        f"<p>The configuration below, as <code>experiment.yaml</code>, and this command repeat it:</p>"
        f"<pre>{escaped(str(command))}</pre>"
        f"<pre>{_block(_yaml(about.get('experiment') or {}))}</pre>"
    )


def _lines(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    model = about.get("model") or {}
    yield "model", str(model.get("name") or "")
    yield "engine", str(model.get("engine") or "")
    yield "sha256 of the model", str(model.get("sha256") or "")
    yield (
        "more of it",
        _together({name: each for name, each in model.items() if name not in ("name", "engine", "sha256")}),
    )
    yield "seed", str(about.get("seed", ""))
    yield "started", str(about.get("started") or "")
    yield "took", _duration(about["seconds"]) if isinstance(about.get("seconds"), (int, float)) else ""
    yield "machine", _together(about.get("machine"))
    yield "versions", _together(about.get("versions"), " ")
    known = {"model", "seed", "started", "seconds", "machine", "versions", "experiment", "command"}
    for name, value in about.items():
        if name not in known:
            yield name, _together(value)


def _together(value: Any, between: str = ": ") -> str:
    """In a line; what says nothing is left out."""
    if isinstance(value, Mapping):
        parts = [(name, _together(each)) for name, each in value.items()]
        return ", ".join(f"{name}{between}{each}" for name, each in parts if each)
    if isinstance(value, (list, tuple)):
        return ", ".join(filter(None, map(_together, value)))
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, default=str)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _yaml(experiment: Any) -> str:
    from ..config.yaml_file import dump_yaml  # needs PyYAML, which a page need not have before it is asked for

    return dump_yaml(json.loads(json.dumps(experiment, default=str)))


def _block(text: str) -> str:
    """Of many lines."""
    return "\n".join(map(escaped, text.splitlines()))


def _count(number: int, word: str, many: str) -> str:
    return f"{number} {word if number == 1 else many}"
