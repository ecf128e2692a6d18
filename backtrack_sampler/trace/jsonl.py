"""A trace as a file: one JSON object a line, with all texts, so that no model is needed to read it.

The first line is a header with the prompt, the whole text and the counts. The events follow in
order, named and with the fields of `backtrack_sampler.events`. Token ids have their texts with
them: `text` of a drawn token is what it added to the stream ("" where its character is completed
by a later token), `piece` its own text, where that is another.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InputError
from ..events import Drawn, Event, Finished, Participant, Released, Rollback, Started
from ..options import SessionOptions
from .settings import plain

if TYPE_CHECKING:
    from .recording import Trace

__all__ = ["FORMAT", "VERSION", "Saved", "dump", "load"]

FORMAT = "backtrack_sampler trace"
VERSION = 1

_LARGEST = 2**63
REASONS = ("end", "stop", "length", "exhausted", "context")


class Saved(NamedTuple):
    """What a file tells; see `Trace` for the meaning."""

    prompt: str
    text: str
    end_tokens: frozenset[int]
    events: list[Event]
    texts: list[str]
    pieces: dict[int, str]
    standing: list[int]
    started: Started | None


def dump(trace: Trace) -> str:
    """The whole file."""
    return "".join(json.dumps(line) + "\n" for line in _lines(trace))


def _lines(trace: Trace) -> Iterator[dict[str, Any]]:
    yield {
        "format": FORMAT,
        "version": VERSION,
        "prompt": trace.prompt,
        "text": trace.text,
        "reason": trace.reason,
        "emitted": trace.emitted,
        "discarded": trace.discarded,
        "rollbacks": trace.rollbacks,
        "end_tokens": sorted(trace.end_tokens),
        "events": len(trace.events),
        **({"started": _plainly(trace.started)} if trace.started is not None else {}),
    }
    texts = iter(trace.replay().texts)
    for event in trace.events:
        if isinstance(event, Started):
            continue  # that is in the header
        line: dict[str, Any] = {"event": type(event).__name__.lower()}
        if isinstance(event, Finished):
            yield {**line, "reason": event.reason, "text": event.text}
            continue
        line["position"] = event.position
        if isinstance(event, Drawn):
            text, piece = next(texts), trace.piece(event.token)
            line |= {"token": event.token, "text": text, "probability": event.probability}
            if piece != text:
                line["piece"] = piece
            line["candidates"] = [
                {"token": token, "text": trace.piece(token), "probability": share}
                for token, share in event.candidates.items()
            ]
        else:
            line["tokens"] = list(event.tokens)
        if isinstance(event, Rollback):
            line |= {"text": event.text, "who": event.who, "why": event.why}
        yield line


def _plainly(started: Started) -> dict[str, Any]:
    """What is known of the stream. Parameters may be anything, and are not copied: one may hold a model."""
    return {
        "prompt": list(started.prompt),
        "options": plain(vars(started.options)),
        "strategies": [{"name": each.name, "parameters": plain(each.parameters)} for each in started.strategies],
        "model": started.model,
        "row": started.row,
    }


def load(path: str | os.PathLike[str]) -> Saved:
    """Read a file and check all of it.

    Raises:
        InputError: it cannot be read, or is no trace; the message names the line.
    """
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    reader = _Reader()
    header: _Line | None = None
    for number, data in enumerate(lines, 1):
        line = _Line(f"{path}, line {number}", data)
        if header is None:
            header = line
            if line.take("format", str) != FORMAT:
                raise line.wrong(f"this is no trace: its format is not {FORMAT!r}")
            if (version := line.take("version", int)) != VERSION:
                raise line.wrong(f"the trace has version {version}, and this program reads version {VERSION}")
        else:
            reader.read(line)
    if header is None:
        raise InputError(f"{path}, line 1: this is no trace: the file is empty")
    return reader.saved(header, len(lines))


class _Line:
    """One JSON object; everything that is taken from it is checked."""

    def __init__(self, place: str, data: bytes | dict[str, Any]) -> None:
        self.place = place
        if isinstance(data, bytes):
            try:
                data = json.loads(data)
            except (ValueError, RecursionError):  # also bytes that are no text, and numbers too long
                raise self.wrong("this is no JSON") from None
        if not isinstance(data, dict):
            raise self.wrong("this is no JSON object")
        self.data = data

    def wrong(self, what: str) -> InputError:
        return InputError(f"{self.place}: {what}")

    def take(self, name: str, kind: type, default: Any = None) -> Any:
        """A field of this type; numbers are finite and not negative."""
        value = self.data.get(name, default)
        number = type(value) in (int, float)
        fits = number if kind is float else type(value) is kind
        if not fits or (number and not 0 <= value <= _LARGEST):
            raise self.wrong(f"{name} is {'missing' if value is None else 'not what it should be'}")
        return value

    def token_ids(self, name: str) -> list[int]:
        found: list[Any] = self.take(name, list)
        if not all(type(token) is int and token >= 0 for token in found):
            raise self.wrong(f"{name} must be token ids")
        return found


class _Reader:
    """Rebuilds the events, and plays them as they come, so that none is accepted that does not fit."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.texts: list[str] = []
        self.pieces: dict[int, str] = {}
        self.standing: list[int] = []  # which of the drawn tokens stand
        self.tokens: list[int] = []  # their ids
        self.released = 0

    def read(self, line: _Line) -> None:
        if self.events and isinstance(self.events[-1], Finished):
            raise line.wrong("something follows the end of the stream")
        name = line.take("event", str)
        if name == "drawn":
            self._drawn(line)
        elif name == "rollback":
            self._rollback(line)
        elif name == "released":
            self._released(line)
        elif name == "finished":
            if line.take("reason", str) not in REASONS:
                raise line.wrong(f"the reason must be one of {', '.join(REASONS)}")
            self.events.append(Finished(line.data["reason"], line.take("text", str)))
        else:
            raise line.wrong(f"there is no event {name[:40]!r}")

    def _drawn(self, line: _Line) -> None:
        position, token, text = line.take("position", int), line.take("token", int), line.take("text", str)
        if position != len(self.tokens):
            raise line.wrong(f"a token is drawn at position {position}, but {len(self.tokens)} stand before it")
        best = {}
        for number, each in enumerate(line.take("candidates", list), 1):
            candidate = _Line(f"{line.place}, candidate {number}", each)
            best[candidate.take("token", int)] = float(candidate.take("probability", float))
            self.pieces[candidate.data["token"]] = candidate.take("text", str)
        self.pieces[token] = line.take("piece", str, default=text)
        self.events.append(Drawn(position, token, float(line.take("probability", float)), best))
        self.standing.append(len(self.texts))
        self.texts.append(text)
        self.tokens.append(token)

    def _rollback(self, line: _Line) -> None:
        position, tokens = line.take("position", int), line.token_ids("tokens")
        if not tokens or position < self.released or self.tokens[position:] != tokens:
            raise line.wrong("the tokens that are taken back are not those that stood there")
        del self.tokens[position:], self.standing[position:]
        text, who, why = (line.take(name, str) for name in ("text", "who", "why"))
        self.events.append(Rollback(position, tuple(tokens), text, who, why))

    def _released(self, line: _Line) -> None:
        position, tokens = line.take("position", int), line.token_ids("tokens")
        if position != self.released or self.tokens[position : position + len(tokens)] != tokens:
            raise line.wrong("the tokens that are streamed are not those that stood there")
        self.released += len(tokens)
        self.events.append(Released(position, tuple(tokens)))

    def saved(self, header: _Line, lines: int) -> Saved:
        """All of it, after the last line."""
        if (expected := header.take("events", int)) != len(self.events):
            raise header.wrong(f"{expected} events were written and {lines - 1} are here: the file is cut off")
        text = header.take("text", str)
        if not text.startswith("".join(self.texts[index] for index in self.standing[: self.released])):
            raise header.wrong("the text is not that of the tokens that were streamed")
        return Saved(
            header.take("prompt", str), text, frozenset(header.token_ids("end_tokens")),
            self.events, self.texts, self.pieces, self.standing, _started(header),
        )  # fmt: skip


def _started(header: _Line) -> Started | None:
    """What is known of the stream; older files do not say."""
    if "started" not in header.data:
        return None
    line = _Line(header.place, header.take("started", dict))
    try:
        options = SessionOptions(**line.take("options", dict))
    except (TypeError, InputError) as error:
        raise header.wrong(f"started is not what it should be: {error}") from None
    taking = [_Line(f"{header.place}, strategy {n}", each) for n, each in enumerate(line.take("strategies", list), 1)]
    strategies = tuple(Participant(each.take("name", str), each.take("parameters", dict)) for each in taking)
    row = line.take("row", int, default=0)
    return Started(tuple(line.token_ids("prompt")), options, strategies, line.take("model", str), row)
