"""Which parameters of an operator or a strategy score best on the development split; the search is Optuna's."""

from .search_space import Tuning, default_space
from .study import Tuned, trials_of, tune

__all__ = ["Tuned", "Tuning", "default_space", "trials_of", "tune"]
