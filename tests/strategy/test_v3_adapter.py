"""Strategy files of backtrack_sampler 3.x run unmodified, on both engines."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import backtrack_sampler
from backtrack_sampler import AntiSlopStrategy, BacktrackSampler, ChainStrategy, RollbackError, StrategyError
from backtrack_sampler.discovery import find_strategy
from backtrack_sampler.events import Started
from backtrack_sampler.strategy.v3_adapter import V3Adapter
from backtrack_sampler.testing import FakeProvider, check_strategy

FILES = Path(__file__).parents[1] / "v3_strategies"


def load(name: str):
    return find_strategy(str(FILES / f"{name}_strategy.py"))


def test_a_3x_strategy_keeps_to_the_contract() -> None:
    """It ends, leaves nothing behind, and what it streamed never changes."""
    check_strategy(lambda provider: load("no_repeat")(provider))


def test_it_does_what_it_is_for() -> None:
    """No token three times in a row, which without it happens; the end token waits five tokens."""
    provider = FakeProvider(["a", "b", ""], seed=1)
    sampler = BacktrackSampler(provider, load("no_repeat")(provider))
    rollbacks = 0
    for seed in range(30):
        tokens = list(sampler.generate("a", max_new_tokens=20, seed=seed))
        rollbacks += sampler.stats.rollbacks
        assert all(len(set(tokens[i : i + 3])) > 1 for i in range(len(tokens) - 2))
        assert len(tokens) > 5
    assert rollbacks > 10


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["smollm", "smollm_transformers"])
def test_on_both_engines_and_in_a_chain_with_new_ones(engine: str, request: pytest.FixtureRequest) -> None:
    """Two 3.x strategies and one of today in one chain, on llama.cpp and on transformers."""
    provider = request.getfixturevalue(engine)
    chain = ChainStrategy([
        load("force_start")(provider), load("no_repeat")(provider), AntiSlopStrategy(provider, ["the"], whole_words=True)
    ])  # fmt: skip
    sampler = BacktrackSampler(provider, chain)
    text = sampler.generate_text("What is a dragon?", max_new_tokens=40, seed=2)
    assert text.startswith(" In short,")
    assert " the " not in text
    text = sampler.generate_text("What is a dragon?", max_new_tokens=6, seed=2, top_k=None)
    assert text.startswith(" In short,")


@pytest.mark.slow
def test_dropped_into_the_folder(tmp_path: Path, smollm_file: Path) -> None:
    """Copied into `strategy/`, the file is found by its name on the command line; nothing else is needed."""
    package = tmp_path / "backtrack_sampler"
    shutil.copytree(Path(backtrack_sampler.__path__[0]), package)
    shutil.copy(FILES / "force_start_strategy.py", package / "strategy")

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "backtrack_sampler", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    assert "force-start" in run("strategies")
    arguments = ("--model", str(smollm_file), "--max-new-tokens", "8", "--strategy", "force-start:start= So it is")
    assert run("generate", "Tell me", *arguments).startswith(" So it is")


def test_a_list_that_is_not_a_beginning() -> None:
    """A 3.x strategy that returns something else than the list shortened is named."""

    class Wrong(load("force_start")):
        def backtrack(self, continuation_tokens):
            return [7, 7, 7]

    with pytest.raises(StrategyError, match=r"Wrong\.backtrack must return the list shortened"):
        list(BacktrackSampler(FakeProvider(), Wrong(FakeProvider(), start="a")).generate("a", seed=1))


def test_going_back_behind_its_own_keep_index() -> None:
    """What it said may be streamed cannot be taken back, also by a 3.x strategy."""

    class Greedy(load("force_start")):
        def backtrack(self, continuation_tokens):
            return continuation_tokens[:-2] if len(continuation_tokens) == 3 else continuation_tokens

    with pytest.raises(RollbackError, match="Greedy"):
        list(BacktrackSampler(FakeProvider(eos=-1), Greedy(FakeProvider(), start="a")).generate("a", seed=1, max_new_tokens=9))  # fmt: skip


def test_logits_keep_their_library() -> None:
    """Tensors go in, and what comes back is what the backend works with."""
    import numpy as np

    adapter = V3Adapter(load("no_repeat")(FakeProvider()))
    for row in (np.zeros(7, np.float32), torch.zeros(7), [0.0] * 7):
        out = adapter.on_logits(row, [])
        assert type(out) is type(row)
        assert float(out[6]) == -float("inf")  # the end token is banned at first


class Old:
    """Just what 3.x wanted of a strategy; remembers what it was told."""

    def __init__(self) -> None:
        self.told = []

    def get_keep_index(self):
        return 10**9

    def on_logits(self, logits, tokens):
        return logits

    def on_probs(self, probs, tokens):
        return probs

    def on_next_token(self, tokens, probs):
        self.told.append((tokens, probs))

    def backtrack(self, tokens):
        return tokens

    def reset(self):
        self.told = []


def test_what_a_3x_strategy_is_told() -> None:
    """Each token, with the row of probabilities that it was drawn from."""
    old = Old()
    adapter = V3Adapter(old)
    adapter.on_logits([0.0, 1.0, 0.0], [])
    probs = adapter.on_probs({1: 0.75, 2: 0.25}, [])
    adapter.on_next_token([2], probs)
    ((tokens, row),) = old.told
    assert tokens == [2]
    assert row.tolist() == [[0.0, 0.75, 0.25]]
    assert adapter.pending([2]) == 0


def test_candidates_stay_in_order() -> None:
    """Highest first, equals by their id."""
    adapter = V3Adapter(Old())
    adapter.on_logits([0.0] * 500, [])
    probs = {token: 0.001 + 0.001 * (token % 2) for token in range(500)}
    assert list(adapter.on_probs(probs, [])) == [*range(1, 500, 2), *range(0, 500, 2)]


def test_a_list_of_the_same_length() -> None:
    """What is as long as the list must be the list."""

    class Changes(Old):
        def backtrack(self, tokens):
            return [token + 1 for token in tokens]

    with pytest.raises(StrategyError, match=r"Changes\.backtrack must return the list shortened"):
        V3Adapter(Changes()).backtrack([1, 2])


def test_its_parameters_are_told() -> None:
    """A trace shows what a 3.x strategy was made with, where it says so, and nothing otherwise."""
    events = []
    strategies = [load("no_repeat")(FakeProvider(), min_tokens=2), Old()]
    list(BacktrackSampler(FakeProvider(), strategies).generate("a", max_new_tokens=2, seed=1, on_event=events.append))
    (started,) = [event for event in events if isinstance(event, Started)]
    assert [(each.name, dict(each.parameters)) for each in started.strategies] == [
        ("NoRepeatStrategy", {"min_tokens": 2}),
        ("Old", {}),
    ]
