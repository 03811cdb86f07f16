"""The page to read first: short, flat, on public names only, and it does what it says."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "one_step.py"
SOURCE = PAGE.read_text(encoding="utf-8")
STANDARD = {"tempfile", "dataclasses", "pathlib", "torch"}


def test_it_is_short_and_flat() -> None:
    assert len(SOURCE.splitlines()) <= 80
    tree = ast.parse(SOURCE)
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda)]


def test_it_uses_public_names_only() -> None:
    imports = [node for node in ast.parse(SOURCE).body if isinstance(node, ast.ImportFrom)]
    ours = [(str(node.module), alias.name) for node in imports for alias in node.names]
    ours = [(module, name) for module, name in ours if module.split(".")[0] not in STANDARD]
    assert {module.split(".")[0] for module, _ in ours} == {
        *("algorithms", "analysis", "benchmarks", "rewards", "sampling", "training")
    }
    assert [(module, name) for module, name in ours if name not in importlib.import_module(module).__all__] == []
    assert not re.search(r"[.\s(]_[a-z]", SOURCE)


def test_it_learns_which_of_ten_answers_is_right() -> None:
    """Ten demonstrations of which one is right: Pass@1 is exactly 0.1; then GRPO finds it, from chance to nearly all.

    A policy that has only learned the ten answers is right in a tenth of its samples: of 32, 0 to 9 in all but one of a
    thousand cases. With the sign of the loss turned round it ends at 0.
    """
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(PAGE)], capture_output=True, text=True, env=settings, check=True)
    rows = [(method, float(score)) for method, score in re.findall(r"(\w+) +Pass@1 ([\d.]+)", done.stdout)]
    assert rows[:20] == [("SFT", 0.1)] * 20
    scores = [score for method, score in rows[20:] if method == "GRPO"]
    assert len(scores) == len(rows) - 20 == 16
    assert scores[0] <= 9 / 32 and scores[-1] >= 0.9
