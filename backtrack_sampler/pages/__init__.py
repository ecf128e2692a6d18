"""What all pages have in common: a head that lets nothing in, colours for light and dark, and text that stays text."""

from .document import document

__all__ = ["document"]
