"""The stock phrases of a model: what stands out in its texts against human ones.

- `words`: what a word is, and which words stand next to each other
- `counting`: words and phrases of texts, and how often they are there
- `human`: how often people write them
- `finding`: which ones stand out, and how strongly
- `report`: tables
"""

from .finding import Finding, Profile, find_slop
from .human import HumanText
from .report import summary, table
from .words import Written

__all__ = ["Finding", "HumanText", "Profile", "Written", "find_slop", "summary", "table"]
