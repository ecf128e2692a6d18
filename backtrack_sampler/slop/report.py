"""Tables of what stands out, and of what is left of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from ..matching import occurrences
from ..terminal.layout import clip, printable
from ..terminal.layout import width as columns_of
from .finding import Finding, Profile

__all__ = ["change_table", "counts_of", "summary", "table"]

_PHRASE = 36  # columns of a phrase, at most
_NUMBERS = ("model", "human", "ratio", "texts", "strength")
_EXAMPLE = 30  # columns, at least: else it has a line of its own


def table(profile: Profile, top: int | None = 25, width: int = 100) -> str:
    """The strongest findings, a line each: how often, how often people do, and one place.

    Args:
        top: most of them; None: all.
        width: columns of the whole.
    """
    shown = profile.findings[:top]
    if not shown:
        return ""
    rows = [
        [
            clip(printable(finding.phrase), _PHRASE),
            f"{1000 * finding.rate:.2f}",
            _rate(finding.human),
            f"{finding.ratio:,.0f}",
            str(finding.texts),
            f"{finding.strength:.2f}",
        ]
        for finding in shown
    ]
    head, *lines = _aligned(["phrase", *_NUMBERS], rows)
    room = width - columns_of_line(head) - 2
    if room >= _EXAMPLE:
        head += "  example"
        lines = [f"{line}  {_example(finding, room)}" for line, finding in zip(lines, shown, strict=True)]
    else:
        lines = [f"{line}\n    {_example(f, max(1, width - 4))}" for line, f in zip(lines, shown, strict=True)]
    if len(shown) < len(profile.findings):
        lines.append(f"... and {len(profile.findings) - len(shown)} more")
    return "\n".join([head, *lines, "model and human: times per 1,000 words"])


def summary(profile: Profile) -> str:
    """In one sentence, what there was and what stands out."""
    words = sum(" " not in finding.phrase for finding in profile.findings)
    phrases = len(profile.findings) - words
    read = f"{_number(profile.texts, 'text')} to {_number(profile.prompts, 'prompt')}, {_number(profile.words, 'word')}"
    if not profile.findings:
        return f"{read}: nothing stands out"
    share = profile.covered / profile.words
    return f"{read}: {_number(words, 'word')} and {_number(phrases, 'phrase')} stand out, {share:.1%} of the text"


def counts_of(texts: Iterable[str], phrases: Collection[str]) -> Counter[str]:
    """How often each phrase is in the texts, as anti-slop with whole words finds them."""
    names = list(phrases)
    return Counter(
        names[match.pattern] for text in texts for match in occurrences(text, names, whole_words=True)
    )  # fmt: skip


def change_table(
    strengths: Mapping[str, float],
    before: Sequence[str],
    after: Sequence[str],
    words: tuple[int, int],
    top: int | None = 25,
) -> str:
    """How often the phrases of a list are in texts written without it, and with it.

    Args:
        strengths: the list.
        before: texts.
        after: texts.
        words: of the ones and of the others.
        top: phrases with a line of their own, those first that were there most often; None: all.
    """
    found = counts_of(before, strengths), counts_of(after, strengths)
    order = sorted(strengths, key=lambda phrase: (-found[0][phrase], -found[1][phrase], phrase))
    rows = [
        [clip(printable(phrase), _PHRASE), f"{strengths[phrase]:.2f}", *(str(each[phrase]) for each in found)]
        for phrase in order[:top]
    ]
    if rest := order[len(rows) :]:
        sums = (str(sum(each[phrase] for phrase in rest)) for each in found)
        rows.append([f"{len(rest)} more", "", *sums])
    rates = [f"{1000 * each.total() / max(1, size):.2f}" for each, size in zip(found, words, strict=True)]
    rows += [["all", "", *(str(each.total()) for each in found)], ["all, per 1,000 words", "", *rates]]
    return "\n".join(_aligned(["phrase", "strength", "before", "after"], rows))


def columns_of_line(line: str) -> int:
    """How many columns a line takes."""
    return sum(map(columns_of, line))


def _aligned(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines with the first column at the left and the others at the right."""
    sizes = [max(map(columns_of_line, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(
            [row[0] + " " * (sizes[0] - columns_of_line(row[0]))]
            + [cell.rjust(size) for cell, size in zip(row[1:], sizes[1:], strict=True)]
        )
        for row in [head, *rows]
    ]


def _example(finding: Finding, columns: int) -> str:
    """The words around a place, as many as fit, in one line."""
    text, start, end = finding.example
    found = _line(text[start:end])
    room = columns - columns_of_line(found)
    if room < 2:
        return clip(found, columns)
    before, after = _line(text[max(0, start - columns) : start]), _line(text[end : end + columns])
    left = clip(before[::-1], max(room // 2, room - columns_of_line(after)))[::-1]
    right = clip(after, room - columns_of_line(left))
    if start > len(left):  # no halves of words
        left = left.partition(" ")[2] if " " in left else left
    if end + len(right) < len(text):
        right = right.rpartition(" ")[0] if " " in right else right
    return left + found + right


def _line(text: str) -> str:
    return printable("".join(" " if character.isspace() else character for character in text))


def _rate(rate: float) -> str:
    per_thousand = 1000 * rate
    return f"{per_thousand:.4f}" if per_thousand >= 0.0001 else "<0.0001"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
