"""For people who write strategies, operators and providers: a fake model, and checks of the contracts.

from backtrack_sampler.testing import FakeProvider, check_strategy
check_strategy(lambda provider: MyStrategy(provider))
"""

from .fakes import FakeProvider, ListLogits
from .operators import check_operator
from .providers import check_provider
from .strategies import check_strategy

__all__ = ["FakeProvider", "ListLogits", "check_operator", "check_provider", "check_strategy"]
