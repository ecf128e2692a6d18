"""How long threads of the engines spin."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from backtrack_sampler.provider.spinning import short_spins

ENGINES = {
    "llamacpp": ("from backtrack_sampler.provider.llamacpp_provider import _llama_cpp as load", "3000"),
    "transformers": ("from backtrack_sampler.provider.transformers_provider import _libraries as load", "30000"),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("own", [{}, {"GOMP_SPINCOUNT": "77"}, {"OMP_WAIT_POLICY": "passive"}], ids=str)
def test_engines_spin_shortly(engine: str, own: dict[str, str]) -> None:
    """GNU's OpenMP itself says, when an engine is loaded, how long its threads will spin: not long, or as the user wants."""
    load, spins = ENGINES[engine]
    kept = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    process = subprocess.run(
        [sys.executable, "-c", f"{load}; load(); import os; print(os.environ.get('GOMP_SPINCOUNT'))"],
        env=kept | own | {"OMP_DISPLAY_ENV": "verbose"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    expected = own.get("GOMP_SPINCOUNT", "0" if own else spins)
    assert f"GOMP_SPINCOUNT = '{expected}'" in process.stderr
    assert process.stdout.strip() == str(own.get("GOMP_SPINCOUNT"))


def test_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number stands there while the engine is imported, even if that fails, and not for later processes."""
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    with pytest.raises(ImportError), short_spins(5):
        assert os.environ["GOMP_SPINCOUNT"] == "5"
        raise ImportError
    assert "GOMP_SPINCOUNT" not in os.environ
