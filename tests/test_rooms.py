"""The house rules that a program can check: who may import whom, where vLLM lives, what no file is called."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

MAY_IMPORT = {
    "benchmarks": set(),
    "sampling": {"benchmarks"},
    "rewards": {"benchmarks", "sampling"},
    "algorithms": {"rewards"},
    "training": {"benchmarks", "sampling", "rewards", "algorithms"},
    "analysis": set(),
    "experiments": {"benchmarks", "sampling", "rewards", "algorithms", "training", "analysis"},
}
OURS = {*MAY_IMPORT, "tests"}
NO_NAMES = {"utils.py", "util.py", "common.py", "helpers.py", "types.py", "misc.py"}
VLLM_HOME = "sampling/vllm_engine.py"


def imported_packages(source: str) -> set[str]:
    """Top-level packages that a module imports by name anywhere in it: in functions and under TYPE_CHECKING too."""
    packages = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                packages |= {alias.name.split(".")[0] for alias in names}
            case ast.ImportFrom(module=str(module), level=0):
                packages.add(module.split(".")[0])
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                packages.add(module.split(".")[0])
    return packages


def broken_rules(root: Path) -> list[str]:
    """Every breach of the house rules in the rooms below ``root``, as ``file: what``."""
    breaches = []
    for room, allowed in MAY_IMPORT.items():
        for path in sorted((root / room).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            packages = imported_packages(path.read_text(encoding="utf-8"))
            breaches += [f"{name}: imports {package}" for package in sorted(packages & OURS - {room} - allowed)]
            if "vllm" in packages and name != VLLM_HOME:
                breaches.append(f"{name}: imports vllm, which only {VLLM_HOME} may")
            if path.name in NO_NAMES:
                breaches.append(f"{name}: a name that says nothing; each room owns its types and functions")
    return breaches


def test_the_rooms_keep_the_rules():
    assert broken_rules(ROOT) == []


@pytest.mark.parametrize(
    ("file", "source", "breach"),
    [
        ("benchmarks/a.py", "from rewards import check_answer", "benchmarks/a.py: imports rewards"),
        ("rewards/a.py", "def f():\n    import training.loop", "rewards/a.py: imports training"),
        ("rewards/a.py", "import importlib\nimportlib.import_module('training')", "rewards/a.py: imports training"),
        ("algorithms/a.py", "from sampling.rollout import Rollout", "algorithms/a.py: imports sampling"),
        ("training/a.py", "import experiments.cli as cli", "training/a.py: imports experiments"),
        ("analysis/a.py", "from benchmarks.problem import Problem", "analysis/a.py: imports benchmarks"),
        ("experiments/a.py", "from tests.conftest import settings", "experiments/a.py: imports tests"),
        ("training/a.py", "from vllm import LLM", f"training/a.py: imports vllm, which only {VLLM_HOME} may"),
        (
            "sampling/types.py",
            "",
            "sampling/types.py: a name that says nothing; each room owns its types and functions",
        ),
    ],
)
def test_a_breach_is_found(tmp_path, file, source, breach):
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(source, encoding="utf-8")
    assert broken_rules(tmp_path) == [breach]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("rewards/a.py", "from sampling.rollout import Rollout\nfrom . import verdict\nimport rewards.steps"),
        ("sampling/vllm_engine.py", "def engine():\n    from vllm import LLM"),
    ],
)
def test_what_is_allowed_is_not_a_breach(tmp_path, file, source):
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(source, encoding="utf-8")
    assert broken_rules(tmp_path) == []


def test_the_distribution_holds_exactly_the_rooms():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert set(settings["packages"]) == set(MAY_IMPORT) == set(settings["package-data"])
    assert [room for room in MAY_IMPORT if not (ROOT / room / "py.typed").is_file()] == []


@pytest.mark.parametrize("room", ["benchmarks", "rewards", "analysis"])
def test_a_light_room_loads_neither_torch_nor_vllm(room):
    code = f"import sys, {room}; print(*sorted({{'torch', 'vllm'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
