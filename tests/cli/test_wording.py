"""Messages of commands name options, and in a chat commands, not the parameters of Python."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from backtrack_sampler import BacktrackError, BacktrackSampler, BaseStrategy, InputError
from backtrack_sampler.cli.wording import in_commands, in_options
from backtrack_sampler.options import SessionOptions
from backtrack_sampler.provider.llamacpp_provider import LlamacppProvider
from backtrack_sampler.testing import FakeProvider


def message_of(call: Callable[[], Any]) -> str:
    with pytest.raises(BacktrackError) as raised:
        call()
    return str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -1), ("temperature", math.inf), ("top_k", -1), ("top_p", 0), ("top_p", 2), ("min_p", -1),
        ("max_new_tokens", 0), ("stop", ""), ("seed", -2), ("max_retries", 0), ("max_discarded", -1),
        ("on_exhausted", "x"), ("on_context_full", "x"),
    ],
)  # fmt: skip
def test_options(name: str, value: Any) -> None:
    """What is refused of how to draw is named as its option; all else stays what it is."""
    before = message_of(lambda: SessionOptions(**{name: value if name != "stop" else [value]}))
    after = in_options(before)
    assert after.startswith(
        f"--{name.replace('_', '-')} must be" if name[:3] not in ("tem", "top") else f"--{name[:3]}"
    )
    assert "_" not in after
    assert in_commands(before) == after


class Bans(BaseStrategy):
    def on_probs(self, probs: Any, tokens: list[int]) -> Any:
        return {}


class Small(FakeProvider):
    larger_context = LlamacppProvider.larger_context
    _trained = 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_length": 1}, "the prompt alone has 2 tokens, and --max-length is 1: make that larger"),
        ({"on_context_full": "raise"}, "set --max-new-tokens, shorten the prompt, or start with a larger --context"),
        ({"on_exhausted": "raise", "strategy": Bans()}, "loosen the strategy, or use --on-exhausted stop or accept"),
        ({"prompt": "a" * 9}, "shorten the prompt, or start with a larger --context"),
    ],
)
@pytest.mark.parametrize("trained", [0, 50, 5])
def test_advice(options: dict[str, Any], words: str, trained: int) -> None:
    """What a stream that fails advises is what can be typed."""
    provider = Small(context_size=5)
    provider._trained = trained
    sampler = BacktrackSampler(provider, options.get("strategy"))
    prompt = options.get("prompt", "aa")
    given = {name: value for name, value in options.items() if name not in ("strategy", "prompt")}
    said = in_options(message_of(lambda: sampler.generate_text(prompt, seed=1, **given)))
    if trained == 5:  # there is no larger context
        words = words.removesuffix(", or start with a larger --context")
    assert words in said
    assert ("(this model takes up to 50)" in said) == (trained == 50 and "--context" in words)
    assert not re.search(r"n_ctx|\(\)|\w_\w|='", said)


def test_parameters_of_strategies_stay() -> None:
    """They are written on a command line as in Python, also where an option is called the same."""
    from backtrack_sampler.specs import parse_operator

    message = message_of(lambda: parse_operator("repetition:max_retries=0"))
    assert message.startswith("Repetition: max_retries must be a whole number")
    assert in_commands(message) == in_options(message) == message
    assert in_options(str(InputError("max_retries must be good"))) == "--max-retries must be good"
