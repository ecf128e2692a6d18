"""What models are asked, and what counts as right. A task is found by its name: see `find`."""

from .base_task import DEVELOPMENT, TEST, Item, Message, Score, Task, checked

__all__ = ["DEVELOPMENT", "TEST", "Item", "Message", "Score", "Task", "checked"]
