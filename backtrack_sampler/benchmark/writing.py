"""Everything that an experiment leaves in its folder, besides the texts themselves."""

from __future__ import annotations

from pathlib import Path

from ..trace.files import write_atomically
from .config.yaml_file import dump_yaml
from .inspect_logs.inspect_log import write_inspect_logs
from .report.page import write_page
from .results import Results
from .sources import keep_sources
from .table import Table
from .table.files import write_results

__all__ = ["write_all"]


def write_all(results: Results, folder: Path, *, inspect_logs: bool = False) -> None:
    """Write tables, report, files and logs.

    Args:
        results: what was found; of an interrupted experiment as well.
        folder: where to; it is there.
        inspect_logs: also logs for inspect-ai's viewer, in a folder of their own.

    Raises:
        InputError: a file cannot be written.
    """
    table = Table(results.rows)
    write_results(folder, results, table)
    write_atomically(folder / "experiment.yaml", dump_yaml(results.about["experiment"]))
    keep_sources(results.about["experiment"], folder)
    write_page(folder / "report.html", results, table)
    if inspect_logs:
        write_inspect_logs(results, folder / "inspect")
