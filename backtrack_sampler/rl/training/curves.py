"""What is known of a training as it goes on: one row each time that the policy was tried, in a CSV file."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import InputError
from ...trace.files import write_atomically

__all__ = ["COLUMNS", "Curves"]

#: Decisions until then; then means over the texts of training since the last row, and over those of the prompts
#: that are not trained on. "reward" is the judge's score and shaping; see `Tried` for the others.
COLUMNS = (
    "steps", "seconds",
    "train_texts", "train_reward", "train_score", "train_kept", "train_drawn", "train_rollbacks", "train_repetition",
    "train_truncated",
    "score", "checked", "kept", "drawn", "rollbacks", "repetition",
)  # fmt: skip


class Curves:
    """The rows, and their file.

    Args:
        file: rows that are in it already are gone on with.

    Attributes:
        rows: one a look; a number that nobody knows is None.
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        self._file = Path(file)
        self.rows: list[dict[str, float | None]] = []
        if self._file.is_file():
            with self._file.open(newline="", encoding="utf-8") as lines:
                try:
                    self.rows = [
                        {name: float(row[name]) if row[name] else None for name in COLUMNS}
                        for row in csv.DictReader(lines)
                    ]
                except (KeyError, TypeError, ValueError) as error:
                    raise InputError(f"{self._file} is no file of this version: {error}") from error

    def add(self, row: Mapping[str, float | None]) -> None:
        """One more; rows of later steps are forgotten: they are of a run that was not gone on with."""
        steps = row["steps"] or 0
        self.rows = [each for each in self.rows if (each["steps"] or 0) < steps]
        self.rows.append({name: row.get(name) for name in COLUMNS})
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows([{k: "" if v is None else f"{v:.6g}" for k, v in each.items()} for each in self.rows])
        write_atomically(self._file, text.getvalue())

    def forget_after(self, steps: float) -> None:
        """Rows of later steps are of what a process had not kept when it ended, and come once more."""
        self.rows = [each for each in self.rows if (each["steps"] or 0) <= steps]

    def column(self, name: str) -> tuple[Sequence[float], Sequence[float]]:
        """Steps and values, where there are values."""
        found = [(each["steps"] or 0.0, value) for each in self.rows if (value := each[name]) is not None]
        return [steps for steps, _ in found], [value for _, value in found]
