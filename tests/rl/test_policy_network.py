"""Policy networks in NumPy, beside those that they were trained as."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from policies import weights
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO

from backtrack_sampler import InputError
from backtrack_sampler.rl.policy.export import weights_of
from backtrack_sampler.rl.policy.network import Network


class Nothing(gymnasium.Env[Any, Any]):
    """Spaces and nothing else."""

    observation_space = gymnasium.spaces.Box(0, 1, (5,), np.float32)
    action_space = gymnasium.spaces.Discrete(4)

    def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:  # type: ignore[override]
        return np.zeros(5, np.float32), {}

    def step(self, _: Any) -> Any:
        return np.zeros(5, np.float32), 0.0, True, False, {}


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_it_computes_what_stable_baselines3_does(activation: str) -> None:
    """MlpPolicy: the same logits, to rounding, and so the same action."""
    kind = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[activation]
    model = PPO(
        "MlpPolicy", Nothing(), policy_kwargs={"net_arch": [16, 8], "activation_fn": kind}, seed=1, device="cpu"
    )
    observations = np.random.default_rng(0).random((50, 5), np.float32)
    network = Network(weights_of(model), activation)
    logits, _ = network(observations)
    with torch.no_grad():
        theirs = model.policy.get_distribution(torch.as_tensor(observations)).distribution.logits.numpy()
    ours = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert (network.inputs, network.actions, network.layers) == (5, 4, 0)


def test_it_remembers_what_sb3_contrib_does() -> None:
    """MlpLstmPolicy: over a row of decisions, state and actions are the same."""
    model = RecurrentPPO("MlpLstmPolicy", Nothing(), policy_kwargs={"lstm_hidden_size": 12}, seed=1, device="cpu")
    network = Network(weights_of(model), "tanh")
    state, theirs = network.state(3), None
    rng = np.random.default_rng(0)
    for step in range(20):
        observations = rng.random((3, 5), np.float32)
        actions, theirs = model.predict(observations, theirs, np.full(3, step == 0), deterministic=True)
        logits, state = network(observations, state)
        assert logits.argmax(axis=1).tolist() == actions.tolist()
        assert theirs is not None
        assert state is not None
        assert state[0] == pytest.approx(theirs[0], abs=1e-5)
        assert state[1] == pytest.approx(theirs[1], abs=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.sampled_from([0, 7]), st.integers(0, 100))
def test_a_row_does_not_depend_on_the_others(rows: int, lstm: int, seed: int) -> None:
    """Alone or among others, to the bit: the logits and the state."""
    network = Network(weights(5, 4, lstm, seed, hidden=(33, 17)), "tanh")
    rng = np.random.default_rng(seed)
    state, alone = network.state(rows), [network.state() for _ in range(rows)]
    for _ in range(3):
        observations = rng.random((rows, 5), np.float32)
        together, state = network(observations, state)
        for row in range(rows):
            one, alone[row] = network(observations[row : row + 1], alone[row])
            assert one[0].tobytes() == together[row].tobytes()
            if state is not None:
                assert alone[row][0][:, 0].tobytes() == state[0][:, row].tobytes()  # type: ignore[index]


def test_weights_that_are_none_are_refused() -> None:
    """One that is missing, or layers that do not fit together."""
    whole = weights(5, 4)
    with pytest.raises(InputError, match="not the weights of a policy: 'action_net.bias'"):
        Network({name: each for name, each in whole.items() if name != "action_net.bias"}, "tanh")
    with pytest.raises(InputError, match="do not fit together"):
        Network(whole | {"action_net.weight": np.zeros((4, 9), np.float32)}, "tanh")
    with pytest.raises(InputError, match="no activation 'gelu' here: use one of tanh, relu"):
        Network(whole, "gelu")
