"""A GGUF file with its weights in float32, where engines' ways of evaluating differ by rounding alone."""

from __future__ import annotations

from pathlib import Path

import gguf


def write_float32(source: Path, target: Path) -> Path:
    """Copy a model, its weights dequantised."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, str(reader.fields["general.architecture"].contents()))
    for name, entry in reader.fields.items():
        if not name.startswith("GGUF.") and name not in ("general.architecture", "general.file_type"):
            kind, *rest = entry.types
            writer.add_key_value(name, entry.contents(), kind, rest[-1] if rest else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target
