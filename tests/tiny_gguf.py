"""Tiny random GGUF files of recurrent and hybrid models: memories that cannot drop a suffix."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

VOCABULARY = 64
_WIDTH = 32
_RNG = np.random.default_rng()


def _random(*shape: int, scale: float = 0.3) -> np.ndarray:
    return (_RNG.standard_normal(shape) * scale).astype(np.float32)


def _begin(path: Path, architecture: str, layers: int) -> gguf.GGUFWriter:
    _RNG.bit_generator.state = np.random.default_rng(11).bit_generator.state  # the same at every call
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(2048)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(layers)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("llama")
    tokens = ["<unk>", "<s>", "</s>", *(chr(0x4E00 + n) for n in range(VOCABULARY - 3))]
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * VOCABULARY)
    writer.add_token_types([2, 3, 3] + [1] * (VOCABULARY - 3))
    writer.add_eos_token_id(2)
    writer.add_tensor("token_embd.weight", _random(VOCABULARY, _WIDTH, scale=1.0))
    return writer


def _end(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_mamba(path: Path) -> Path:
    """Two Mamba layers: purely recurrent."""
    inner, state, rank, kernel = 64, 8, 4, 4
    writer = _begin(path, "mamba", 2)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_ssm_conv_kernel(kernel)
    writer.add_ssm_inner_size(inner)
    writer.add_ssm_state_size(state)
    writer.add_ssm_time_step_rank(rank)
    for n in range(2):
        writer.add_tensor(f"blk.{n}.attn_norm.weight", np.ones(_WIDTH, np.float32))
        writer.add_tensor(f"blk.{n}.ssm_in.weight", _random(2 * inner, _WIDTH))
        writer.add_tensor(f"blk.{n}.ssm_conv1d.weight", _random(inner, kernel))
        writer.add_tensor(f"blk.{n}.ssm_conv1d.bias", _random(inner))
        writer.add_tensor(f"blk.{n}.ssm_x.weight", _random(rank + 2 * state, inner))
        writer.add_tensor(f"blk.{n}.ssm_dt.weight", _random(inner, rank))
        writer.add_tensor(f"blk.{n}.ssm_dt.bias", _random(inner))
        writer.add_tensor(f"blk.{n}.ssm_a", -np.exp(_random(inner, state)))
        writer.add_tensor(f"blk.{n}.ssm_d", _random(inner))
        writer.add_tensor(f"blk.{n}.ssm_out.weight", _random(_WIDTH, inner))
    writer.add_tensor("output_norm.weight", np.ones(_WIDTH, np.float32))
    _end(writer)
    return path


def write_lfm2(path: Path) -> Path:
    """Two convolution layers around one of attention: a hybrid."""
    heads, kv_heads, feed, kernel = 4, 2, 48, 3
    writer = _begin(path, "lfm2", 3)
    writer.add_feed_forward_length(feed)
    writer.add_head_count(heads)
    writer.add_head_count_kv([0, kv_heads, 0])
    writer.add_shortconv_l_cache(kernel)
    writer.add_vocab_size(VOCABULARY)
    writer.add_rope_freq_base(10000.0)
    size = _WIDTH // heads
    for n in range(3):
        writer.add_tensor(f"blk.{n}.attn_norm.weight", np.ones(_WIDTH, np.float32))
        if n == 1:
            writer.add_tensor(f"blk.{n}.attn_q.weight", _random(_WIDTH, _WIDTH))
            writer.add_tensor(f"blk.{n}.attn_k.weight", _random(kv_heads * size, _WIDTH))
            writer.add_tensor(f"blk.{n}.attn_v.weight", _random(kv_heads * size, _WIDTH))
            writer.add_tensor(f"blk.{n}.attn_output.weight", _random(_WIDTH, _WIDTH))
            writer.add_tensor(f"blk.{n}.attn_q_norm.weight", np.ones(size, np.float32))
            writer.add_tensor(f"blk.{n}.attn_k_norm.weight", np.ones(size, np.float32))
        else:
            writer.add_tensor(f"blk.{n}.shortconv.in_proj.weight", _random(3 * _WIDTH, _WIDTH))
            writer.add_tensor(f"blk.{n}.shortconv.conv.weight", _random(_WIDTH, kernel))
            writer.add_tensor(f"blk.{n}.shortconv.out_proj.weight", _random(_WIDTH, _WIDTH))
        writer.add_tensor(f"blk.{n}.ffn_norm.weight", np.ones(_WIDTH, np.float32))
        writer.add_tensor(f"blk.{n}.ffn_gate.weight", _random(feed, _WIDTH))
        writer.add_tensor(f"blk.{n}.ffn_up.weight", _random(feed, _WIDTH))
        writer.add_tensor(f"blk.{n}.ffn_down.weight", _random(_WIDTH, feed))
    writer.add_tensor("token_embd_norm.weight", np.ones(_WIDTH, np.float32))
    _end(writer)
    return path


def write_gemma3(path: Path) -> Path:
    """Six layers, five of them with a sliding window of 16, in float32: exact enough to compare."""
    heads, size, feed = 2, 16, 48
    writer = _begin(path, "gemma3", 6)
    writer.add_feed_forward_length(feed)
    writer.add_head_count(heads)
    writer.add_head_count_kv(1)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_sliding_window(16)
    writer.add_rope_freq_base(10000.0)
    for n in range(6):
        for name in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"):
            writer.add_tensor(f"blk.{n}.{name}.weight", np.ones(_WIDTH, np.float32))
        writer.add_tensor(f"blk.{n}.attn_q_norm.weight", np.ones(size, np.float32))
        writer.add_tensor(f"blk.{n}.attn_k_norm.weight", np.ones(size, np.float32))
        writer.add_tensor(f"blk.{n}.attn_q.weight", _random(heads * size, _WIDTH))
        writer.add_tensor(f"blk.{n}.attn_k.weight", _random(size, _WIDTH))
        writer.add_tensor(f"blk.{n}.attn_v.weight", _random(size, _WIDTH))
        writer.add_tensor(f"blk.{n}.attn_output.weight", _random(_WIDTH, heads * size))
        writer.add_tensor(f"blk.{n}.ffn_gate.weight", _random(feed, _WIDTH))
        writer.add_tensor(f"blk.{n}.ffn_up.weight", _random(feed, _WIDTH))
        writer.add_tensor(f"blk.{n}.ffn_down.weight", _random(_WIDTH, feed))
    writer.add_tensor("output_norm.weight", np.ones(_WIDTH, np.float32))
    _end(writer)
    return path
