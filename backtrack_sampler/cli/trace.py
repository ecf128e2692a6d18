"""`backtrack-sampler trace`: make a page from a saved trace. Standard library only."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..trace import Trace
from ..trace.files import check_path
from . import arguments

__all__ = ["add", "save", "write"]


def add(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "trace",
        help="make a page from a saved trace",
        **arguments.examples("backtrack-sampler trace tale.jsonl", "backtrack-sampler trace tale.jsonl --out a.html"),
    )
    parser.set_defaults(run=_trace)
    parser.add_argument("file", metavar="FILE.jsonl", help="what generate --trace has written")
    parser.add_argument("--out", metavar="FILE.html", help="default: beside it")


def _trace(options: argparse.Namespace) -> int:
    out = check_path(options.out, (".html",)) if options.out is not None else None
    trace = Trace.from_jsonl(options.file)
    save(trace, [out or check_path(Path(options.file).with_suffix(".html"))])
    return 0


def save(trace: Trace, files: Sequence[Path]) -> None:
    """Write a trace as each file's name says, and say so."""
    for file in files:
        write(trace, file)
        print(f"trace written to {file}", file=sys.stderr)


def write(trace: Trace, file: Path) -> None:
    """Write a trace as the file's name says."""
    (trace.to_html if file.suffix.lower() == ".html" else trace.to_jsonl)(file)
