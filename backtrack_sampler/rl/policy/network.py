"""Small policy networks in NumPy: no torch call a token.

What stable-baselines3's `MlpPolicy` and sb3-contrib's `MlpLstmPolicy` compute between an observation and the
logits of the actions, with the same names of parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...errors import InputError

__all__ = ["ACTIVATIONS", "Network", "State"]

Array = npt.NDArray[np.float32]

#: Hidden and cell state of an LSTM: each of shape (layers, rows, units).
State = tuple[Array, Array]


def _relu(x: Array) -> Array:
    above: Array = np.maximum(x, np.float32(0))
    return above


def _tanh(x: Array) -> Array:
    bent: Array = np.tanh(x)
    return bent


ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "tanh": _tanh,
    "relu": _relu,
}

_LAYER = "mlp_extractor.policy_net.{}."
_LSTM = "lstm_actor."
_LAST = "action_net."


class _Linear(NamedTuple):
    weight: Array  # (inputs, outputs)
    bias: Array

    def __call__(self, x: Array) -> Array:
        # Row by row, with the same call whatever the number of rows: the result of a row depends on nothing else.
        product: Array = np.matmul(x[:, None, :], self.weight)[:, 0, :] + self.bias
        return product


class Network:
    """From observations to logits of actions.

    Args:
        weights: by stable-baselines3's names, those of the actor.
        activation: of the hidden layers; see `ACTIVATIONS`.

    Attributes:
        inputs: numbers of an observation.
        actions: how many there are.
        layers, units: of the LSTM; 0 without one.

    Raises:
        InputError: the weights are not such a network's.
    """

    def __init__(self, weights: Mapping[str, Array], activation: str) -> None:
        if activation not in ACTIVATIONS:
            raise InputError(f"there is no activation {activation!r} here: use one of {', '.join(ACTIVATIONS)}")
        self._activation = ACTIVATIONS[activation]
        try:
            self._lstm = [
                (
                    _linear(weights, f"{_LSTM}weight_ih_l{layer}", f"{_LSTM}bias_ih_l{layer}"),
                    _linear(weights, f"{_LSTM}weight_hh_l{layer}", f"{_LSTM}bias_hh_l{layer}"),
                )
                for layer in range(sum(name.startswith(f"{_LSTM}weight_ih_l") for name in weights))
            ]
            count = sum(name.startswith("mlp_extractor.policy_net.") for name in weights) // 2
            numbers = sorted(
                {int(name.split(".")[2]) for name in weights if name.startswith("mlp_extractor.policy_net.")}
            )
            self._hidden = [_linear(weights, f"{_LAYER.format(n)}weight", f"{_LAYER.format(n)}bias") for n in numbers]
            self._last = _linear(weights, f"{_LAST}weight", f"{_LAST}bias")
        except (KeyError, ValueError, IndexError) as error:
            raise InputError(f"these are not the weights of a policy: {error} is missing or has no use here") from error
        assert count == len(self._hidden)
        first = self._lstm[0][0] if self._lstm else self._hidden[0] if self._hidden else self._last
        self.inputs = first.weight.shape[0]
        self.actions = self._last.weight.shape[1]
        self.layers = len(self._lstm)
        self.units = self._lstm[0][1].weight.shape[0] if self._lstm else 0
        sizes = [self.units or self.inputs, *(layer.weight.shape[1] for layer in self._hidden)]
        if [layer.weight.shape[0] for layer in (*self._hidden, self._last)] != sizes:
            raise InputError("these are not the weights of a policy: its layers do not fit together")

    def state(self, rows: int = 1) -> State | None:
        """Where an LSTM begins: zeros; None without one."""
        if not self.layers:
            return None
        shape = (self.layers, rows, self.units)
        return np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def __call__(self, observations: Array, state: State | None = None) -> tuple[Array, State | None]:
        """The logits of the actions, and the state after.

        Args:
            observations: (rows, inputs), float32.
            state: of each row; None without an LSTM.

        Returns:
            (rows, actions), and the new state; the one that was given stays as it is.
        """
        x = observations
        if state is not None:
            x, state = self._recur(x, state)
        for layer in self._hidden:
            x = self._activation(layer(x))
        return self._last(x), state

    def _recur(self, x: Array, state: State) -> tuple[Array, State]:
        hidden, cell = (each.copy() for each in state)
        for layer, (of_input, of_state) in enumerate(self._lstm):
            gates = of_input(x) + of_state(hidden[layer])
            enter, forget, new, leave = np.split(gates, 4, axis=1)
            cell[layer] = _sigmoid(forget) * cell[layer] + _sigmoid(enter) * np.tanh(new)
            hidden[layer] = _sigmoid(leave) * np.tanh(cell[layer])
            x = hidden[layer]
        return x, (hidden, cell)


def _linear(weights: Mapping[str, Any], weight: str, bias: str) -> _Linear:
    return _Linear(
        np.ascontiguousarray(np.asarray(weights[weight], np.float32).T), np.asarray(weights[bias], np.float32)
    )


def _sigmoid(x: Array) -> Array:
    positive: Array = np.float32(1) / (np.float32(1) + np.exp(-x))
    return positive
