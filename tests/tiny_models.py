"""Tiny random transformers models, one of each kind of memory."""

from __future__ import annotations

import functools
from typing import Any

import torch
import transformers

VOCABULARY = 97
_COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 2048,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.2,
}  # fmt: skip

ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {}),
    "mistral-window-16": ("MistralConfig", {"sliding_window": 16}),
    "gemma3-window-16": ("Gemma3TextConfig", {"sliding_window": 16, "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"], "query_pre_attn_scalar": 8}),
    "qwen3-next": ("Qwen3NextConfig", {"linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8, "num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16, "layer_types": ["linear_attention", "linear_attention", "linear_attention", "full_attention"]}),
    "lfm2": ("Lfm2Config", {"layer_types": ["conv", "conv", "full_attention", "conv"]}),
    "mamba": ("MambaConfig", {"state_size": 8}),
    "mamba2": ("Mamba2Config", {"state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 2, "chunk_size": 16}),
    "jamba": ("JambaConfig", {"mamba_d_state": 8, "mamba_dt_rank": 4, "num_experts": 2, "num_experts_per_tok": 1, "attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1, "use_mamba_kernels": False}),
    "falcon-h1": ("FalconH1Config", {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_n_groups": 1, "mamba_chunk_size": 16}),
}  # fmt: skip


@functools.cache
def tiny(name: str) -> transformers.PreTrainedModel:
    """A random float32 model; the same at every call."""
    config_class, options = ARCHITECTURES[name]
    config = getattr(transformers, config_class)(**{**_COMMON, **options})
    torch.manual_seed(7)
    return transformers.AutoModelForCausalLM.from_config(config).float().eval()


class TinyTokenizer:
    """As much of a tokenizer as a provider needs: letters that are token ids."""

    eos_token_id = 2
    chat_template = None

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return [3 + ord(character) % (VOCABULARY - 3) for character in text]

    def decode(self, tokens: list[int], **_: Any) -> str:
        return "".join(chr(0x4E00 + token) for token in tokens if token != 2)
