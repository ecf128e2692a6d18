"""The arms of an experiment: strategies at each temperature, and the controls that every table has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..arms import Arm, sampling_of
from .contenders import with_every_n

if TYPE_CHECKING:
    from .sections import Contender, Controls, Generation

__all__ = ["PlannedArms"]

_NAMES = {"top_k": "top-k", "top_p": "top-p", "min_p": "min-p"}
_OFF: Mapping[str, Any] = {"top_k": 0, "top_p": 1.0, "min_p": 0.0}  # these values do nothing


class PlannedArms:
    """What is drawn, and what belongs to what.

    No two controls draw in the same way: one that would stand there twice, such as the baseline at 0.7 and the
    sweep's 0.7, is there once. Greedy is greedy, whatever the filters: they leave the most probable token.

    Args:
        strategies: see `Experiment`.
        generation: how they draw.
        controls: what stands beside them.
    """

    def __init__(self, strategies: list[Contender], generation: Generation, controls: Controls) -> None:
        self._contenders = strategies
        self._generation = generation
        self._wanted = controls
        temperatures = {*generation.temperature, *(each for one in strategies for each in one.temperature or [])}
        self._several = len({sampling_of(temperature=each)["temperature"] for each in temperatures}) > 1

    @cached_property
    def samplings(self) -> list[dict[str, Any]]:
        """How rows draw that say nothing of it themselves: at each temperature of `generation`."""
        return [self._sampling(temperature) for temperature in self._generation.temperature]

    @cached_property
    def by_contender(self) -> list[list[Arm]]:
        """The arms of each strategy of the configuration, at each of its temperatures."""
        return [self._arms_of(each) for each in self._contenders]

    @property
    def strategies(self) -> list[Arm]:
        """All of these, in order."""
        return [arm for arms in self.by_contender for arm in arms]

    @cached_property
    def controls(self) -> list[Arm]:
        """Baselines, greedy, temperatures, min-p, top-p, in this order."""
        used = [*self.samplings, *(dict(arm.sampling) for arm in self.strategies)]
        sampled = [each for each in used if each["temperature"] > 0] or [self._sampling(self._wanted.sampled_at)]
        hottest = max(each["temperature"] for each in sampled)
        found = [self._plain(each, "baseline ") for each in used]
        found.append(self._plain(self._sampling(0)))
        found += [self._plain(self._sampling(each)) for each in self._wanted.temperatures]
        for temperature in dict.fromkeys(each["temperature"] for each in sampled):
            found += [self._plain(self._sampling(temperature, min_p=each)) for each in self._wanted.min_p]
        found += [self._plain(self._sampling(hottest, top_p=each)) for each in self._wanted.top_p]
        once: dict[str, Arm] = {}
        for arm in found:
            once.setdefault(arm.key, arm)
        return list(once.values())

    def baseline_of(self, arm: Arm) -> Arm:
        """The control that draws as an arm does, and takes nothing back."""
        return self._known(self._plain(arm.sampling, "baseline "))

    def pool_of(self, arm: Arm) -> Arm:
        """What controls at equal cost draw from: an arm's baseline, at another temperature if that is greedy."""
        if arm.sampling["temperature"] > 0:
            return self.baseline_of(arm)
        return self._known(self._plain({**arm.sampling, "temperature": self._wanted.sampled_at}))

    def name_of(self, name: str, sampling: Mapping[str, Any]) -> str:
        """What to call a row: with its temperature where there are several, and with filters of its own."""
        return " ".join(filter(None, [name, self._said(sampling, self._several)]))

    # -- how they are made ---------------------------------------------------------------------

    def _arms_of(self, contender: Contender) -> list[Arm]:
        own = {name: value for name in _NAMES if (value := getattr(contender, name)) is not None}
        every_n = self._generation.backtrack_every_n
        parts = tuple((kind, with_every_n(text, kind, every_n)) for kind, text in contender.parts)
        name = contender.name or " + ".join(text for _, text in contender.parts)
        samplings = [self._sampling(each, **own) for each in contender.temperature or self._generation.temperature]
        # What somebody has a name for is not said again.
        said = [self._said(each, self._several, contender.name is None) for each in samplings]
        return [
            Arm(" ".join(filter(None, [name, more])), parts, sampling)
            for more, sampling in zip(said, samplings, strict=True)
        ]

    def _sampling(self, temperature: float, **own: Any) -> dict[str, Any]:
        return _plainly({**self._filters, "temperature": temperature, **own})

    @property
    def _filters(self) -> dict[str, Any]:
        return {name: getattr(self._generation, name) for name in _NAMES}

    def _plain(self, sampling: Mapping[str, Any], prefix: str = "") -> Arm:
        """An arm without strategies."""
        if not sampling["temperature"]:
            return Arm("greedy", (), sampling_of(temperature=0.0))
        sampling = _plainly({name: sampling[name] for name in ("temperature", *_NAMES)})
        return Arm(f"{prefix}{self._said(sampling, True)}", (), sampling)

    def _known(self, arm: Arm) -> Arm:
        """The control that is the same, if there is one."""
        return next((each for each in self.controls if each.key == arm.key), arm)

    def _said(self, sampling: Mapping[str, Any], temperature: bool, filters: bool = True) -> str:
        """How it draws: filters only where they are not those of `generation`."""
        usual = _plainly({**self._filters, "temperature": 1.0})
        words = [
            f"{shown}={_short(_OFF[name] if sampling[name] is None else sampling[name])}"
            for name, shown in reversed(_NAMES.items())
            if filters and sampling[name] != usual[name]
        ]
        if temperature:
            words.append(f"T={_short(sampling['temperature'])}")
        return " ".join(words)


def _plainly(sampling: Mapping[str, Any]) -> dict[str, Any]:
    """Checked and complete, and the same for all that means the same."""
    return sampling_of(**{name: None if value == _OFF.get(name) else value for name, value in sampling.items()})


def _short(number: float) -> str:
    return f"{number:g}" if float(f"{number:g}") == number else repr(number)
