"""Every page of docs/notebooks runs from its first cell to its last, in a fresh process at the repository's root."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(ROOT.glob("docs/notebooks/*.md"))
CELL = re.compile(r"^```\{code-cell\} ipython3\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def run_cells(text: str) -> subprocess.CompletedProcess[str]:
    program = "\n".join(CELL.findall(text))
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_notebook_runs(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(CELL.findall(text)) == text.count("```{code-cell}") >= 2
    done = run_cells(text)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_cell_that_fails_is_found() -> None:
    assert "ZeroDivisionError" in run_cells("```{code-cell} ipython3\n1 / 0\n```\n").stderr
