"""Running what a model wrote: in a process of its own, behind limits and walls. It is no sandbox."""

from .programs import Execution, Limits, execute, execute_all, guards, processors

__all__ = ["Execution", "Limits", "execute", "execute_all", "guards", "processors"]
