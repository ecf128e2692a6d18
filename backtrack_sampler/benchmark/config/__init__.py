"""An experiment as one YAML file says it: read, checked as a whole, and turned into arms, tasks and tunings."""

from .asked import AskedItems, asked_of
from .experiment import RECORDS, Experiment, read_experiment
from .plan import plan_of

__all__ = ["RECORDS", "AskedItems", "Experiment", "asked_of", "plan_of", "read_experiment"]
