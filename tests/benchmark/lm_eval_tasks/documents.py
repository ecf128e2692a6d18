"""The data of the tasks beside this file; nothing is downloaded."""

from __future__ import annotations

import datasets


def sums(**_: object) -> dict[str, datasets.Dataset]:
    """Three documents of the test split are in the training split as well."""
    tested = [{"a": a, "b": b} for a in range(4) for b in range(4)]
    trained = [{"a": a, "b": b} for a in range(4, 9) for b in range(4)] + tested[:3]
    return {"test": datasets.Dataset.from_list(tested), "train": datasets.Dataset.from_list(trained)}


def letters(**_: object) -> dict[str, datasets.Dataset]:
    asked = [{"text": text, "right": index % 4} for index, text in enumerate(("ab", "ba", "cab", "acb"))]
    return {"test": datasets.Dataset.from_list(asked)}


def metrics(document: dict[str, int], results: list[str]) -> dict[str, object]:
    """One of an item, one in percents, one that is better the lower it is, and one of a whole run."""
    right = float(results[0].strip() == str(document["a"] + document["b"]))
    return {"acc": right, "percent": 100 * right, "wrong": 1 - right, "corpus": (results[0], "")}
