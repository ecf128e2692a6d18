"""A trained policy as it is used: its files, its network, and the operator and strategy made of it. NumPy only."""

from ...errors import MissingPackageError

try:
    import numpy as _numpy  # noqa: F401  # said here once for all files of this folder
except ImportError as error:
    raise MissingPackageError('NumPy is not installed: pip install "backtrack_sampler[rl]"') from error
