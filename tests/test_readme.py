"""The README is true: its code runs as it stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import backtrack_sampler

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def block(contains: str) -> str:
    (found,) = [code for code in BLOCKS if contains in code]
    return found


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the README's tutorial strategy dropped into `strategy/`."""
    folder = tmp_path_factory.mktemp("dropped")
    shutil.copytree(backtrack_sampler.__path__[0], folder / "backtrack_sampler")
    target = folder / "backtrack_sampler" / "strategy" / "lipogram_strategy.py"
    target.write_text(block("class LipogramStrategy"), encoding="utf-8")
    return folder


def run(folder: Path, *arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["llamacpp", "transformers"])
def test_the_tutorial_strategy(package: Path, smollm_file: Path, engine: str) -> None:
    """The README's strategy, dropped into `strategy/`, writes without a letter on both engines."""
    out = run(
        package, "-m", "backtrack_sampler", "generate", "The night was", "--strategy", "lipogram:letter=a",
        "--max-new-tokens", "25", "--seed", "2", "--model", str(smollm_file), "--engine", engine,
    )  # fmt: skip
    assert len(out.split()) > 3
    assert "a" not in out.lower()
    listed = run(package, "-m", "backtrack_sampler", "strategies")
    assert re.search(r"^lipogram\b.*Writes without a letter", listed, re.MULTILINE)


def test_the_tutorial_strategy_keeps_to_the_contract(package: Path) -> None:
    """The README's check passes on the README's strategy."""
    code = "from backtrack_sampler.strategy.lipogram_strategy import LipogramStrategy\n" + block("check_strategy(")
    run(package, "-c", code)


@pytest.mark.slow
def test_the_first_example() -> None:
    """`load_provider` and anti-slop with a regular expression, as printed."""
    out = run(ROOT, "-c", block("load_provider()  #"))
    assert "Stats(emitted=60" in out


@pytest.mark.slow
def test_the_batch_example() -> None:
    """Four streams of two prompts; and `index` is what the text says it is."""
    code = "from backtrack_sampler import *\nprovider = load_provider()\n" + block("generate_batch(")
    out = run(
        ROOT,
        "-c",
        code + "print([len(row.tokens) for row in batch.rows], batch.rows[2].prompt == batch.rows[3].prompt)",
    )
    assert out.strip().endswith("[30, 30, 30, 30] True")


@pytest.mark.slow
def test_the_llamacpp_example(smollm_file: Path) -> None:
    """The example of 3.x for llama.cpp, with another model file and fewer tokens."""
    code = block("LlamaRAMCache").replace("Llama-3.2-1B-Instruct-Q4_K_M.gguf", str(smollm_file))
    out = run(ROOT, "-c", code.replace("max_new_tokens=1024", "max_new_tokens=30"))
    assert "Duration:" in out


@pytest.mark.slow
def test_the_transformers_example(smollm_transformers, tmp_path: Path) -> None:
    """The example of 3.x for transformers, with another model, on the CPU, and fewer tokens."""
    from transformers import AutoModelForCausalLM

    # Loaded from a GGUF file it counts as quantised, which cannot be saved; its weights are plain ones.
    model = AutoModelForCausalLM.from_config(smollm_transformers._model.config)
    model.load_state_dict(smollm_transformers._model.state_dict())
    model.save_pretrained(tmp_path)
    smollm_transformers._tokenizer.save_pretrained(tmp_path)
    code = block("AutoModelForCausalLM").replace("unsloth/Llama-3.2-1B-Instruct", str(tmp_path))
    code = code.replace("cuda", "cpu").replace("max_new_tokens=1024", "max_new_tokens=12")
    out = run(ROOT, "-c", code)
    assert "Duration:" in out


@pytest.mark.slow
def test_the_operator_and_trace_examples(tmp_path: Path) -> None:
    """Generator, chat and trace, as printed, one after the other."""
    code = block("ChatPipeline(generator)") + block("trace.to_html")
    out = run(tmp_path, "-c", code)
    assert len(out) > 50
    assert "<html" in (tmp_path / "tale.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["generate", "chat", "guide", "strategies"])
def test_commands_in_the_readme_exist(command: str) -> None:
    """Every option of the command line that the README shows is one the command has."""
    out = run(ROOT, "-m", "backtrack_sampler", command, "--help")
    lines = re.findall(rf"^backtrack-sampler {command}.*$", README, re.MULTILINE)
    assert lines
    for line in lines:
        for option in re.findall(r" (--?[a-z-]+)", line.partition("#")[0]):
            assert option in out


def test_tables_are_those_of_the_code() -> None:
    """Strategies and operators with their parameters; `python docs/tables.py` mends them."""
    run(ROOT, "docs/tables.py", "--check")


def test_links_lead_somewhere() -> None:
    """Files that the README and the pages under docs/ link to are there."""
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"
