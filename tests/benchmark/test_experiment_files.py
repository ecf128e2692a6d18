"""The experiments that this project ships."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtrack_sampler.benchmark.config import read_experiment

ROOT = Path(__file__).parents[2]
FILES = [*sorted(ROOT.glob("examples/*.yaml")), *sorted(ROOT.glob("benchmarks/experiments/*.yaml"))]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_one_can_be_read(file: Path) -> None:
    """Each file under `examples` and `benchmarks/experiments`; its strategies have their controls."""
    experiment = read_experiment(file)
    controls = {arm.key for arm in experiment.control_arms()}
    assert experiment.strategy_arms()
    assert {experiment.baseline_of(arm).key for arm in experiment.strategy_arms()} <= controls
