"""The page of a training: what is learned, and beside it what a judge is most easily deceived by.

Length, repetition and another judge that the policy was not trained with are always there: a judge rewards what it
likes, and these show what that is.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from ...benchmark.statistics.libraries import library
from ...pages import document, svg
from .curves import Curves

__all__ = ["page", "warnings_of"]

_INK, _SOFT, _LINE, _PAPER, _LOSS, _GAIN, _FIRST = list(svg.COLOURS)[:7]
_MANY = 0.05  # of texts cut off
#: What is plotted: of prompts not trained on, of training, and what it is called.
_PLOTS = (
    ("score", "train_score", "the judge's score"),
    ("checked", None, "the other judge's score"),
    ("kept", "train_kept", "length, tokens"),
    ("repetition", "train_repetition", "repetition, share of words"),
    ("rollbacks", "train_rollbacks", "rollbacks a text"),
    ("drawn", "train_drawn", "tokens drawn a text"),
    (None, "train_reward", "reward: score and shaping"),
    (None, "train_truncated", "share of texts cut off"),
)


def page(curves: Curves, never: Mapping[str, float | None], about: Mapping[str, Any]) -> str:
    """The page.

    Args:
        never: means of never going back; see `mean_of`.
        about: what it was trained on and with, by names that people read.
    """
    said = _said(curves, never)
    if not curves.column("checked")[1]:
        said.append("<p>There is no other judge beside the heuristic: name one, as checker, in the configuration.</p>")
    said += [f'<p class="warning" role="note">{html.escape(each)}</p>' for each in warnings_of(curves, never)]
    what = "; ".join(f"{name}: {value}" for name, value in about.items() if name != "same prompts")
    return document(
        __package__ or "", "What the policy has learned", {}, what=f"<p>{html.escape(what)}</p>", said="".join(said),
        same=" (there are few: the same as those trained on)" if about.get("same prompts") else "",
        plots="".join(_plot(curves, never, *each) for each in _PLOTS if _is_known(curves, *each[:2])),
    )  # fmt: skip


def _said(curves: Curves, never: Mapping[str, float | None]) -> list[str]:
    scores = [(row["score"], row["steps"]) for row in curves.rows if row["score"] is not None]
    if not scores:
        return ["<p>Nothing was tried yet.</p>"]
    best, at = max(scores, key=lambda pair: pair[0] or 0.0)
    last = curves.rows[-1]
    base = f"{never['score']:.3f}" if never.get("score") is not None else "unknown"
    return [
        f"<p>The judge's score on prompts that were not trained on: <b>{last['score']:.3f}</b> at the end, {best:.3f} "
        f"at the best moment (after {at:,.0f} decisions); {base} without ever going back. {last['rollbacks']:.2f} "
        f"rollbacks a text at the end, and {last['drawn']:.1f} tokens drawn for {last['kept']:.1f} that stand. These "
        "are few texts: <code>backtrack-sampler eval-rl</code> measures it, with controls.</p>"
    ]


def warnings_of(curves: Curves, never: Mapping[str, float | None]) -> list[str]:
    """What looks as if the judge were deceived: its score has risen, and not for a reason that others see."""
    rows = [row for row in curves.rows if row["score"] is not None]
    if not rows or never.get("score") is None:
        return []
    last, found = rows[-1], _cut_off(curves)
    if (last["score"] or 0.0) <= (never["score"] or 0.0) + 0.02:
        return found
    begun, ended = never.get("checked"), last["checked"]
    if begun is not None and ended is not None and ended < begun - 0.02:
        found.append(
            f"The judge's score has risen and the other judge's has fallen, from {begun:.3f} to {ended:.3f}: the "
            "policy may have learned what the judge likes, and not what is good. Read some texts."
        )
    for name, what in (("kept", "length"), ("repetition", "repetition")):
        begun, ended = never.get(name), last[name]
        if begun is None or ended is None or ended <= 1.25 * begun + 0.02:
            continue
        found.append(
            f"With the score the {what} has risen, from {begun:.3g} to {ended:.3g}: the judge may reward {what}."
        )
    return found


def _is_known(curves: Curves, *names: str | None) -> bool:
    return any(name is not None and curves.column(name)[1] for name in names)


def _cut_off(curves: Curves) -> list[str]:
    _, shares = curves.column("train_truncated")
    if not shares or shares[-1] <= _MANY:
        return []
    return [
        f"{shares[-1]:.0%} of the texts of training were cut off, for their budget was used up, and not judged: the "
        "scores are those of the others. Raise shaping.backtrack_token_penalty, or env.budget."
    ]


def _plot(curves: Curves, never: Mapping[str, float | None], held: str | None, trained: str | None, title: str) -> str:
    with library("matplotlib").rc_context(svg.SETTINGS):
        figure = library("matplotlib.figure").Figure(figsize=(4.2, 2.4), layout="constrained")
        axes = figure.add_subplot()
        if trained is not None:
            axes.plot(*curves.column(trained), color=_SOFT, linewidth=0.9)
        said = title
        if held is not None:
            steps, values = curves.column(held)
            axes.plot(steps, values, "o-", color=_FIRST, linewidth=1.8, markersize=3)
            if values:
                said += f": from {values[0]:.3g} to {values[-1]:.3g}"
            if (base := never.get(held)) is not None:
                axes.axhline(base, color=_SOFT, linestyle=(0, (4, 2)), linewidth=1)
                said += f"; never going back {base:.3g}"
        if trained == "train_truncated":
            axes.set_ylim(0, max(2 * _MANY, axes.get_ylim()[1]))  # nothing at all is a line at the bottom
        axes.set_title(title)
        axes.set_xlabel("decisions")
        return svg.inline(figure, f"plot-{held or trained}", said)
