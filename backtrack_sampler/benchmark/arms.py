"""An arm: a way of writing that is measured. Strategies, and how tokens are drawn."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ..options import SessionOptions
from ..provider.base_provider import BaseProvider
from ..specs import OperatorSpec, StrategySpec, parse_operator, parse_spec

__all__ = ["Arm", "core_source", "digest", "sampling_of"]

#: What decides which tokens are drawn, whatever the strategy: files of the package.
_CORE = (
    "arrays.py", "candidates.py", "options.py", "rollback.py", "sampling.py", "session.py", "stream.py",
    "matching/*.py",
    "strategy/base_strategy.py", "strategy/chain_strategy.py", "strategy/operator_strategy.py", "strategy/panel.py",
    "strategy/v3_adapter.py", "compare/recorder.py",
)  # fmt: skip

_PLAIN = (bool, int, float, str, type(None))  # values that are written the same in every process
_NOT_SAMPLING = ("max_new_tokens", "stop", "seed")  # the task's, or each text's own


def digest(value: Any) -> str:
    """What tells whether two JSON values are the same; 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def sampling_of(**options: Any) -> dict[str, Any]:
    """Sampling options, checked and complete: temperature, top_k, top_p, min_p and the limits of rollbacks.

    Raises:
        InputError: an option that there is not, or a value that cannot be used.
    """
    whole = asdict(SessionOptions(**options))
    return {name: value for name, value in whole.items() if name not in _NOT_SAMPLING}


@dataclass(frozen=True)
class Arm:
    """A way of writing: a row of the table.

    Attributes:
        name: what it is called there; unique in an experiment.
        strategies: in order; each a kind, "strategy" or "operator", and a spec as on the command line.
            None: nothing is taken back.
        sampling: see `sampling_of`.
    """

    name: str
    strategies: tuple[tuple[str, str], ...] = ()
    sampling: Mapping[str, Any] = field(default_factory=sampling_of)

    @cached_property
    def specs(self) -> list[StrategySpec | OperatorSpec]:
        """The strategies, parsed and checked.

        Raises:
            InputError: one of them cannot be used.
        """
        return [(parse_operator if kind == "operator" else parse_spec)(text) for kind, text in self.strategies]

    def build(self, provider: BaseProvider) -> list[Any]:
        """New strategies for a stream."""
        return [spec.build(provider) for spec in self.specs]

    @cached_property
    def identity(self) -> dict[str, Any]:
        """All that decides what it writes, besides model, prompt and seed; JSON. Its name does not.

        The source of each strategy is part of it: who changes one gets new texts of it, and of no other.
        """
        return {
            "strategies": [_identity(kind, spec) for (kind, _), spec in zip(self.strategies, self.specs, strict=True)],
            "sampling": dict(self.sampling),
        }

    @cached_property
    def key(self) -> str:
        """`identity`, in short."""
        return digest(self.identity)


def _identity(kind: str, spec: StrategySpec | OperatorSpec) -> dict[str, Any]:
    arguments: dict[str, Any] = {**_defaults(spec.cls), **spec.arguments}
    if isinstance(spec, OperatorSpec):
        arguments |= spec.options
    return {
        "kind": kind,
        "class": getattr(spec.cls, "__qualname__", repr(spec.cls)),
        "arguments": json.loads(json.dumps(arguments, default=repr)),
        "files": dict(spec.files),
        "source": _source(spec.cls),  # type: ignore[arg-type]  # a class or a function, which mypy takes for none
    }


def _defaults(cls: Any) -> dict[str, Any]:
    """Parameters that may be left out: who writes one as it is by default gets the same texts."""
    with suppress(TypeError, ValueError):
        parameters = inspect.signature(cls).parameters.values()
        return {each.name: each.default for each in parameters if isinstance(each.default, _PLAIN)}
    return {}


@cache
def _source(cls: Any) -> str:
    """What tells whether the code of a class is still the same: of all its classes, and of its `sources`."""
    parts: list[Any] = [each for each in inspect.getmro(cls) if each is not object] if inspect.isclass(cls) else [cls]
    parts += [importlib.import_module(name) for name in getattr(cls, "sources", ())]
    files = set()
    for each in parts:
        package, _, _ = (getattr(each, "__module__", None) or "").partition(".")
        if package in sys.stdlib_module_names:  # another Python, the same strategy
            continue
        try:
            files.add(inspect.getsourcefile(each) or "")
        except TypeError:  # built in
            continue
    return _of_files(map(Path, filter(None, files)))


@cache
def core_source() -> str:
    """What tells whether the sampler itself is still the same: all texts are drawn anew where it has changed."""
    package = Path(__file__).parents[1]
    return _of_files(file for pattern in _CORE for file in package.glob(pattern))


def _of_files(files: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for file in sorted(files):
        found.update(file.read_bytes())
    return found.hexdigest()[:16]
