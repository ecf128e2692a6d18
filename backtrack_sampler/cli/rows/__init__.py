"""Many prompts from a file, a row for each text: what `generate --prompts` and `profile` are made of.

- `prompt_file`: what is to be written to
- `job`: what is to be written; `row_file` (with `lines` and `differences`): where, and what is there already
- `writing`: the run; `traces`: a trace of each row
"""

from .job import Job, Model
from .lines import read_rows
from .prompt_file import Prompt, lookalikes, read_prompts, refuse_bad
from .traces import RowTraces
from .writing import LEAVES_OUT, leave_out, write_rows

__all__ = [
    "LEAVES_OUT",
    "Job",
    "Model",
    "Prompt",
    "RowTraces",
    "leave_out",
    "lookalikes",
    "read_prompts",
    "read_rows",
    "refuse_bad",
    "write_rows",
]
