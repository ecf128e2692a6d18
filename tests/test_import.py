"""The core needs nothing but Python."""

import subprocess
import sys


def test_nothing_is_needed_but_python() -> None:
    """Package, every strategy, the command line and the testing helpers import without any third-party package."""
    code = """
import sys, pkgutil, importlib
import backtrack_sampler, backtrack_sampler.testing, backtrack_sampler.cli.main
import backtrack_sampler.strategy as strategies, backtrack_sampler.provider as providers
for package in (strategies, providers):
    for module in pkgutil.iter_modules(package.__path__):
        # The others of transformers are imported when a model is evaluated.
        if not module.name.startswith("transformers_") or module.name in ("transformers_provider", "transformers_model"):
            importlib.import_module(f"{package.__name__}.{module.name}")
third = {"torch", "numpy", "curses", "_curses", "transformers", "llama_cpp", "typing_extensions", "regex", "tqdm", "wordfreq"}
assert not third & set(sys.modules), third & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_runs_with_nothing_installed() -> None:
    """A stream with anti-slop on the fake model, in a Python that can see no site-packages at all."""
    code = """
import sys; sys.path.insert(0, sys.argv[1])
from backtrack_sampler import *
from backtrack_sampler.testing import FakeProvider
provider = FakeProvider()
for strategy in (AntiSlopStrategy(provider, ["ab"], regexes=[r"b\\s*c"]), CreativeWritingStrategy(provider),
                 AdaptiveTemperatureStrategy(), ReplaceStrategy(provider, "a", "b")):
    text = BacktrackSampler(provider, strategy).generate_text("a", max_new_tokens=30, seed=1)
    assert isinstance(text, str)
"""
    import backtrack_sampler

    root = backtrack_sampler.__path__[0].rsplit("/", 1)[0]
    subprocess.run([sys.executable, "-I", "-S", "-c", code, root], check=True)


def test_what_is_exported() -> None:
    """`__all__` is exactly what the package offers, and all of it exists."""
    import backtrack_sampler

    public = {
        name
        for name, value in vars(backtrack_sampler).items()
        if not name.startswith("_") and not isinstance(value, type(sys))
    }
    assert set(backtrack_sampler.__all__) == public
