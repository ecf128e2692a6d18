"""Logs of an experiment that inspect-ai's viewer opens, with rollbacks as events."""

from .inspect_log import write_inspect_logs

__all__ = ["write_inspect_logs"]
