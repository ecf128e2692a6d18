"""The plots of the report: the price curve, differences by task, and the history of tuning."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

from ...pages import svg
from ...terminal.layout import clip, printable
from ..results import Results, Trial
from ..rows import BEST_OF_N, Row
from ..statistics.libraries import library
from ..table import Table
from ..table.entries import BASELINE, BETTER, WORSE, Entry
from .curve import curves
from .wording import change, number, score, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SERIES", "differences", "parameters", "price", "series_of", "tuning"]

_INK, _SOFT, _LINE, _PAPER, _LOSS, _GAIN = list(svg.COLOURS)[:6]
#: Colour and marker of each group of strategies; more groups than these begin again.
SERIES = list(zip(list(svg.COLOURS)[6:], "os^Dv", strict=True))
_WIDTH = 4.6  # inches, of 72 points: what a phone shows without anything becoming too small
_NAME = 34  # characters of a row's name beside a plot


def series_of(rows: Sequence[Row]) -> dict[str, int]:
    """Name of a baseline -> which of `SERIES` its strategies have; those with the same sampling belong together."""
    names = dict.fromkeys(row.baseline.name for row in rows if row.baseline is not None)
    return {name: place % len(SERIES) for place, name in enumerate(names)}


def _drawn(make: Callable[..., str]) -> Callable[..., str]:
    """Under our settings; what letters the measuring font has is nobody's concern, since it draws none."""

    @wraps(make)
    def drawing(*args: Any, **more: Any) -> str:
        with library("matplotlib").rc_context(svg.SETTINGS), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            return make(*args, **more)

    return drawing


def _figure(height: float, left: float) -> tuple[Figure, Axes]:
    """With margins in inches; a whole figure is as wide as a phone."""
    figure = library("matplotlib.figure").Figure(figsize=(_WIDTH, height))
    axes = figure.add_axes((left / _WIDTH, 0.46 / height, (_WIDTH - left - 0.1) / _WIDTH, (height - 0.76) / height))
    return figure, axes


def _named(row: Row, place: int) -> str:
    return clip(f"{place} {printable(row.name)}", _NAME)


# -- the price curve -------------------------------------------------------------------------------


@_drawn
def price(results: Results, table: Table, column: str, name: str) -> str:
    """Score against tokens drawn for an item: strategies as points, controls at rising n as lines."""
    figure, axes = _figure(3.3, 0.62)
    entries, series, hints = table.entries(column), series_of(table.rows), dict[str, str]()
    pools = {row.beside[BEST_OF_N].arm.key: row for row in reversed(table.rows) if row.baseline is not None}
    own = {row.baseline.arm.key: row for row in table.rows if row.baseline is not None}
    for (arm, control), points in curves(results, column).items():
        row = own.get(arm, pools[arm])  # samples that are the baseline's of others have the colour of these
        colour = SERIES[series[row.baseline.name]][0] if row.baseline is not None else _SOFT
        x, y = [point.drawn for point in points], [point.score for point in points]
        style = "-" if control == BEST_OF_N else (0, (4, 2))
        gid, sampled = f"{name}-curve-{len(hints)}", printable(pools[arm].beside[BEST_OF_N].arm.name)
        axes.plot(x, y, color=colour, linestyle=style, linewidth=1.3, alpha=0.75, gid=gid)
        hints[gid] = f"{control} of {sampled}: up to {points[-1].n} samples of each item"
    for place, entry in enumerate(entries, 1):
        gid = f"{name}-point-{place}"
        between = span(entry.estimate.low, entry.estimate.high)
        hints[gid] = f"{place} {printable(entry.name)}: {score(entry.score)} ({between}), {number(entry.drawn)} tokens"
        if entry.row.baseline is None:
            axes.plot(entry.drawn, entry.score, "D", color=_PAPER, markeredgecolor=_INK, markersize=5, gid=gid)
            continue
        colour, marker = SERIES[series[entry.row.baseline.name]]
        if entry.estimate.low == entry.estimate.low:  # NaN: one cluster says nothing of how much they vary
            axes.plot(
                [entry.drawn] * 2,
                entry.estimate[2:4],
                color=colour,
                linewidth=1,
                alpha=0.45 if len(entries) < 20 else 0.2,
            )
        axes.plot(entry.drawn, entry.score, marker, color=colour, markersize=5.5, gid=gid)
    _scaled(axes, [entry.drawn for entry in entries])
    if controls := [each for each in entries if each.row.kind == "control"]:
        free = max(controls, key=lambda each: (each.score, -each.drawn))
        right, gid = axes.get_xlim()[1], f"{name}-free"
        axes.plot([free.drawn, right], [free.score] * 2, color=_SOFT, linewidth=0.8, linestyle=(0, (1, 2)), gid=gid)
        axes.set_xlim(right=right)
        hints[gid] = f"the best control that draws once, {printable(free.name)}, and what is dearer than it"
    _numbered(axes, entries)
    axes.set(xlabel="tokens drawn for an item", ylabel="score")
    axes.set_title(printable(column))
    return svg.inline(figure, name, _price_alt(entries, column), hints)


def _scaled(axes: Axes, drawn: Sequence[float]) -> None:
    """Prices that lie far apart are seen on a logarithmic scale."""
    some = [value for value in drawn if value > 0]
    if some and max(some) > 6 * min(some):
        ticker = library("matplotlib.ticker")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: number(value)))
        axes.xaxis.set_minor_locator(ticker.NullLocator())


def _numbered(axes: Axes, entries: Sequence[Entry]) -> None:
    """The number of each row at its point, the best first, where there is room for it."""
    taken: list[tuple[float, float]] = []
    for place, entry in sorted(enumerate(entries, 1), key=lambda pair: -pair[1].score):
        x, y = axes.transData.transform((entry.drawn, entry.score))
        if all(abs(x - other) > 13 or abs(y - another) > 9 for other, another in taken):
            taken.append((x, y))
            axes.annotate(str(place), (entry.drawn, entry.score), (4, 3), textcoords="offset points", fontsize=8)


def _price_alt(entries: Sequence[Entry], column: str) -> str:
    said = [f"{printable(each.name)} {score(each.score)} for {number(each.drawn)} tokens" for each in entries]
    return f"Score against tokens drawn for an item, {printable(column)}: {'; '.join(said)}."


# -- differences -----------------------------------------------------------------------------------


@_drawn
def differences(table: Table, column: str, name: str) -> str:
    """What each strategy scores more than its baseline, and more than best-of-n at equal cost."""
    shown = [(place, each) for place, each in enumerate(table.entries(column), 1) if each.row.kind == "strategy"]
    figure, axes = _figure(0.8 + 0.27 * max(2, len(shown)), 2.2)
    hints, said = dict[str, str](), []
    axes.axvline(0, color=_SOFT, linewidth=0.9)
    for down, (_, entry) in enumerate(shown):
        for against, shift, marker in ((BASELINE, -0.14, "o"), (BEST_OF_N, 0.2, "D")):
            found = entry.comparisons.get(against)
            if found is None:
                continue
            difference, main = found.difference, against == BASELINE
            colour = {BETTER: _GAIN, WORSE: _LOSS}.get(found.verdict, _SOFT)
            y, gid = down + shift, f"{name}-{down}-{marker}"
            if difference.low == difference.low:
                axes.plot([difference.low, difference.high], [y, y], color=colour, linewidth=1.8 if main else 0.9)
            axes.plot(
                difference.value, y, marker, gid=gid, color=colour if main else _PAPER, markeredgecolor=colour,
                markersize=5 if main else 3.6,
            )  # fmt: skip
            between = span(difference.low, difference.high, sign=True)
            hints[gid] = (
                f"{printable(entry.name)} against {printable(found.control)}: {change(difference.value)} ({between}), "
                f"{found.verdict}"
            )
            said += [f"{printable(entry.name)} {change(difference.value)}, {found.verdict}"] if main else []
    axes.set_yticks(range(len(shown)), [_named(each.row, place) for place, each in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(*reach(table))
    axes.tick_params(axis="y", length=0, labelcolor=_INK, labelsize=8)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("difference in score")
    axes.set_title(printable(column), x=-2.1 / (_WIDTH - 2.3))
    alt = f"Differences from the baseline with 95% intervals, {printable(column)}: {'; '.join(said)}."
    return svg.inline(figure, name, alt, hints)


def reach(table: Table) -> tuple[float, float]:
    """From where to where differences lie, on all tasks: the same scale everywhere, and zero is on it."""
    found = [0.0]
    for column in table.columns:
        for entry in table.entries(column):
            for each in (
                entry.comparisons[name].difference for name in (BASELINE, BEST_OF_N) if name in entry.comparisons
            ):
                found += [value for value in (each.value, each.low, each.high) if value == value]
    room = 0.04 * (max(found) - min(found)) or 0.01
    return min(found) - room, max(found) + room


# -- tuning ----------------------------------------------------------------------------------------


@_drawn
def tuning(trials: Sequence[Trial], name: str) -> str:
    """What each trial of a study was worth, and the best until then; what was pruned, what has failed."""
    figure, axes = _figure(2.7, 0.62)
    hints, best = dict[str, str](), list[tuple[int, float]]()
    known = [trial.value for trial in trials if trial.value is not None]
    bottom = min(known, default=0.0)
    for trial in trials:
        gid = f"{name}-{trial.number}"
        hints[gid] = f"trial {trial.number}, {trial.state}: {parameters(trial)}"
        if trial.state == "failed" or trial.value is None:
            axes.plot(trial.number, bottom, "x", color=_LOSS, markersize=6, markeredgewidth=1.6, gid=gid)
            continue
        complete = trial.state == "complete"
        axes.plot(
            trial.number, trial.value, "o", gid=gid, markersize=5, color=SERIES[0][0] if complete else _PAPER,
            markeredgecolor=SERIES[0][0] if complete else _SOFT,
        )  # fmt: skip
        if complete and (not best or trial.value > best[-1][1]):
            best.append((trial.number, trial.value))
    if best:
        ends = [*best, (max(trial.number for trial in trials), best[-1][1])]
        axes.step(*zip(*ends, strict=True), where="post", color=SERIES[0][0], linewidth=1.2, alpha=0.7, zorder=1)
    axes.xaxis.set_major_locator(library("matplotlib.ticker").MaxNLocator(integer=True))
    axes.set(xlabel="trial", ylabel="score, development split")
    axes.set_title(clip(printable(trials[0].tuned), 44))
    return svg.inline(figure, name, _tuning_alt(trials, best), hints)


def parameters(trial: Trial) -> str:
    """What was tried, in a line."""
    pairs = trial.parameters.items()
    return printable(
        ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in pairs)
    )


def _tuning_alt(trials: Sequence[Trial], best: Sequence[tuple[int, float]]) -> str:
    states = [f"{sum(trial.state == state for trial in trials)} {state}" for state in ("complete", "pruned", "failed")]
    found = f"best {score(best[-1][1])} at trial {best[-1][0]}" if best else "none is complete"
    return f"History of tuning {printable(trials[0].tuned)}: {', '.join(states)}; {found}."
