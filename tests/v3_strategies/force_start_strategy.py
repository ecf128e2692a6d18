"""3.x: a huge probability forces the first tokens; the tensor is changed in place."""

import torch

from .base_strategy import BaseStrategy


class ForceStartStrategy(BaseStrategy):
    def __init__(self, provider, start=" In short,"):
        self.forced = provider.encode(start, add_special_tokens=False)

    def get_keep_index(self):
        return 10**9

    def on_logits(self, logits, continuation_tokens):
        return logits

    def on_probs(self, probs, continuation_tokens):
        if len(continuation_tokens) < len(self.forced):
            probs[:, self.forced[len(continuation_tokens)]] = 1e9
        return probs

    def on_next_token(self, continuation_tokens, probs):
        if len(continuation_tokens) <= len(self.forced):
            assert torch.argmax(probs, dim=-1).item() == continuation_tokens[-1]

    def backtrack(self, continuation_tokens):
        return continuation_tokens

    def reset(self):
        pass
