"""What the report says of how it came to be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_rows import made_results

from backtrack_sampler.benchmark.report.facts import how, interrupted, what
from backtrack_sampler.benchmark.results import Results


def test_what_was_run() -> None:
    """Model, tasks, items, repeats, temperatures, and each text once, whichever rows it stands in."""
    results = made_results(3, 2, tasks=["sums"], controls=["greedy"], strategies=["creative-writing"])
    said = what(results)
    assert said.startswith("<b>made-up.gguf</b> on none was asked <b>sums</b> (3 items), each 2 times")
    assert "1 strategy and 2 controls that draw once, at temperatures 1 and 0;" in said
    texts = {each.key: each for each in results.records.values()}
    for samples in results.samples.values():
        texts |= {each.key: each for each in samples}
    assert f"{len(texts)} texts, {sum(each.drawn for each in texts.values())} tokens drawn." in said
    assert what(Results({})) == "<b>A model</b> was asked nothing yet."


def test_how_it_came_to_be() -> None:
    """All of it is there, whatever else is known as well; what says nothing is left out."""
    about = {
        "model": {"name": "m", "sha256": "ab12", "options": {"n_ctx": 512}}, "seed": 0, "seconds": 7325.2, "other": [1, "<b>"],
        "machine": {"cores": 2, "gpus": []}, "versions": {"torch": "2.9"}, "experiment": {"b": [1.5, None], "a": "<"},
        "command": "run it --now",
    }  # fmt: skip
    said = how(Results(about))
    for label, value in (
        ("model", "m"), ("sha256 of the model", "ab12"), ("more of it", "options: n_ctx: 512"), ("seed", "0"),
        ("took", "2 h 2 min"), ("machine", "cores: 2"), ("versions", "torch 2.9"), ("other", "1, &lt;b&gt;"),
    ):  # fmt: skip
        assert f"<dt>{label}</dt><dd>{value}</dd>" in said
    assert "<pre>run it --now</pre>" in said
    assert "<pre>b:\n- 1.5\n- null\na: &lt;</pre>" in said
    assert "engine" not in said


@pytest.mark.parametrize(("planned", "said"), [({"sums": 9}, "sums 3 of 9."), ({}, "may change.")])
def test_how_far_it_has_come(planned: dict[str, int], said: str) -> None:
    """An interrupted run names for each task how many items all rows have answered."""
    results = made_results(3, 1, tasks=["sums"])
    assert interrupted(results) == ""
    assert said in interrupted(replace(results, complete=False, planned=planned))


def test_controls_at_equal_cost_have_a_sample_at_least() -> None:
    """Beside a strategy that is cheaper than its baseline they cost more: that is said."""
    said = what(made_results(3, 1, tasks=["sums"], strategies=["creative-writing"]))
    assert "at as many drawn tokens, but one sample of each item at least." in said
