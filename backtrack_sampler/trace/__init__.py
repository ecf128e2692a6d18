"""What was drawn and what was taken back: recorded, saved, and shown as a page."""

from .recording import Trace

__all__ = ["Trace"]
