"""One text as a sample of inspect-ai: question, answer, score, and what was taken back on the way."""

from __future__ import annotations

import importlib
from datetime import datetime
from typing import Any

from ...errors import MissingPackageError
from ..records import Record
from ..rows import Row
from ..tasks import Item

__all__ = ["inspect_module", "inspect_sample"]

#: Where checkers keep the right answer, if there is one.
_TARGETS = ("target", "answer", "solution", "canonical_solution")
_STOP_REASONS = {"end": "stop", "stop": "stop", "length": "max_tokens", "context": "model_length"}


def inspect_module(name: str) -> Any:
    """A module of inspect-ai, loaded when it is first needed: that takes more than a second.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        return importlib.import_module(f"inspect_ai.{name}")
    except ImportError as error:
        raise MissingPackageError(
            'inspect logs need a package that is not installed: pip install "backtrack_sampler[benchmark]"'
        ) from error


def inspect_sample(row: Row, model_name: str, item: Item, record: Record, graded: bool, created: datetime) -> Any:
    """A text as an `inspect_ai.log.EvalSample`.

    Args:
        row: that it is of.
        model_name: what its tokens are counted under.
        item: what was asked.
        record: what was written.
        graded: scores are shares, and not only right or wrong.
        created: when all that happens in it is said to have happened; records know no times.
    """
    log, model, scorer = inspect_module("log"), inspect_module("model"), inspect_module("scorer")
    usage = model.ModelUsage(output_tokens=record.drawn, total_tokens=record.drawn)
    messages = _messages(item, record)
    answer = model.ChatMessageAssistant(id=f"{record.key}-text", content=record.text, source="generate")
    stop_reason = _STOP_REASONS.get(record.finish_reason, "unknown")
    output = model.ModelOutput(
        model=model_name,
        choices=[model.ChatCompletionChoice(message=answer, stop_reason=stop_reason)],
        usage=usage,
        error=_of_the_stream(record),
    )
    score = scorer.Score(
        value=record.score if graded else "C" if record.score else "I",
        answer=record.answer,
        explanation=f"{record.error}: counts as wrong" if record.error else _explanation(record),
    )
    return log.EvalSample(
        id=record.item,
        epoch=record.repeat + 1,
        uuid=record.key,
        input=item.prompt if isinstance(item.prompt, str) else messages,
        target=_target(item),
        messages=[*messages, answer],
        output=output,
        scores={"score": score},
        metadata=_metadata(row, record, item),
        events=_events(row, item, record, messages, output, score, created),
        model_usage={model_name: usage},
        started_at=created.isoformat(),
        completed_at=created.isoformat(),
        error=_error(record),
    )


def _events(
    row: Row, item: Item, record: Record, messages: list[Any], output: Any, score: Any, created: datetime
) -> list[Any]:
    """What has happened, in its order: each rollback with its place, what was taken back, who asked, and why."""
    event, model = inspect_module("event"), inspect_module("model")
    whole = len(record.taken_back)
    happened: list[Any] = []
    for number, (position, text, said) in enumerate(record.taken_back, 1):
        who, _, why = said.partition(": ")
        data = {"back_to_token": position, "taken_back": text, "who": who, "why": why}
        happened.append(event.InfoEvent(source=f"rollback {number} of {whole}", data=data))
    happened.append(
        event.ModelEvent(
            model=output.model,
            input=messages,
            tools=[],
            tool_choice="none",
            config=model.GenerateConfig(temperature=row.arm.sampling.get("temperature"), seed=record.seed),
            output=output,
            error=_of_the_stream(record),
        )
    )
    happened.append(event.ScoreEvent(score=score, target=_target(item), scorer="score"))
    for number, each in enumerate(happened):
        each.uuid, each.timestamp, each.working_start = f"{record.key}-{number}", created, 0.0
    return happened


def _messages(item: Item, record: Record) -> list[Any]:
    model = inspect_module("model")
    kinds = {
        "system": model.ChatMessageSystem, "user": model.ChatMessageUser, "assistant": model.ChatMessageAssistant,
    }  # fmt: skip
    said = [{"role": "user", "content": item.prompt}] if isinstance(item.prompt, str) else item.prompt
    return [
        kinds.get(each["role"], model.ChatMessageUser)(id=f"{record.key}-{number}", content=each["content"])
        for number, each in enumerate(said)
    ]


def _error(record: Record) -> Any:
    """What the viewer shows by itself; it shows the traceback, of which a record has none."""
    if not record.error:
        return None
    return inspect_module("log").EvalError(message=record.error, traceback=record.error, traceback_ansi=record.error)


def _of_the_stream(record: Record) -> str | None:
    """What has ended it; a text that has come to its end and could not be scored is no failure of the model."""
    return record.error if record.error and not record.finish_reason else None


def _target(item: Item) -> str:
    """The right answer, where the item knows one."""
    found = next((item.data[name] for name in _TARGETS if item.data.get(name) is not None), "")
    return found if isinstance(found, str) else str(found)


def _explanation(record: Record) -> str:
    cost = f"{record.kept} tokens stand, {record.drawn} were drawn"
    return f"{cost}, {record.rollbacks} rollbacks; it ended by: {record.finish_reason or 'unknown'}"


def _metadata(row: Row, record: Record, item: Item) -> dict[str, Any]:
    return {
        "row": row.name,
        "arm": record.arm,
        "seed": record.seed,
        "tokens_drawn": record.drawn,
        "tokens_kept": record.kept,
        "rollbacks": record.rollbacks,
        "log_probability": record.log_probability,
        "finish_reason": record.finish_reason,
        "cluster": item.cluster or item.id,
    }
