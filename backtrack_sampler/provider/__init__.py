"""Model backends. One file each; `<name>_provider.py` is found by its name."""

from .base_provider import BaseProvider

__all__ = ["BaseProvider"]
