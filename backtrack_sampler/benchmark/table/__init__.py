"""The table of an experiment: strategies beside their controls; as text, Markdown, CSV and JSON, and in words."""

from .entries import ALL_TASKS, Comparison, Entry
from .files import write_results
from .markdown import as_markdown
from .table import Table

__all__ = ["ALL_TASKS", "Comparison", "Entry", "Table", "as_markdown", "write_results"]
