"""What a GGUF file says at its beginning."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest
import tiny_gguf

from backtrack_sampler.provider.gguf_header import trained_context


def test_the_trained_context(tmp_path: Path, smollm_file: Path) -> None:
    """As llama.cpp reads it, of a file that is made here and of a real one."""
    assert trained_context(tiny_gguf.write_mamba(tmp_path / "m.gguf")) == 2048
    assert trained_context(smollm_file) == 8192


def test_values_of_every_kind_before_it(tmp_path: Path) -> None:
    """Whatever stands before is stepped over: numbers, texts, lists of both, lists of lists."""
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    kinds = gguf.GGUFValueType
    for number, kind in enumerate(kinds):
        if kind not in (kinds.STRING, kinds.ARRAY):
            writer.add_key_value(f"x.{number}", 1, kind)
    writer.add_string("x.text", "a\u2603")
    for number, values in enumerate(([1, 2], [0.5], ["a", "bc"], [True])):
        writer.add_array(f"x.list.{number}", values)
    writer.add_string("x.context_length", "no number")
    writer.add_context_length(77)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert trained_context(tmp_path / "x.gguf") == 77


@pytest.mark.parametrize(
    "content",
    [b"", b"GG", b"this is a text file, and a long one", b"GGUF" + b"\xff" * 40, b"GGUF\3\0\0\0" + b"\0" * 16],
)
def test_what_does_not_say(tmp_path: Path, content: bytes) -> None:
    """A file that is none, is cut off, or has no such value: nobody knows. So it is where there is no file."""
    (tmp_path / "x.gguf").write_bytes(content)
    assert trained_context(tmp_path / "x.gguf") is None
    assert trained_context(tmp_path / "none.gguf") is None


def test_a_real_file_cut_anywhere(tmp_path: Path, smollm_file: Path) -> None:
    """Wherever it ends, nothing is raised."""
    data = smollm_file.read_bytes()[:3000]
    for end in range(0, len(data), 7):
        (tmp_path / "x.gguf").write_bytes(data[:end])
        assert trained_context(tmp_path / "x.gguf") in (None, 8192)
