"""Items are checked against a model before anything is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from letters import Letters, letters_model

from backtrack_sampler.benchmark.drawing import Drawer
from backtrack_sampler.benchmark.store import Store
from backtrack_sampler.benchmark.tasks import Item
from backtrack_sampler.errors import InputError


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a" * 20, "the prompt has 20 tokens and the model's context holds 10: shorten the prompt, or load the model"),
        ("", "the prompt is empty: give the model at least one word to go on from"),
    ],
)
def test_an_item_that_this_model_cannot_be_asked(tmp_path: Path, prompt: str, said: str) -> None:
    """It is named with its task, and nothing is asked of the model."""
    model = letters_model()
    model.context_size = 10
    drawer = Drawer(model, Store(tmp_path), model="m")
    drawer.check(Letters(), Letters().items())
    with pytest.raises(InputError, match=f"^task letters, item last: {said}"):
        drawer.check(Letters(), [*Letters().items(), Item("last", prompt, data={"letter": "a"})])
    assert model.forward_passes == 0
