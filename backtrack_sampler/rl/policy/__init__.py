"""A trained policy as it is used: its files, its network, and the operator and strategy made of it. NumPy only."""
