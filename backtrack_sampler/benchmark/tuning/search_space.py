"""Where tuning may look: what is tuned, and a range for each of its parameters."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from ...discovery import find_operator, find_strategy
from ...errors import InputError
from ...specs import parameters, parse_operator, parse_spec, split_name, with_arguments
from ...strategy.operator_strategy import OperatorStrategy
from ...testing import FakeProvider
from ..arms import Arm, sampling_of
from .ranges import Choice, Choices, Numbers, Range, read_range, read_space

__all__ = ["Choice", "Choices", "EndError", "Numbers", "Range", "Tuning", "default_space", "read_range", "read_space"]

_COUNT = Numbers(1, 4, whole=True)

_SAY = "say what is tuned, as search_space: {key: [low, high]}"

#: By the name of an operator's class. Each has the operator's default in it.
_DEFAULTS: Mapping[str, Mapping[str, Range]] = {
    "ProbabilityThreshold": {"min_probability": Numbers(0.001, 0.3, log=True), "backtrack_count": _COUNT},
    "EntropyThreshold": {"max_entropy": Numbers(0.1, 3.5), "backtrack_count": _COUNT},  # ln 50 is 3.9
    "ProbabilityMargin": {"min_margin": Numbers(0.005, 0.5, log=True), "backtrack_count": _COUNT},
    "ProbabilityDrop": {"max_drop": Numbers(0.5, 0.995), "backtrack_count": _COUNT},
    "ProbabilityTrend": {
        "window_size": Numbers(2, 32, log=True, whole=True),
        "drop_threshold": Numbers(0.02, 0.9, log=True),
        "backtrack_count": _COUNT,
    },
    "LogitThreshold": {"min_logit": Numbers(-20.0, 20.0), "backtrack_count": _COUNT},  # each model has its own scale
    "Repetition": {"max_repetitions": Numbers(1, 8, whole=True)},
    "NGramOverlap": {"ngram_size": Numbers(2, 12, whole=True), "backtrack_count": Numbers(1, 8, whole=True)},
}


def default_space(name: str) -> dict[str, Range]:
    """Sensible ranges for one of the operators that are built in.

    Args:
        name: as on the command line, or that of its class.

    Raises:
        InputError: there is no such operator, or it has none.
    """
    cls = find_operator(name)
    built_in = getattr(cls, "__module__", "").startswith("backtrack_sampler.operators.")
    if not built_in or cls.__name__ not in _DEFAULTS:
        raise InputError(f"{name} has no search space of its own: {_SAY}")
    return dict(_DEFAULTS[cls.__name__])


class EndError(InputError):
    """An end of a range is not taken.

    Attributes:
        parameter: whose range it is.
    """

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


@dataclass(frozen=True)
class Tuning:
    """What is tuned: one operator or strategy, which may have others beside it.

    Attributes:
        name: of the row it becomes.
        kind: "operator" or "strategy".
        spec: as on the command line; what it says is fixed.
        space: what is not; for an operator, parameters of the strategy around it too (`retry`,
            `backtrack_every_n`). Empty: `default_space`. Whole numbers for a parameter whose default is a
            fraction are read as fractions.
        n_trials: settings to try, over all workers.
        before, after: strategies of the same stream that are as they are, as in `Arm.strategies`.

    Raises:
        InputError: it has no such parameter.
        EndError: it does not take what is at an end of a range. Nothing is drawn for that, and no model loaded.
    """

    name: str
    kind: str
    spec: str
    space: Mapping[str, Range] = field(default_factory=dict)
    n_trials: int = 20
    before: tuple[tuple[str, str], ...] = ()
    after: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.n_trials, bool) or not isinstance(self.n_trials, int) or self.n_trials < 1:
            raise InputError(f"{self.name}: n_trials must be a whole number, at least 1, not {self.n_trials!r}")
        if self.kind not in ("operator", "strategy"):
            raise InputError(f"{self.name}: kind must be 'operator' or 'strategy', not {self.kind!r}")
        if not self.space:
            object.__setattr__(self, "space", self._default_space())
        known = self._known()
        self._check_names(known)
        space = {name: _as_fractions(each, known[name].default) for name, each in self.space.items()}
        object.__setattr__(self, "space", space)
        self._check_ends(known)

    @property
    def defaults(self) -> dict[str, Choice]:
        """Where each parameter stands if nobody sets it; only those that are in their ranges."""
        known = self._known()
        return {name: known[name].default for name, each in self.space.items() if known[name].default in each}

    @property
    def first(self) -> dict[str, Choice]:
        """The defaults, and the beginning of the range where a default is not in it."""
        return {name: each.ends[0] for name, each in self.space.items()} | self.defaults

    def arm_spec(self, values: Mapping[str, Choice]) -> str:
        """The spec with values of what is tuned."""
        return with_arguments(self.spec, values)

    def arm(self, values: Mapping[str, Choice], sampling: Mapping[str, Any] | None = None) -> Arm:
        """What writes with these values."""
        mine = (self.kind, self.arm_spec(values))
        return Arm(self.name, (*self.before, mine, *self.after), sampling_of() if sampling is None else sampling)

    def _default_space(self) -> dict[str, Range]:
        name, _ = split_name(self.spec, self.kind)
        if self.kind == "strategy":
            find_strategy(name)
            raise InputError(f"{self.name}: a strategy has no search space of its own: {_SAY}")
        space = {key: each for key, each in default_space(name).items() if not self._is_fixed(key)}
        if not space:
            raise InputError(f"{self.name} has nothing left to tune: its spec says all of it")
        return space

    def _is_fixed(self, key: str) -> bool:
        return key in (parse_operator if self.kind == "operator" else parse_spec)(self.spec).arguments

    def _known(self) -> dict[str, Any]:
        name, _ = split_name(self.spec, self.kind)
        if self.kind == "operator":
            return parameters(OperatorStrategy) | parameters(find_operator(name))
        return parameters(find_strategy(name))

    def _check_names(self, known: Mapping[str, Any]) -> None:
        for name in self.space:
            if name in known:
                continue
            near = difflib.get_close_matches(name, known, 1)
            what = f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none'}"
            raise InputError(f"{self.name} has no parameter {name!r} to tune: {what}")

    def _check_ends(self, known: Mapping[str, Any]) -> None:
        """Each end beside the others' defaults, or where those do not go with it, beside the others' ends.

        Raises:
            InputError: none of these can be made.
        """
        first = {name: each.ends[0] for name, each in self.space.items()}
        last = {name: each.ends[-1] for name, each in self.space.items()}
        needed = {name: value for name, value in first.items() if known[name].default is known[name].empty}
        for name, each in self.space.items():
            for end in each.ends:
                errors = [self._refused(others | {name: end}) for others in (needed, first, last)]
                if all(errors):
                    raise EndError(name, f"{self.name} cannot be tuned with {name}={end}: {errors[0]}")

    def _refused(self, values: Mapping[str, Choice]) -> str:
        """Why a strategy cannot be made of these values; "" where it can, or where only a model shows it."""
        try:
            if self.kind == "operator":
                parse_operator(self.arm_spec(values))
                return ""
            spec = parse_spec(self.arm_spec(values))
        except InputError as error:
            return str(error)
        wanted = "provider" in inspect.signature(spec.cls).parameters
        try:
            spec.build(_provider() if wanted else None)
        except InputError as error:
            # Anybody's constructor may want more of a model than this one has; then the first trial tells.
            return "" if wanted and not isinstance(error.__cause__, ValueError) else str(error)
        return ""


@cache
def _provider() -> FakeProvider:
    """A model that can write any text."""
    return FakeProvider([*(bytes([each]) for each in range(256)), b""])


def _as_fractions(each: Range, default: Any) -> Range:
    """[0, 1] for a parameter whose default is 0.5 is all that is between, not two numbers."""
    if isinstance(each, Numbers) and each.whole and each.step is None and isinstance(default, float):
        return replace(each, whole=False)
    return each
