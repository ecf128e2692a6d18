"""An experiment as one YAML file says it: read, checked as a whole, and turned into arms, tasks and tunings."""

from .experiment import RECORDS, Experiment, read_experiment
from .plan import plan_of

__all__ = ["RECORDS", "Experiment", "plan_of", "read_experiment"]
