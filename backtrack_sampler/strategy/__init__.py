"""Strategies, one idea a file. `<name>_strategy.py` is found by its name; nothing is registered."""

from .base_strategy import BaseStrategy, Candidates, TakeBack

__all__ = ["BaseStrategy", "Candidates", "TakeBack"]
