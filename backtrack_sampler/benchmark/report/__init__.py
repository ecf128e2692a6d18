"""The report of an experiment: one page, and the traces that it links to."""

from .page import page, write_page
from .traces import TraceKeeper

__all__ = ["TraceKeeper", "page", "write_page"]
