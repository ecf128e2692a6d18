"""A trace as one page that needs nothing else: no network, no model, no Python."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from ..events import Drawn, Rollback
from ..pages import document
from .marks import static
from .settings import options_of
from .summary import everyone, is_stop_string

if TYPE_CHECKING:
    from .recording import Trace

__all__ = ["frame", "page"]

_TITLE_LENGTH = 60
_STATIC = "backtrack-sampler-without-scripts"


def page(trace: Trace) -> str:
    """The page. All text from the model is data in it, and becomes text nodes only."""
    prompt = " ".join(trace.prompt.split())
    title = prompt if len(prompt) <= _TITLE_LENGTH else prompt[:_TITLE_LENGTH] + "…"
    return document(
        "backtrack_sampler.trace", f"Trace: {title}" if title else "Trace", _data(trace), static=static(trace)
    )


def frame(trace: Trace) -> str:
    """The page in a frame: its styles and scripts stay inside, whoever shows it and how often.

    Websites take frames and styles out of a notebook. What they leave is the text with strikes, which
    a style hides where there is a frame.
    """
    strikes = static(trace).encode(errors="replace").decode().replace("<del>", '<del style="color: #c0483c">')
    return (
        f"<div><style>.{_STATIC} {{ display: none }}</style>"
        f'<iframe srcdoc="{html.escape(page(trace))}" sandbox="allow-scripts" title="Trace" '
        f'style="width: 100%; height: 42rem; border: 0"></iframe><div class="{_STATIC}">{strikes}</div></div>'
    )


def _data(trace: Trace) -> dict[str, Any]:
    """What the page shows, without anything twice.

    `log` has for each drawn token [index in `tokens`, probability, its text in the stream or 0 where
    that is its own, index and probability of each alternative ...], and for each rollback
    {"at": position, "who": ..., "why": ..., "stop": whether it cut a stop string off}.
    """
    replay, ends = trace.replay(), trace.end_tokens
    indices: dict[int, int] = {}
    tokens: list[list[Any]] = []

    def index_of(token: int) -> int:
        if token not in indices:
            indices[token] = len(tokens)
            piece = trace.piece(token)
            tokens.append([token, piece, 1] if not piece and token in ends else [token, piece])
        return indices[token]

    log: list[Any] = []
    texts = iter(replay.texts)
    for event in trace.events:
        if isinstance(event, Drawn):
            text = next(texts)
            entry = [index_of(event.token), _rounded(event.probability)]
            entry.append(0 if text == trace.piece(event.token) else text)  # type: ignore[arg-type]
            for token, share in event.candidates.items():
                entry += [index_of(token), _rounded(share)]
            log.append(entry)
        elif isinstance(event, Rollback):
            log.append({"at": event.position, "who": event.who, "why": event.why, "stop": is_stop_string(event)})
    settled = "".join(replay.texts[index] for index in replay.standing[: trace.emitted])
    return {
        "prompt": trace.prompt,
        "tokens": tokens,
        "log": log,
        "rest": trace.text[len(settled) :],
        "reason": trace.reason,
        "drawn": len(replay.texts),
        "emitted": trace.emitted,
        "discarded": trace.discarded,
        "rollbacks": trace.rollbacks,
        "whom": [
            [row.who, row.rollbacks, row.tokens, row.reasons.most_common(), row.parameters]
            for row in everyone(trace.events, trace.started)
        ],
        "how": options_of(trace.started) if trace.started is not None else [],
    }


def _rounded(share: float) -> float:
    return float(f"{share:.4g}")
