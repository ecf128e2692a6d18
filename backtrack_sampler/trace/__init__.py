"""What was drawn and what was taken back: recorded, saved, and shown as a page."""

from .recording import Trace
from .rows import Traces

__all__ = ["Trace", "Traces"]
