"""The text with what was taken back in its place: marked in plain text, struck out in HTML without scripts."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..events import Drawn, Rollback
from .settings import options_of
from .summary import everyone, is_stop_string

if TYPE_CHECKING:
    from .recording import Trace

__all__ = ["counts", "marked", "static", "struck_out"]

_PROMPT_LENGTH = 300
_REASONS = 3


class Run(NamedTuple):
    """A piece of text; erased: it was taken back, in one go."""

    text: str
    erased: bool


def marked(trace: Trace, before: str, after: str) -> str:
    """The text, and between these marks what was taken back where it stood, oldest first."""
    return "".join(before + text + after if erased else text for text, erased in _spaced(trace))


def struck_out(trace: Trace) -> str:
    """Counts and text as HTML, in the few elements that no website takes out: no styles, no scripts."""
    told = "What was taken back is struck out." if trace.rollbacks else "Nothing was taken back."
    runs = (f"<del>{_escaped(text)}</del>" if erased else _escaped(text) for text, erased in _spaced(trace))
    return f"<p><b>{told}</b> {counts(trace)}.</p>\n<blockquote>{''.join(runs)}</blockquote>"


def static(trace: Trace) -> str:
    """The same, and whatever else the page says."""
    parts = [struck_out(trace)]
    if prompt := " ".join(trace.prompt.split()):
        cut = prompt if len(prompt) <= _PROMPT_LENGTH else "…" + prompt[-_PROMPT_LENGTH:]
        parts.insert(0, f"<p>Prompt: <i>{_escaped(cut)}</i></p>")
    if trace.started is not None:
        settings = " · ".join(f"{name} <b>{_escaped(value)}</b>" for name, value in options_of(trace.started))
        parts.append(f"<p>{settings}</p>")
    rows = "".join(
        f"<tr><td>{_escaped(row.who)} {' '.join(f'<code>{_escaped(each)}</code>' for each in row.parameters)}</td>"
        f"<td>{row.rollbacks:,}</td><td>{row.tokens:,}</td><td>{_reasons(row.reasons.most_common())}</td></tr>"
        for row in everyone(trace.events, trace.started)
    )
    if rows:
        head = "<tr><th>strategy</th><th>attempts taken back</th><th>tokens</th><th>why</th></tr>"
        parts.append(f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>")
    return "\n".join(parts)


def counts(trace: Trace) -> str:
    """Tokens and attempts, told apart."""
    back = f"; {_plural(trace.rollbacks, 'attempt')} taken back, {_plural(trace.discarded, 'token')} in all"
    return f"{_plural(trace.emitted, 'token')} in the text{back if trace.rollbacks else ''}"


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _reasons(reasons: list[tuple[str, int]]) -> str:
    told = [_escaped(why or "(no reason given)") + (f" ×{times:,}" if times > 1 else "") for why, times in reasons]
    more = [f"and {len(told) - _REASONS:,} more"] if len(told) > _REASONS else []
    return "<br>".join(told[:_REASONS] + more)


def _escaped(text: str) -> str:
    """Text as HTML that keeps its lines, and spaces at their beginnings, without a style for it."""
    text = re.sub("(?<=[\n ]) ", "\u00a0", html.escape(text.replace("\r\n", "\n")))
    return text.replace("\n", "<br>\n")


def _spaced(trace: Trace) -> Iterator[Run]:
    """The runs as they are read: white space around an erased one stands outside of it, and words stay apart."""
    before = Run(" ", False)
    blank = True  # whether white space stands before what is erased here
    for run in _runs(trace):
        text, erased = run
        if not before.erased:
            blank = before.text[-1].isspace()
        if erased:
            apart = before.erased or (text[0].isspace() and not blank)
        else:
            apart = before.erased and text[0].isalnum() and (blank or before.text[-1].isspace())
        if apart:
            yield Run(" ", False)
        yield Run(_visible(text), True) if erased else run
        before = run


def _visible(text: str) -> str:
    """What was taken back, on one line and without the white space around it, unless it is nothing else."""
    text = text.strip() or text.replace(" ", "␣")
    return text.replace("\r\n", "↵").replace("\n", "↵").replace("\t", "⇥")


def _runs(trace: Trace) -> Iterator[Run]:
    """The whole text in order, and where something was taken back, each attempt before what came in its place."""
    texts, ends = iter(trace.replay().texts), trace.end_tokens
    path: list[str] = []  # what stands
    gone: list[list[str]] = [[]]  # gone[i]: what was taken back before path[i]
    for event in trace.events:
        if isinstance(event, Drawn):
            path.append(next(texts))
            gone.append([])
        elif isinstance(event, Rollback):
            at = event.position
            attempts = _attempts(path[at:], gone[at + 1 :], keep=not is_stop_string(event))
            if not any(attempts) and not is_stop_string(event):
                attempts = [" [end] " if ends.intersection(event.tokens) else " [special token] "]
            del path[at:], gone[at + 1 :]
            gone[at] += filter(None, attempts)
    settled = path[: trace.emitted]
    stands = ""
    for attempts, text in zip(gone, [*settled, trace.text[len("".join(settled)) :]], strict=False):
        if attempts and stands:
            yield Run(stands, False)
            stands = ""
        yield from (Run(attempt, True) for attempt in attempts)
        stands += text
    if stands:
        yield Run(stands, False)


def _attempts(texts: list[str], gone: list[list[str]], keep: bool) -> list[str]:
    """Tokens that go, and what had gone between them: those after one another are one attempt."""
    attempts, running = [], ""
    for text, inside in zip(texts, gone, strict=True):
        running += text if keep else ""
        if inside:
            attempts += [running, *inside]
            running = ""
    return [*attempts, running]
