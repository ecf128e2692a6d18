"""The configuration that runs a published claim again, on a model that is small enough for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import LlamaConfig, LlamaForCausalLM

from backtrack_sampler.benchmark.config import read_experiment
from backtrack_sampler.benchmark.run import run
from backtrack_sampler.benchmark.table import Table
from backtrack_sampler.provider.transformers_provider import TransformersProvider

EXAMPLE = Path(__file__).parents[2] / "examples" / "humaneval_qwen.yaml"


@pytest.mark.slow
def test_the_claim_on_humaneval_is_run_with_all_its_controls(smollm_transformers: Any, tmp_path: Path) -> None:
    """Nine rows and their controls, programs executed, and a table; a random model solves nothing."""
    torch.manual_seed(0)
    tokenizer = smollm_transformers._tokenizer
    small = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    said = yaml.safe_load(EXAMPLE.read_text())
    said["evaluation"] |= {"limit": 2, "runs": 2, "output_dir": str(tmp_path)}
    said["generation"]["max_new_tokens"] = 8
    provider = TransformersProvider(LlamaForCausalLM(small).eval(), tokenizer)
    found = run(read_experiment(said), provider, allow_code_execution=True)
    table = Table(found.rows)
    assert len(table.strategies()) == 9
    names = {row.name for row in found.rows if row.kind == "control"}
    assert {"baseline T=1", "baseline T=0.5", "greedy", "T=0.2", "T=0.7", "min-p=0.05 T=1", "top-p=0.9 T=1"} <= names
    assert {record.score for record in found.records.values()} == {0.0}
    assert not any(record.error for record in found.records.values())
    assert (tmp_path / "pass_at_k.csv").is_file()
