"""What is to be written for a file of prompts. Standard library only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ...prompts import Request, request_of
from ...sampler import BacktrackSampler
from .prompt_file import Prompt
from .traces import RowTraces

__all__ = ["Job", "Model"]


class Model(NamedTuple):
    """What rows are written with.

    Attributes:
        sampler: of a loaded model.
        encode: a prompt's text, or the messages of a conversation, to the tokens to go on from; raises
            InputError where they cannot be used.
        strategy: makes one for a row.
    """

    sampler: BacktrackSampler
    encode: Callable[[Any], list[int]]
    strategy: Callable[[], Any]


@dataclass
class Job:
    """What is to be written. Row `i` is of prompt `i // n`.

    Attributes:
        prompts: all of them, also those that were done before, and those that cannot be used.
        out: the file, one that can be written; None: standard output.
        n: rows for each prompt.
        seed: row `i` has `seed + i`; None: random ones. A prompt's own seed is that of its first row.
        max_batch: most rows at once.
        sampling: what else `BacktrackSampler.generate_batch` takes; a prompt's own options come first.
        about: what else a file says of how its rows came to be; JSON.
        system: a system message for prompts that are conversations and have none.
        skip_bad: leave out prompts that turn out to be unusable.
        retry_failed: write rows again that are in the file with an error.
        accept_changes: go on where the settings are others than those in the file.
        traces: where to write the trace of each row, if anywhere.
        offered: whether the command has --skip-bad, --retry-failed and --accept-changes, so that messages may
            name them.
    """

    prompts: list[Prompt]
    out: Path | None
    n: int
    seed: int | None
    max_batch: int
    sampling: dict[str, Any]
    about: dict[str, Any]
    system: str | None = None
    skip_bad: bool = False
    retry_failed: bool = False
    accept_changes: bool = False
    traces: RowTraces | None = None
    offered: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """How rows are made: what a file says of them."""
        return {**self.about, "n": self.n, **self.sampling, "seed": self.seed}

    @property
    def place(self) -> str:
        """What to call the output."""
        return "stdout" if self.out is None else str(self.out)

    def request(self, number: int) -> Request:
        """What a prompt asks for."""
        return request_of(self.prompts[number].given, self.system)

    def seed_of(self, index: int) -> int | None:
        """The seed of a row; None for a random one."""
        own = self.prompts[index // self.n].given.get("seed")
        if own is not None:
            return None if own == -1 else int(own) + index % self.n
        return None if self.seed is None else self.seed + index
