"""A policy on disk: numbers and names, and no code."""

from __future__ import annotations

import importlib
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from policies import policy

from backtrack_sampler import InputError
from backtrack_sampler.benchmark import arms
from backtrack_sampler.benchmark.arms import Arm
from backtrack_sampler.rl.features import FEATURES
from backtrack_sampler.rl.policy.policy import Normaliser, load_policy
from backtrack_sampler.specs import parse_spec


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    """Settings and answers are the same; who loads it again gets the same object, until the file changes."""
    saved = policy(
        lstm=6, normaliser=Normaliser([0.1, 0.2, 0.3, 0.4], [1.0, 2.0, 3.0, 4.0]), model={"name": "m"}, max_discarded=9
    )
    saved.save(tmp_path)
    loaded = load_policy(tmp_path)
    assert loaded.settings == saved.settings
    assert loaded.is_recurrent
    one, other = (each.ask([0.1, 0.9, 0.5, 0.0], each.start())()[0] for each in (saved, loaded))
    assert one.tobytes() == other.tobytes()
    assert load_policy(tmp_path / "policy.json") is load_policy(tmp_path / "policy.safetensors") is loaded
    policy(seed=5).save(tmp_path)
    assert load_policy(tmp_path) is not loaded


def test_nothing_in_it_is_run(tmp_path: Path) -> None:
    """A file with a pickle in the place of its weights is refused, and so is a zip whose maker is not trusted."""
    policy().save(tmp_path)

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (open, (str(tmp_path / "was run"), "w"))  # type: ignore[return-value]

    (tmp_path / "policy.safetensors").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        load_policy(tmp_path)
    (tmp_path / "policy.zip").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InputError, match="runs code that its maker put there: load the folder .* or pass trust=True"):
        load_policy(tmp_path / "policy.zip")
    assert not (tmp_path / "was run").exists()


def test_files_of_two_policies_are_told_apart(tmp_path: Path) -> None:
    """Trained for other features, or for other actions: both are named."""
    policy().save(tmp_path / "four")
    policy(names=tuple(FEATURES)).save(tmp_path / "eight")
    policy(max_backtrack=7).save(tmp_path / "far")
    for other, said in (
        ("eight", "has 4 inputs, but its settings name 8 features"), ("far", "has 4 actions, but its settings say 8"),
    ):  # fmt: skip
        shutil.copy(tmp_path / other / "policy.json", tmp_path / "four" / "policy.json")
        with pytest.raises(InputError, match=said):
            load_policy(tmp_path / "four")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda said: said | {"format": 99}, "of another version of backtrack_sampler"),
        (lambda said: {"format": 1}, "is no policy's: KeyError"),
        (lambda said: [], "is no policy's"),
        (lambda said: said | {"features": {"names": ["nose"], "max_seq_length": 3}}, "there is no feature 'nose'"),
    ],
)
def test_settings_that_are_none_are_refused(tmp_path: Path, change, said: str) -> None:  # type: ignore[no-untyped-def]
    """Each in one line."""
    policy().save(tmp_path)
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(InputError, match=said):
        load_policy(tmp_path)


def test_where_there_is_none(tmp_path: Path) -> None:
    """A folder without a policy is named, with what is needed."""
    with pytest.raises(
        InputError, match=r"there is no policy at .*: a folder with policy\.safetensors and policy\.json"
    ):
        load_policy(tmp_path / "nowhere")


def test_observations_are_scaled_as_in_training() -> None:
    """To the bit what VecNormalize makes of them."""
    from stable_baselines3.common.running_mean_std import RunningMeanStd
    from stable_baselines3.common.vec_env import VecNormalize

    rng = np.random.default_rng(1)
    running = RunningMeanStd(shape=(4,))
    running.update(rng.random((100, 4)))
    theirs = VecNormalize.__new__(VecNormalize)
    theirs.epsilon, theirs.clip_obs = 1e-8, 10.0
    observations = rng.random((9, 4)).astype(np.float32)
    ours = Normaliser(running.mean.tolist(), running.var.tolist())(observations)
    assert ours.tobytes() == theirs._normalize_obs(observations, running).astype(np.float32).tobytes()


def test_texts_are_told_apart_by_what_the_policy_has_learned(tmp_path: Path) -> None:
    """A row of a benchmark, and a spec, is another one after more training."""
    policy().save(tmp_path / "run")
    spec = f"rl-policy:policy={tmp_path / 'run'}"
    before, row = parse_spec(spec).files, Arm("policy", (("strategy", spec),)).key
    assert sorted(Path(name).name for name in before) == ["policy.json", "policy.safetensors"]
    assert Arm("policy", (("strategy", spec),)).key == row
    policy(seed=5).save(tmp_path / "run")
    after = parse_spec(spec).files
    assert [name for name in before if before[name] != after[name]] == [str(tmp_path / "run" / "policy.safetensors")]
    assert Arm("policy", (("strategy", spec),)).key != row


def test_a_missing_policy_is_named_before_a_model_is_loaded(tmp_path: Path) -> None:
    """By the spec alone."""
    with pytest.raises(InputError, match="no policy at .*nowhere: a folder with policy"):
        parse_spec(f"rl-policy:policy={tmp_path / 'nowhere'}")


@pytest.mark.parametrize("name", ["features", "observer", "policy.network", "policy.operator", "policy.policy"])
def test_a_row_is_another_one_where_the_code_that_decides_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Not only that of the strategy's own class."""
    policy().save(tmp_path)
    spec = f"rl-policy:policy={tmp_path}"
    row = Arm("policy", (("strategy", spec),)).key
    module = importlib.import_module(f"backtrack_sampler.rl.{name}")
    changed = tmp_path / "changed.py"
    changed.write_text("# another one")
    monkeypatch.setattr(module, "__file__", str(changed))
    arms._source.cache_clear()
    try:
        assert Arm("policy", (("strategy", spec),)).key != row
    finally:
        arms._source.cache_clear()
