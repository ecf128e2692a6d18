"""Many arms on the same items: what is drawn, what is kept, and what rows say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from letters import Letters, letters_model

from backtrack_sampler import BacktrackSampler, InputError
from backtrack_sampler.benchmark.arms import Arm, sampling_of
from backtrack_sampler.benchmark.drawing import Drawer, Wanted, seed_of
from backtrack_sampler.benchmark.logit_cache import LogitCache
from backtrack_sampler.benchmark.measuring import Asked, Measurement, partly
from backtrack_sampler.benchmark.rows import Row
from backtrack_sampler.benchmark.store import Store
from backtrack_sampler.benchmark.tasks import Item, Score

BASE, COLD = Arm("baseline"), Arm("greedy", (), sampling_of(temperature=0))
PICKY = Arm("picky", (("operator", "probability-threshold:min_probability=0.2"),))
SAME = Arm("repetition", (("operator", "repetition:max_repetitions=9"),))


def drawer(tmp_path: Path, provider: Any = None, **more: Any) -> Drawer:
    return Drawer(provider or letters_model(), Store(tmp_path), model="m", **more)


def measurement(drawing: Drawer, *strategies: Arm, limit: int = 50, repeats: int = 2) -> Measurement:
    task = Letters()
    mine = {arm.key: BASE for arm in strategies}
    return Measurement(drawing, [BASE, COLD], strategies, mine, mine, [Asked(task, task.items(limit=limit))], repeats)


def measured(drawing: Drawer, *strategies: Arm, **more: Any) -> list[Row]:
    found = measurement(drawing, *strategies, **more)
    for _ in found.blocks():
        pass
    return found.rows()


def test_a_text_is_what_the_sampler_writes_with_its_seed(tmp_path: Path) -> None:
    """In a batch with other arms, with a recorder and a cache: the same as alone."""
    task, provider = Letters(), letters_model()
    items = task.items(limit=6)
    wanted = [Wanted(arm, task, item, repeat) for item in items for arm in (PICKY, BASE, COLD) for repeat in (0, 1)]
    records = drawer(tmp_path, LogitCache(letters_model(), 1 << 20), max_batch=5).records(wanted)
    for (arm, _, item, repeat, _), record in zip(wanted, records, strict=True):
        sampler = BacktrackSampler(provider, arm.build(provider))
        stream = sampler.stream(
            item.prompt, max_new_tokens=4, stop=".", seed=seed_of(0, "letters", item.id, repeat),
            temperature=arm.sampling["temperature"],
        )  # fmt: skip
        assert "".join(stream.pieces()) == record.text
        assert (stream.stats.drawn, stream.stats.rollbacks) == (record.drawn, record.rollbacks)
        assert len(record.taken_back) == record.rollbacks
        assert record.log_probability is None or record.log_probability < 0


def test_what_is_in_the_store_is_not_drawn_again(tmp_path: Path) -> None:
    """The same measurement asks the model nothing; one arm more draws only its own texts and its controls'."""
    first = letters_model()
    before = measured(drawer(tmp_path, first), PICKY)
    again = letters_model()
    assert measured(drawer(tmp_path, again), PICKY) == before
    assert again.forward_passes == 0
    drawn: list[str] = []
    more = drawer(tmp_path, letters_model(), on_record=lambda wanted, record: drawn.append(wanted.arm.name))
    assert measured(more, PICKY, SAME)[:3] == before
    assert set(drawn) <= {"repetition", "baseline"}
    assert drawn.count("repetition") == 100


def test_a_strategy_that_has_changed_is_drawn_anew(tmp_path: Path) -> None:
    """Another value, or another line in its file, is another arm; nothing else is drawn again."""
    file = tmp_path / "mine.py"
    file.write_text("def mine(step):\n    return step.probability < 0.2\n")
    one = Arm("mine", (("operator", f"{file}:mine"),))
    key = one.key
    assert Arm("another name", (("operator", f"{file}:mine"),)).key == key
    file.write_text("def mine(step):\n    return step.probability < 0.3\n")
    assert Arm("mine", (("operator", f"{file}:mine"),)).key != key
    assert Arm("picky", (("operator", "probability-threshold:min_probability=0.3"),)).key != PICKY.key


def test_another_model_seed_task_or_limit_is_drawn_anew(tmp_path: Path) -> None:
    """All that a text depends on is part of what it is kept under."""
    task = Letters()
    wanted = [Wanted(BASE, task, task.items()[0])]
    store = Store(tmp_path)
    keys = {Drawer(letters_model(), store, model="m").records(wanted)[0].key}
    for more in ({"model": "n"}, {"model": "m", "seed": 1}, {"model": "m", "max_new_tokens": 2}):
        keys.add(Drawer(letters_model(), store, **more).records(wanted)[0].key)
    newer = Letters()
    newer.version = "2"
    keys.add(Drawer(letters_model(), store, model="m").records([Wanted(BASE, newer, newer.items()[0])])[0].key)
    assert len(keys) == 5


def test_controls_have_spent_what_the_strategy_has_spent(tmp_path: Path) -> None:
    """Beside a strategy that draws more, best-of-n has drawn as many tokens, and the oracle is the best of all."""
    *_, row = measured(drawer(tmp_path), PICKY, repeats=3)
    assert row.baseline is not None

    def mean(of: Row, what: str) -> float:
        return sum(getattr(each, what) for each in of.outcomes["letters"]) / 50

    assert mean(row, "drawn") > 1.2 * mean(row.baseline, "drawn")
    for control in row.beside.values():
        assert mean(control, "drawn") == pytest.approx(mean(row, "drawn"), abs=0.2)
    oracle, best = row.beside["oracle pass@n"], row.beside["best-of-n"]
    assert all(a.score >= b.score for a, b in zip(oracle.outcomes["letters"], best.outcomes["letters"], strict=True))
    assert mean(oracle, "score") > mean(row.baseline, "score")


def test_rows_can_be_had_between_two_blocks(tmp_path: Path) -> None:
    """What all arms have answered is in the table; what some have answered is not."""
    found = measurement(drawer(tmp_path), PICKY)
    next(blocks := found.blocks())
    assert [len(row.outcomes["letters"]) for row in found.rows()] == [32, 32, 32]
    assert list(blocks) == ["letters"]
    assert [len(row.outcomes["letters"]) for row in found.rows()] == [50, 50, 50]


def test_a_row_cannot_be_without_its_controls() -> None:
    """A strategy without baseline and controls at equal cost, or with others' items, is refused."""
    with pytest.raises(InputError, match="cannot be shown without its controls"):
        Row("picky", "strategy", PICKY, {})


def test_a_checker_that_fails_is_that_answers_error(tmp_path: Path) -> None:
    """The run goes on; the text counts as wrong, and its record says what has happened."""

    class Moody(Letters):
        def score(self, item: Item, text: str) -> Score:
            if item.id == "1":
                raise LookupError("no such letter")
            return super().score(item, text)

    task = Moody()
    found = drawer(tmp_path).records([Wanted(BASE, task, item) for item in task.items(limit=3)])
    assert [each.error for each in found] == ["", "the checker failed with LookupError: no such letter", ""]
    assert found[1].score == 0


def test_a_strategy_that_fails_is_that_texts_error(tmp_path: Path) -> None:
    """Other arms are not touched; the record says who has failed."""
    file = tmp_path / "bad.py"
    file.write_text("def bad(step):\n    raise OSError('gone')\n")
    arm = Arm("bad", (("operator", f"{file}:bad"),))
    *_, row = measured(drawer(tmp_path / "s"), arm, limit=4, repeats=1)
    assert [each.failed for each in row.outcomes["letters"]] == [1] * 4
    assert row.baseline is not None
    assert [each.failed for each in row.baseline.outcomes["letters"]] == [0] * 4


def test_what_was_written_when_somebody_interrupts_is_kept(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a batch: texts that were over are in the store, scored."""
    provider = letters_model()

    def interrupt(wanted: Wanted, record: Any) -> None:
        if len(store) == 7:
            raise KeyboardInterrupt

    store = Store(tmp_path)
    drawing = Drawer(provider, store, model="m", on_record=interrupt)
    with pytest.raises(KeyboardInterrupt):
        measured(drawing, PICKY)
    assert len(store) >= 7
    assert len(Store(tmp_path)) == len(store)


def test_partial_results_grow_to_the_whole(tmp_path: Path) -> None:
    """Tuning sees running means over blocks of all tasks; the last is the mean of the task."""
    task = Letters()
    asked = [Asked(task, task.items("development", 50))]
    seen = list(partly(drawer(tmp_path), BASE, asked))
    assert [each.items for each in seen] == [8, 16, 24, 32, 40, 48, 50]
    records = drawer(tmp_path).records([Wanted(BASE, task, item) for item in asked[0].items])
    assert seen[-1].score == pytest.approx(sum(each.score for each in records) / 50)
    assert seen[-1].drawn == pytest.approx(sum(each.drawn for each in records) / 50)


def test_a_cache_asks_the_model_once_and_forgets_the_oldest() -> None:
    """What was asked is not asked again, by whomever, as long as there is room; it gives what the model gives."""
    model = letters_model()
    cache, plain = LogitCache(model, 4 * 6 * 2), letters_model()
    assert [list(row) for row in cache.logits_batch([[0], [1], [0]])] == [list(plain.logits([n])) for n in (0, 1, 0)]
    passes = model.forward_passes
    assert list(cache.logits([1])) == list(plain.logits([1]))
    assert cache.recall([0]) is not None
    assert model.forward_passes == passes
    cache.logits([2])  # one too many: [1] was used before [0] was
    assert cache.recall([1]) is None
    assert cache.recall([0]) is not None
    cache.reset()
    assert cache.recall([0]) is None


def test_a_value_that_is_written_as_it_is_by_default_is_the_same_arm() -> None:
    """Who states a default gets the texts that are there."""
    plain = Arm("plain", (("operator", "probability-threshold"),))
    assert Arm("said", (("operator", "probability-threshold:min_probability=0.05"),)).key == plain.key
    assert Arm("other", (("operator", "probability-threshold:min_probability=0.06"),)).key != plain.key


def test_a_sampler_that_has_changed_draws_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the core does to every text is part of what all are kept under."""
    task, store = Letters(), Store(tmp_path)
    wanted = [Wanted(BASE, task, task.items()[0])]
    before = Drawer(letters_model(), store, model="m").records(wanted)[0].key
    monkeypatch.setattr("backtrack_sampler.benchmark.drawing.core_source", lambda: "another one")
    assert Drawer(letters_model(), store, model="m").records(wanted)[0].key != before


def test_a_larger_context_draws_what_the_smaller_one_may_have_cut_off(tmp_path: Path) -> None:
    """And nothing else: where the limit of tokens comes first, a text is the same in both."""
    keys = []
    for context in (4, 6, 90, None):
        provider, task = letters_model(), Letters()
        provider.context_size = context
        drawing = Drawer(provider, Store(tmp_path), model="m")
        keys.append(drawing.records([Wanted(BASE, task, task.items()[0])])[0].key)
    assert keys[0] != keys[1]
    assert keys[1] == keys[2] == keys[3]


@pytest.mark.parametrize(
    "said", [1.0, True, None, "right", Score(float("nan")), Score(7.0), Score("x"), Score(1.0, ["a"]), SystemExit(3)]  # type: ignore[arg-type]
)  # fmt: skip
def test_what_no_checker_may_say_is_that_answers_error(tmp_path: Path, said: Any) -> None:
    """Whatever it returns, or where it leaves: the item is wrong, its record says why, and the others go on."""

    class Strange(Letters):
        def score(self, item: Item, text: str) -> Score:
            if item.id != "1":
                return Score(1.0, text)
            if isinstance(said, BaseException):
                raise said
            return said  # type: ignore[no-any-return]

    task = Strange()
    one, other = drawer(tmp_path).records([Wanted(BASE, task, item) for item in task.items()[1:3]])
    assert (one.score, one.answer, other.score, other.error) == (0.0, None, 1.0, "")
    assert one.error.startswith("the checker ")


def test_the_tokens_of_a_stop_string_count_where_texts_are_compared(tmp_path: Path) -> None:
    """Whichever way a text has ended, its mean log-probability is that of all tokens it took, the last among them."""

    class Stopped(Letters):
        stop = (".",)
        max_new_tokens = 50

    class Ended(Stopped):
        stop = ("never",)

    model = letters_model()
    model.eos_token_ids = frozenset(model.encode("."))
    plain = letters_model()
    wanted = [[Wanted(BASE, task, item) for item in task.items(limit=20)] for task in (Stopped(), Ended())]
    stopped = Drawer(plain, Store(tmp_path), model="m").records(wanted[0])
    ended = Drawer(model, Store(tmp_path), model="n").records(wanted[1])
    pairs = [
        (a, b) for a, b in zip(stopped, ended, strict=True) if (a.finish_reason, b.finish_reason) == ("stop", "end")
    ]
    assert len(pairs) > 5
    for one, other in pairs:
        assert one.text == other.text.removesuffix(".")
        assert one.log_probability == pytest.approx(other.log_probability)


def test_a_model_is_asked_once_for_each_place_of_a_text(tmp_path: Path) -> None:
    """What was taken back is drawn again from what it has said: `forwards` is what a text costs it alone."""
    task, provider = Letters(), letters_model()
    for item in task.items(limit=12):
        before = provider.forward_passes
        record = Drawer(provider, Store(tmp_path / item.id), model="m").records([Wanted(PICKY, task, item)])[0]
        assert record.forwards == provider.forward_passes - before
        assert record.forwards <= record.drawn
    provider.reset()
