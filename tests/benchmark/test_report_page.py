"""The report of an experiment, in a real browser."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from made_rows import HOSTILE, STRATEGIES, made_results
from playwright.sync_api import Page, expect

from backtrack_sampler.benchmark.arms import Arm, sampling_of
from backtrack_sampler.benchmark.report import page as page_of
from backtrack_sampler.benchmark.report import write_page
from backtrack_sampler.benchmark.results import Results
from backtrack_sampler.benchmark.table import Table
from backtrack_sampler.benchmark.tasks import Item

Open = Callable[..., Page]

SIDES = "each => { const { left, right } = each.getBoundingClientRect(); return [left, right]; }"

#: Worse than what models write.
EVIL = [*HOSTILE, "\x00\x1b[2J", "\ud800", "x" * 3000, "<img src=x onerror=alert(1)>", "שלום", "😀", "{{script}}"]


@pytest.fixture
def show(visit: Open, tmp_path: Path) -> Open:
    """Opens the report of results."""
    numbers = count()

    def open_it(results: Results, **options: Any) -> Page:
        return visit(write_page(tmp_path / f"{next(numbers)}.html", results), **options)

    return open_it


@pytest.fixture(scope="module")
def found() -> Results:
    """An experiment of two tasks and three strategies, one of them tuned."""
    return made_results(
        40, 2, tasks=["sums", "gcd:largest=20"], controls=["greedy"], traces=False,
        strategies=["probability-threshold, tuned", "entropy-threshold", "probability-threshold T=0.7"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def file(found: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its report."""
    return write_page(tmp_path_factory.mktemp("found") / "report.html", found)


def evil(results: Results) -> Results:
    """The same, with names, prompts, texts, answers and reasons that a page could trip over."""
    texts = {each.key: EVIL[place % len(EVIL)] for place, each in enumerate(results.records.values())}

    def worse(record: Any) -> Any:
        text = texts[record.key]
        return replace(
            record, text=text, answer=text, error=text, finish_reason=text, taken_back=[(3, text, text)] * 20
        )

    names = iter(["$x$ <b>", "\x00\ud800", "</script><script>alert(1)</script>", "x" * 300, "\u202eabc", '"& 漢字'])
    rows = []
    known: dict[str, Any] = {}
    for row in results.rows:
        known[row.name] = replace(
            row,
            name=f"{row.name} {next(names)}",
            baseline=known[row.baseline.name] if row.baseline is not None else None,
        )
        rows.append(known[row.name])
    items = {
        task: {
            name: Item(name, [{"role": "user", "content": EVIL[place % len(EVIL)]}]) for place, name in enumerate(of)
        }
        for task, of in results.items.items()
    }
    about = {
        **results.about,
        "experiment": {"model": EVIL},
        "machine": {"<b>": "".join(EVIL)},
        "command": "".join(EVIL),
    }
    trials = [replace(each, tuned="".join(EVIL), parameters={"<i>": EVIL[0]}, error=EVIL[0]) for each in results.trials]
    return replace(
        results, rows=rows, items=items, about=about, trials=trials,
        records={key: worse(record) for key, record in results.records.items()},
    )  # fmt: skip


def contents(page: Page, selector: str) -> list[str]:
    texts: list[str] = page.locator(selector).evaluate_all("all => all.map((each) => each.textContent)")
    return texts


def test_it_says_what_the_table_says(visit: Open, file: Path, found: Results) -> None:
    """A row for each row of the table, with its score, price and differences, and a plot of everything."""
    page, table = visit(file), Table(found.rows)
    assert page.title() == "Benchmark: made-up.gguf"
    assert page.locator("#table table.grid").count() == 1 + 2  # of all tasks, and of each
    heads = contents(page, "#table table >> nth=0 >> thead th")
    assert heads[1:6] == ["score", "sums", "gcd:largest=20", "tokens", "passes"]
    assert heads[-1] == "tuned on"
    rows = page.locator("#table table >> nth=0 >> tbody tr")
    assert rows.count() == len(found.rows) == 6
    for place, entry in enumerate(table.entries()):
        cells = [each.replace("\u2212", "-") for each in rows.nth(place).locator("td").all_text_contents()]
        assert len(cells) == len(heads) - 1
        assert cells[4] == f"{entry.forwards:.1f}"
        assert cells[0].startswith(f"{entry.score:.3f}{entry.estimate.low:.3f} to ")
        if entry.comparisons:
            assert f"{entry.comparisons['baseline'].difference.value:+.3f}" in cells[5]
            assert cells[6] == f"{entry.comparisons['baseline'].visible_corrected:.3f}"
            assert f"{entry.comparisons['majority'].difference.value:+.3f}" in cells[8]
            assert f"about {entry.beside['majority'].samples:.1f} samples" in cells[8]
            assert f"× {entry.price:.2f}" in cells[3]
        else:
            assert cells[5:11] == ["–"] * 6
    assert [page.locator(f"#{section} svg").count() for section in ("price", "differences", "tuning")] == [3, 3, 1]
    assert "Of 3 strategies, 1 is better" in contents(page, "#verdicts li")[0]
    assert "runs: 2" in contents(page, "#how pre")[1]
    assert "0" * 64 in contents(page, "#how dd")


def test_whatever_is_written_is_text(show: Open, found: Results) -> None:
    """Markup, control characters, half characters and endless lines stand on the page as text, and do nothing."""
    page = show(evil(found), viewport={"width": 390, "height": 800})
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    rows = page.evaluate("JSON.parse(document.getElementById('data').textContent)")["rows"]
    shown = set()
    for row in rows:
        page.select_option("#row", str(row["place"]))
        while page.locator("#more").is_visible():
            page.click("#more")
        shown |= set(contents(page, "article .text"))
        assert page.locator("article b, article img").count() == 0
    assert {text.replace("\ud800", "\ufffd") for text in EVIL} <= {text.replace("\ud800", "\ufffd") for text in shown}
    assert "user: " in contents(page, ".prompt")[0]
    assert contents(page, ".back >> nth=0 >> li")[-1] == "and 8 more"
    # What turns the direction is alone in its element: it turns nothing beside it.
    beside = page.locator("article *").evaluate_all(
        "all => all.filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.includes('\\u202e')))"
        ".map((each) => each.childNodes.length)"
    )
    assert len(beside) > 4
    assert set(beside) == {1}


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_screen(visit: Open, file: Path, width: int, scheme: str) -> None:
    """The page never scrolls sideways, only its tables do; plots are in its colours, and not wider than it."""
    page = visit(file, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    plots = page.locator("svg.plot").evaluate_all("all => all.map((each) => each.getBoundingClientRect().width)")
    assert all(300 < wide < width for wide in plots)
    ink = page.locator("svg.plot text").first.evaluate("each => getComputedStyle(each).fill")
    assert ink == {"light": "rgb(102, 108, 117)", "dark": "rgb(154, 160, 168)"}[scheme]


def test_from_a_row_to_what_it_has_changed(visit: Open, file: Path, found: Results) -> None:
    """A row's link leads to its items, gained and lost, which are as many as the results say."""
    page = visit(file)
    for place, row in enumerate(found.rows, 1):
        if row.baseline is None:
            continue
        kinds = Counter(
            "gained" if mine.score > theirs.score else "lost"
            for task in row.outcomes for mine, theirs in found.changed(row, row.baseline, task)
        )  # fmt: skip
        link = page.locator(f"a[href='#changed-{place}']")
        assert link.text_content() == f"+{kinds['gained']} \u2212{kinds['lost']} texts"
        link.click()
        expect(page.locator("#row")).to_have_value(str(place))  # the page hears of it a moment later
        for kind in ("gained", "lost"):
            page.select_option("#kind", kind)
            said = page.locator("#count").text_content() or ""
            numbers = [int(each) for each in re.findall(r"\d+", said)]
            assert numbers[-1] == kinds[kind]
            while page.locator("#more").is_visible():
                page.click("#more")
            assert page.locator(f"#items .{kind}").count() == page.locator("#items .item").count() == numbers[0] > 0
    page.select_option("#kind", "")
    page.select_option("#task", "0")
    assert all("· sums ·" in head for head in contents(page, "#items h3"))


def test_a_changed_item(visit: Open, file: Path, found: Results) -> None:
    """Both texts stand beside each other with what they have cost, what was taken back, and the question."""
    page = visit(file)
    strategy = found.rows[-2]
    page.select_option("#row", str(len(found.rows) - 1))
    head = contents(page, "#items h3")[0]
    kind, task, item, repeat, seed = re.fullmatch(
        r"(\w+) · (\S+) · item (\S+) · repeat (\d+) · seed (\d+)", head
    ).groups()  # type: ignore[union-attr]
    assert strategy.baseline is not None
    mine = found.records[strategy.arm.key, task, item, int(repeat) - 1]
    theirs = found.records[strategy.baseline.arm.key, task, item, int(repeat) - 1]
    assert kind == ("gained" if mine.score > theirs.score else "lost")
    assert int(seed) == mine.seed
    first = page.locator("#items .item").first
    assert first.locator(".prompt").text_content() == found.items[task][item].prompt
    assert first.locator(".text").all_text_contents() == [theirs.text, mine.text]
    assert f"{mine.drawn} tokens drawn, {mine.kept} kept" in (first.locator("article").last.text_content() or "")
    assert first.locator("del").count() == min(12, len(mine.taken_back)) > 0
    assert first.locator(".shared").count() == (mine.text[0] == theirs.text[0])


def test_a_control_that_is_another_one_says_so(show: Open) -> None:
    """Best-of-n of one sample each is the baseline: its cell does not look like further evidence."""
    found = made_results(20, 1, tasks=["sums"], strategies=["repetition"], controls=[])
    base, row = found.rows
    once = {name: replace(each, outcomes=base.outcomes) for name, each in row.beside.items()}
    page = show(replace(found, rows=[base, replace(row, beside=once)]))
    cells = contents(page, "#table table >> nth=0 >> tbody tr >> nth=1 >> td")
    assert [each.endswith("same as baseline") for each in cells[5:7]] == [True, True]


def test_the_dotted_line_begins_at_its_price(show: Open) -> None:
    """What is cheaper than the best control that draws once cannot be had for less by it: the line is not above it."""
    found = made_results(40, 2, tasks=["sums"], strategies=["entropy-threshold"], controls=["greedy", "min-p 0.1"])
    page = show(found)
    line = page.locator("#price svg g", has=page.locator("title", has_text="the best control that draws once"))
    best = max(Table(found.rows).controls(), key=lambda entry: entry.score)
    point = page.locator("#price svg g", has=page.locator("title", has_text=f"{best.name}: "))
    start, end = line.last.locator("path").evaluate(SIDES)
    assert start == pytest.approx(sum(point.last.locator("use").evaluate(SIDES)) / 2, abs=2)
    assert end - start > 50
    assert "begins at the price of the best control" in " ".join(
        (page.locator("#price p").first.text_content() or "").split()
    )


def test_curves_have_the_colour_of_what_they_stand_beside(show: Open) -> None:
    """Samples of another arm than the baseline are drawn like the strategies that they are to be compared with."""
    found = made_results(20, 1, tasks=["sums"], controls=["greedy"], strategies=["entropy-threshold"])
    *controls, strategy = found.rows
    arm = Arm("T=0.9", sampling=sampling_of(temperature=0.9))
    beside = {name: replace(row, arm=arm) for name, row in strategy.beside.items()}
    page = show(replace(found, rows=[*controls, replace(strategy, beside=beside)]))
    curves = page.locator("#price svg g:has(> title)").filter(has_text="samples of each item")
    assert [each.split(":")[0] for each in curves.locator("title").all_text_contents()] == [
        "best-of-n of T=0.9", "majority of T=0.9",
    ]  # fmt: skip
    assert (
        curves.locator("path").evaluate_all("all => all.map((each) => each.getAttribute('stroke'))")
        == ["var(--s1)"] * 2
    )


def test_links_lead_somewhere(show: Open, found: Results, tmp_path: Path) -> None:
    """Each link goes to a place on the page, or to a trace in a file beside it; others are none."""
    traced = replace(found, traces={})
    strategy = found.rows[-1]
    assert strategy.baseline is not None
    pairs = found.changed(strategy, strategy.baseline, "sums")
    keys = [(mine.arm, mine.task, mine.item, mine.repeat) for mine, _ in pairs]
    traced.traces[keys[-1]] = "traces/one.html"
    traced.traces[keys[-2]] = "javascript:alert(1)"
    (tmp_path / "traces").mkdir()
    (tmp_path / "traces" / "one.html").write_text("<title>One</title>")
    page = show(traced)
    page.select_option("#row", str(len(found.rows)))
    links = page.locator("a").evaluate_all("all => all.map((each) => each.href)")
    for link in links:
        if "#" in link:
            anchor = link.partition("#")[2]
            assert page.locator(f"[id='{anchor}']").count() == 1 or re.fullmatch(r"changed-\d+", anchor)
    others = [link for link in links if "#" not in link]
    assert others == [(tmp_path / "traces" / "one.html").as_uri()]
    assert page.locator("#items .item:nth-child(-n+3) a").count() == 1  # those with a trace come first


def test_tables_are_sorted(visit: Open, file: Path, found: Results) -> None:
    """A click on a heading sorts by it, the largest first, and another one the other way; rows without it stay last."""
    page = visit(file)
    heads = page.locator("#table table >> nth=0 >> thead th")
    numbers = "#table table >> nth=0 >> tbody th div > span:first-child"
    scores = {str(place): entry.score for place, entry in enumerate(Table(found.rows).entries(), 1)}
    heads.nth(1).click()
    assert contents(page, numbers) == sorted(scores, key=lambda place: -scores[place])
    assert heads.nth(1).get_attribute("aria-sort") == "descending"
    heads.nth(1).click()
    assert contents(page, numbers) == sorted(scores, key=lambda place: scores[place])
    heads.nth(len(heads.all()) - 1).click()
    assert contents(page, numbers)[0] == "4"  # the only one that was tuned
    heads.nth(0).press("Enter")
    assert contents(page, numbers) == sorted(scores)


def test_an_interrupted_experiment_says_so(show: Open, visit: Open, file: Path, found: Results) -> None:
    """At the top stands how far it has come, and how to go on; of a complete one nothing."""
    assert visit(file).locator("#interrupted").count() == 0
    part = show(replace(found, complete=False, planned={"sums": 300, "gcd:largest=20": 300}))
    said = part.locator("#interrupted").text_content() or ""
    assert "sums 40 of 300" in said
    assert "--resume" in said


def test_nothing_was_answered_yet(show: Open) -> None:
    """Results without rows, and with rows without items, are a page as well."""
    for results in (Results({}), replace(made_results(1, 1), complete=False, planned={"sums": 9})):
        if results.rows:
            results.rows = [row for row in results.rows if row.kind == "control"]
            results.rows = [replace(row, outcomes={"sums": []}) for row in results.rows]
            results.trials = []
        page = show(results)
        assert "nothing to compare" in (page.locator("#verdicts").text_content() or "")
        assert page.locator("svg, table").count() == 0
        assert contents(page, "nav a") == ["Verdicts", "How it was run"]


def test_one_item_one_task_and_controls_only(show: Open) -> None:
    """The least that there can be is shown as far as something is known of it."""
    page = show(made_results(1, 1, tasks=["sums"]))
    assert page.locator("#table table").count() == 1
    assert page.locator("#price svg").count() == 1
    assert "nan" not in (page.locator("main").text_content() or "").lower()
    page = show(made_results(3, 1, tasks=["sums"], strategies=[]))
    assert "only controls" in contents(page, "#verdicts li")[0]
    assert contents(page, "nav a") == ["Verdicts", "Table", "Price", "How it was run"]


def test_without_scripts_and_on_paper(visit: Open, file: Path) -> None:
    """Everything but the changed items needs no script; on paper there is nothing to click."""
    page = visit(file, java_script_enabled=False)
    assert page.locator("#price svg").first.is_visible()
    assert page.locator("#table table").first.is_visible()
    assert page.locator("#changed noscript").is_visible()
    assert not page.locator("#bar").is_visible()
    page = visit(file, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("nav").is_visible()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"


def test_names_in_the_page_are_unique(visit: Open, file: Path) -> None:
    """No two elements have one id, and whatever refers to one refers to one that is there."""
    page = visit(file)
    names = page.locator("[id]").evaluate_all("all => all.map((each) => each.id)")
    assert [name for name, times in Counter(names).items() if times > 1] == []
    used = page.locator("svg use").evaluate_all("all => all.map((each) => each.getAttribute('href').slice(1))")
    clips = page.locator("[clip-path]").evaluate_all(
        "all => all.map((each) => each.getAttribute('clip-path').slice(5, -1))"
    )
    assert used
    assert {*used, *clips} <= set(names)
    assert page.locator("[style]").count() == 0
    assert all(page.locator("svg.plot").evaluate_all("all => all.map((each) => each.getAttribute('aria-label'))"))


def test_many_texts_are_capped() -> None:
    """However long texts are, the page stays small, and says how many there are."""
    from backtrack_sampler.benchmark.report.changes import changes

    found = made_results(30, 2, tasks=["sums"], strategies=["entropy-threshold"])
    found.records = {key: replace(each, text="long " * 10_000) for key, each in found.records.items()}
    shown = changes(found, most=12)
    (row,) = shown["rows"]
    (task,) = row["tasks"]
    assert len(task["shown"]) == 12 < task["gained"] + task["lost"]
    assert all(
        len(each["text"]) < 7_000 and each["text"].endswith("(44,000 characters more)") for each in shown["texts"]
    )
    small = changes(found, most=12, room=20_000)
    assert 1 <= len(small["rows"][0]["tasks"][0]["shown"]) <= 3
    assert small["rows"][0]["tasks"][0]["gained"] == task["gained"]


def test_each_row_gets_its_first_items_before_any_gets_more() -> None:
    """Where there is little room, it is shared among rows and tasks; gained and lost come in turns."""
    from backtrack_sampler.benchmark.report.changes import changes

    found = made_results(40, 2, tasks=["sums", "gcd:largest=20"], traces=False)
    shown = changes(found, room=12 * 400)
    counts = [len(task["shown"]) for row in shown["rows"] for task in row["tasks"]]
    assert max(counts) - min(counts) <= 1
    for row in changes(found)["rows"]:
        for task in row["tasks"]:
            kinds = [_kind(found, row, task["task"], entry) for entry in task["shown"]]
            both = 2 * min(task["gained"], task["lost"], 6)
            assert kinds[:both] == ["gained", "lost"] * (both // 2)


def _kind(found: Results, row: Any, task: str, entry: Any) -> str:
    strategy = found.rows[row["place"] - 1]
    assert strategy.baseline is not None
    mine, theirs = (
        found.records[arm.key, task, entry["item"], entry["repeat"]].score
        for arm in (strategy.arm, strategy.baseline.arm)
    )
    return "gained" if mine > theirs else "lost"


def test_a_large_experiment(show: Open) -> None:
    """Of many strategies, all are numbered in plots and table, colours begin again, and the page stays small."""
    made = {f"s{n}": (Arm(f"s{n}", (("operator", "repetition"),), sampling_of(top_k=n + 2)), 0.5, 20.0, float(n), "baseline T=1", False)
            for n in range(24)}  # fmt: skip
    STRATEGIES.update(made)
    try:
        found = made_results(6, 1, tasks=["sums"], strategies=list(made))
    finally:
        for name in made:
            del STRATEGIES[name]
    page = show(found)
    assert page.locator("#table table tbody tr").count() == len(found.rows)
    assert page.locator("#price svg title").count() >= len(found.rows)
    assert page.evaluate("document.documentElement.outerHTML.length") < 500_000


def test_several_attempts_are_shown(found: Results) -> None:
    """pass@k of each row and task with what it costs, where there are several repeats; nothing of it where there is
    one. It says that it is not at equal cost, and which rows are not there."""
    page = page_of(found)
    assert "<th>pass@2</th>" in page
    assert "This is not at equal cost" in page
    shown = page.partition('<table id="several">')[2].partition("</table>")[0]
    drawn = sum(each.drawn for each in found.rows[0].outcomes["sums"]) / 40
    assert f"<small>{2 * drawn:.1f} tokens</small>" in shown
    assert "greedy" not in shown
    assert "<th>pass@" not in page_of(made_results(4, 1, tasks=["sums"]))
