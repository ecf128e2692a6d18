"""Finding text in a stream of tokens that can be taken back.

- `detokenizer`: tokens to characters, and back to the token in which a character began
- `phrases`: many phrases at once (Aho-Corasick)
- `regexes`: regular expressions in linear time (Thompson)
- `token_matcher`: the three together; what strategies use
- `occurrences`: the same for a text that is complete
"""

from .detokenizer import Decode, Detokenizer
from .occurrences import occurrences
from .token_matcher import Match, TokenMatcher

__all__ = ["Decode", "Detokenizer", "Match", "TokenMatcher", "occurrences"]
