"""What models are asked, and what counts as right. A task is found by its name: see `find`."""

from .base_task import Item, Message, Score, Task

__all__ = ["Item", "Message", "Score", "Task"]
