"""A policy that learns when to go back: environment, judges, training, and what is learned as a strategy.

`strategy` and `policy` need NumPy only; everything else needs the extra `[rl]`.
"""
