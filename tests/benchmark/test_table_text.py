"""A table in a terminal and as Markdown."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import pytest
from made_rows import HOSTILE, made_rows

from backtrack_sampler.benchmark.rows import EQUAL_COST, Row
from backtrack_sampler.benchmark.statistics.estimates import Difference
from backtrack_sampler.benchmark.table import Table
from backtrack_sampler.benchmark.table.entries import BASELINE, CHEAP, Comparison
from backtrack_sampler.benchmark.table.markdown import as_markdown
from backtrack_sampler.benchmark.table.words import number, p_value, sentence, signed
from backtrack_sampler.terminal.layout import width


@cache
def table() -> Table:
    return Table(made_rows(20, 2, tasks=["sums", "gcd:largest=20"]))


@cache
def renamed(suffix: str) -> Table:
    """All rows with other names, and their arms."""
    found: dict[str, Row] = {}
    for row in table().rows:
        base = found[row.baseline.name] if row.baseline else None
        found[row.name] = replace(
            row, name=f"{row.name} {suffix}", baseline=base, arm=replace(row.arm, name=f"{row.name} {suffix}"),
        )  # fmt: skip
    return Table(list(found.values()))


def test_str_is_the_text_for_100_columns() -> None:
    """What `print(table)` shows."""
    assert str(table()) == table().text(100)


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("suffix", ["", "a rather long name " * 5, "漢字" * 20 + "x" * 150, " ".join(HOSTILE)])
def test_no_line_is_wider_than_the_terminal(columns: int, suffix: str) -> None:
    """Long and wide names take several lines; nothing in them moves the cursor."""
    said = renamed(suffix).text(columns, tasks=True)
    assert max(sum(map(width, line)) for line in said.split("\n")) <= columns
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", said)


def test_each_strategy_has_its_controls_below_it() -> None:
    """Scores: best-of-n, majority and the oracle; differences: the baseline, these two and the best no dearer."""
    lines = table().text(140).split("\n")
    for entry in table().strategies():
        first, second = (index for index, line in enumerate(lines) if re.match(rf"{re.escape(entry.name)}  +\d", line))
        pool = " of baseline T=1" * entry.name.endswith("T=0")  # samples of greedy decoding would all be the same
        assert [re.split("  +", line.strip())[0] for line in lines[first + 1 : first + 4]] == [
            name + pool for name in EQUAL_COST
        ]
        assert number(entry.score) in lines[first]
        said = [re.split("  +", line.strip()) for line in lines[second + 1 : second + 5]]
        assert [each[0].split(":")[0] for each in said] == [
            entry.comparisons[BASELINE].control,
            f"best-of-n{pool}",
            f"majority{pool}",
            "best no dearer",
        ]
        assert [each[-1] for each in said] == [each.verdict for each in entry.comparisons.values()]
        assert [each[1] for each in said] == [number(each.drawn, 1) for each in entry.comparisons.values()]


def test_development_scores_are_shown_only_where_something_was_tuned() -> None:
    """A column more, and a note."""
    plain = str(Table(made_rows(5, 1, tasks=["sums"], strategies=["repetition"])))
    assert "development" in str(table())
    assert "development" not in plain


def test_controls_alone_are_a_table_too() -> None:
    """Without strategies there are no differences, and no notes on them."""
    said = str(Table(made_rows(5, 1, tasks=["sums"], strategies=[])))
    assert "verdict" not in said
    assert "Holm" not in said


def test_a_sentence_says_where_a_cheaper_control_does_the_same() -> None:
    """The control's name, the difference, and what both draw."""
    entry = table().entry("probability-threshold")
    cheap = entry.comparisons[CHEAP]
    said = sentence(entry)
    assert f"{cheap.control} ({signed(cheap.difference.value)}), which draws {cheap.drawn:.1f} tokens" in said
    rest: dict[str, Comparison] = {name: each for name, each in entry.comparisons.items() if name != CHEAP}
    assert "Every control that draws once draws over 5% more tokens" in sentence(replace(entry, comparisons=rest))


def test_a_sentence_names_controls_that_are_one_only_once() -> None:
    """Best-of-n of one sample is the baseline: it stands with it, and is no further evidence."""
    base, row = table().rows[0], next(row for row in table().rows if row.name == "repetition")
    once = {name: replace(each, outcomes=base.outcomes) for name, each in row.beside.items()}
    entry = Table([base, replace(row, beside=once)]).entry("repetition")
    value = signed(entry.comparisons[BASELINE].difference.value)
    assert sentence(entry) == (
        f"repetition: not distinguishable from baseline T=1 ({value}; here the same as best-of-n and majority "
        f"with about 1.0 samples); it draws {entry.price:.2f} times the tokens of its baseline. Of the "
        "controls that are no dearer, none scores more than its baseline."
    )
    best = replace(entry.comparisons[CHEAP], control="greedy", same_as="best-of-n")
    said = sentence(replace(entry, comparisons={**entry.comparisons, CHEAP: best}))
    assert f"from greedy ({value}; here the same as best-of-n), which draws" in said


def test_both_prices_stand_where_there_is_room_for_them() -> None:
    """Tokens drawn and passes of the model, and how many samples a control has; a dash where nobody has counted."""
    lines = as_markdown(table()).split("\n| ")[:30]
    assert "| drawn | passes | price | samples |" in as_markdown(table())
    entry = table().entry("probability-threshold")
    line = next(each for each in lines if each.startswith("**probability-threshold** "))
    assert f"| {entry.drawn:.1f} | {entry.forwards:.1f} | {entry.price:.2f} | – |" in line
    beside = lines[lines.index(line) + 1]
    control = entry.beside["best-of-n"]
    assert f"| {control.drawn:.1f} | {control.forwards:.1f} | {control.price:.2f} | {control.samples:.1f} |" in beside
    assert "passes" in table().text(120).split("\n")[2]
    assert "passes" not in table().text(119).split("\n")[2]
    unknown = Table([
        replace(row, outcomes={task: [each._replace(forwards=0.0) for each in some] for task, some in row.outcomes.items()})
        for row in table().rows if row.kind == "control"
    ])  # fmt: skip
    assert f"| {unknown.entry('greedy').drawn:.1f} | – | – | – |" in as_markdown(unknown)


def test_notes_say_what_was_corrected_together() -> None:
    """How many p-values each family has, and that choosing the best control flatters it; what is alike, which both
    prices are, and where controls are one."""
    said = str(table()).replace("\n", " ")
    assert "clustered by problem, or whatever the task calls alike" in said
    assert "no pass. Equal cost is equal in drawn tokens" in said
    assert "at most 5% more tokens than the strategy" in said
    assert "p is first multiplied by the number of controls" in said
    assert "no further evidence" in said
    assert "template" not in said
    assert "7 p-values against baseline" in said
    assert "flatters it" in said


@pytest.mark.parametrize(("p", "said"), [(0, "<0.001"), (0.00099, "<0.001"), (0.0499, "0.050"), (1, "1.000")])
def test_a_p_value_is_never_shown_as_0(p: float, said: str) -> None:
    """Three digits."""
    assert p_value(p) == said


def test_what_rounds_to_nothing_has_no_sign() -> None:
    """0.000, not -0.000."""
    assert (signed(-0.0001), signed(0.0001), signed(-0.01)) == ("0.000", "0.000", "-0.010")


@pytest.mark.parametrize("suffix", ["", "|a|b|" + " ".join(HOSTILE)])
def test_markdown_tables_are_whole(suffix: str) -> None:
    """Every line of a table has as many cells as its head, whatever is in the names."""
    found = renamed(suffix)
    blocks = re.findall(r"(?:^\|.*\n?)+", as_markdown(found, tasks=True), flags=re.MULTILINE)
    assert len(blocks) == 6
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.strip().split("\n")}) == 1
    assert "<" not in re.sub(r"\\<", "", as_markdown(found))


def test_markdown_says_the_same_as_the_terminal() -> None:
    """Sections of each task only where asked for; the verdicts in words; the notes."""
    said = as_markdown(table(), title="a|b~c*d_e`f")
    assert said.startswith("# a\\|b\\~c\\*d\\_e\\`f\n")
    assert "## sums" not in said
    assert "## sums" in as_markdown(table(), tasks=True)
    assert "- probability-threshold: " in said
    assert "## How to read it" in said


def test_a_difference_of_nothing_is_a_verdict() -> None:
    """A strategy that never acts: no difference, no verdict but that one."""
    base, row = table().rows[0], next(row for row in table().rows if row.name == "repetition")
    still = Table([base, replace(row, outcomes=base.outcomes, baseline=base)])
    found: Difference = still.entry(row.name).comparisons[BASELINE].difference
    assert (found.value, found.p) == (0, 1)
    assert found.low < 0 < found.high
    assert "not distinguishable from baseline T=1 (0.000)" in " ".join(str(still).split())


def test_a_sentence_says_how_many_texts_have_failed() -> None:
    """An operator that raises each time has a score, which says nothing of it."""
    entry = table().entry("probability-threshold")
    said = sentence(replace(entry, failed=7))
    assert f"; 7 of its {entry.items * entry.repeats} texts failed, and count as wrong" in said
    assert "failed" not in sentence(replace(entry, failed=0))
