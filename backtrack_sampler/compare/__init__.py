"""Several strategies on the same prompts with the same seeds, side by side: the quick look before a benchmark.

from backtrack_sampler import AntiSlopStrategy, load_provider
from backtrack_sampler.compare import compare

provider = load_provider()
found = compare(provider, ["Once upon a time"], {"antislop": lambda: AntiSlopStrategy(provider)}, seeds=3)
print(found)
found.to_html("compared.html")
"""

from .comparison import BASELINE, MEASURES, Comparison, Measure, Text
from .intervals import Interval, bootstrap, percentiles, resampled
from .measures import distinct, ngrams, repeated, words
from .phrases import PhraseCounter
from .run import compare, comparing

__all__ = [
    "BASELINE",
    "MEASURES",
    "Comparison",
    "Interval",
    "Measure",
    "PhraseCounter",
    "Text",
    "bootstrap",
    "compare",
    "comparing",
    "distinct",
    "ngrams",
    "percentiles",
    "repeated",
    "resampled",
    "words",
]
