"""The notebooks run from top to bottom, as printed, with the embedded model."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted([ROOT / "demo.ipynb", *ROOT.glob("notebooks/*.ipynb")])


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cell raises, and each prints what it printed when it was saved, as far as its kind goes."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    saved = nbformat.read(path, as_version=4)
    nbformat.validate(saved)
    run = nbformat.from_dict(saved)
    NotebookClient(run, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    for before, after in zip(saved.cells, run.cells, strict=True):
        if before.cell_type == "code":
            assert _kinds(before) == _kinds(after), before.source


def test_notebooks_can_be_moved_to_another_model() -> None:
    """Each begins with a cell that installs, and names its model in a variable."""
    assert len(NOTEBOOKS) == 6
    for path in NOTEBOOKS:
        code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert "%pip install" in code[0]
        assert code[1].startswith("MODEL = None")


def test_what_was_erased_is_seen_without_scripts() -> None:
    """Websites take scripts, frames and styles out of a notebook: the demo persuades all the same."""
    cells = nbformat.read(ROOT / "demo.ipynb", as_version=4).cells
    pages = [output.data["text/html"] for cell in cells for output in cell.get("outputs", []) if "data" in output]
    left = [re.sub(r"<(style|script|iframe)\b.*?</\1>", "", page, flags=re.DOTALL) for page in pages]
    assert sum("<iframe" in page for page in pages) == 1
    assert all(re.sub("<[^>]*>", "", page).strip() for page in left)
    assert sum("<del" in page for page in left) >= 5


def _kinds(cell: nbformat.NotebookNode) -> set[str]:
    """What a cell shows: text, pages, values. Not what libraries say on stderr."""
    shown = [output for output in cell.outputs if output.get("name") != "stderr"]
    return {output.output_type for output in shown} | {kind for output in shown for kind in output.get("data", {})}
