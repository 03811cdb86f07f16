"""The house rules that a program can check: who may import whom, storeys, circles, where vLLM lives, file names."""

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
    "algorithms": set(),
    "training": {"benchmarks", "sampling", "rewards", "algorithms"},
    "analysis": set(),
    "experiments": {"benchmarks", "sampling", "rewards", "algorithms", "training", "analysis"},
}
OURS = {*MAY_IMPORT, "tests"}
EVERYBODYS = "benchmarks.naming"  # the one module that every room may import; it imports nothing of ours
# Storeys: for a folder inside a room, the other folders of that room it may import ("" is the room's own files).
STOREYS = {
    "algorithms/laws": {"", "preference"},
    "algorithms/preference": {""},
    "benchmarks/prompts": {""},
    "analysis/records": set(),
    "analysis/noise": set(),
    "analysis/verification": {"records", "noise", "statistics"},
    "analysis/statistics": {"records", "noise"},
    "analysis/figures": {"records", "noise", "statistics", "verification"},
    "analysis/report": {"records", "noise", "statistics", "verification", "figures"},
    "rewards/algebra": set(),
    "rewards/calculus": {"algebra"},
    "rewards/notation": {"algebra"},
    "rewards/constants": {"algebra"},
    "rewards/checker": {"", "algebra", "calculus", "constants", "notation"},
    "rewards/sandbox": set(),
    "rewards/steps": {"", "algebra"},
    "training/models": set(),
    "training/parallel": {"models"},
    "training/sources": {"", "models"},
    "training/peers": {"", "models", "sources"},
    "training/staleness": {"", "sources"},
    "training/reward_models": {"", "models", "parallel", "sources"},
    "experiments/recipes": set(),
    "experiments/trackers": set(),
    "experiments/records": {"recipes", "trackers"},
    "experiments/runs": {"recipes", "trackers", "records"},
    "experiments/peers": {"recipes", "records", "runs"},
    "experiments/schedule": {"recipes", "records", "runs", "peers"},
    "experiments/clusters": {"recipes", "records", "runs", "schedule"},
    "experiments/inspection": {"recipes", "records", "runs", "schedule"},
    "experiments/searching": {"recipes", "records", "runs", "inspection"},
    "experiments/speed": {"recipes", "records", "runs", "schedule"},
    "experiments/commands": {
        *("trackers", "recipes", "records", "runs", "schedule", "clusters", "inspection", "searching", "speed"),
    },
}
MOST_MODULES = 18  # in one folder
NO_NAMES = {"utils.py", "util.py", "common.py", "helpers.py", "types.py", "misc.py"}
VLLM_HOME = "sampling/vllm_engine.py"


def imported_packages(source: str) -> set[str]:
    """Top-level packages that a module imports by name anywhere in it: in functions and under TYPE_CHECKING too."""
    packages = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                packages |= {alias.name.split(".")[0] for alias in names}
            case ast.ImportFrom(module=str(module), level=0) if module != EVERYBODYS:
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


def module_imports(root: Path) -> dict[str, set[str]]:
    """Every module of the rooms below `root`, by dotted name, with the modules of ours that it imports anywhere."""
    paths = {}
    for room in MAY_IMPORT:
        for path in sorted((root / room).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    imports: dict[str, set[str]] = {}
    for name, path in paths.items():
        imports[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                imports[name] |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                imports[name] |= {alias.name for alias in node.names}
        imports[name] = (imports[name] & paths.keys()) - {name}
    return imports


def circles(imports: dict[str, set[str]]) -> list[str]:
    """Modules that reach themselves by way of what they import."""
    circular = []
    for name in imports:
        reached, left = set(), [name]
        while left:
            new = imports[left.pop()] - reached
            reached |= new
            left += new
        if name in reached:
            circular.append(name)
    return circular


def broken_storeys(root: Path) -> list[str]:
    """Imports between the folders of a room that `STOREYS` does not allow, and folders that it does not know."""
    breaches = []
    for name, imported in module_imports(root).items():
        room, *rest = name.split(".")
        folder = rest[0] if rest and (root / room / rest[0]).is_dir() else ""
        if not folder:
            continue
        if f"{room}/{folder}" not in STOREYS:
            breaches.append(f"{room}/{folder}: not in STOREYS")
            continue
        for other in sorted(imported):
            other_room, *other_rest = other.split(".")
            other_folder = other_rest[0] if other_rest and (root / other_room / other_rest[0]).is_dir() else ""
            if other_room == room and other_folder not in {folder, *STOREYS[f"{room}/{folder}"]}:
                breaches.append(f"{name}: imports {other}")
    return breaches


def shared_class_names(root: Path) -> dict[str, list[str]]:
    """Public classes of the rooms below `root` that have one name, with the files that they stand in."""
    files: dict[str, list[str]] = {}
    for room in MAY_IMPORT:
        for path in sorted((root / room).rglob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    files.setdefault(node.name, []).append(path.relative_to(root).as_posix())
    return {name: found for name, found in files.items() if len(found) > 1}


def test_the_rooms_keep_the_rules():
    assert broken_rules(ROOT) == []


def test_what_every_room_may_import_imports_nothing():
    source = (ROOT / EVERYBODYS.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    assert imported_packages(source) & OURS == set()
    assert (ROOT / "benchmarks" / "__init__.py").read_text(encoding="utf-8") == ""


def test_the_storeys_keep_the_rules():
    assert broken_storeys(ROOT) == []


def test_no_module_imports_itself_in_a_circle():
    assert circles(module_imports(ROOT)) == []


def test_no_folder_is_a_flat_list():
    folders = [folder for room in MAY_IMPORT for folder in [ROOT / room, *(ROOT / room).rglob("*/")]]
    sizes = {folder.relative_to(ROOT).as_posix(): len({*folder.glob("*.py")}) - 1 for folder in folders}
    assert {folder: size for folder, size in sizes.items() if size > MOST_MODULES} == {}


def test_no_two_public_classes_have_one_name(tmp_path: Path):
    assert shared_class_names(ROOT) == {}
    for file in ("analysis/a.py", "rewards/b.py"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text("class _Own: ...\nclass Cost: ...\n", encoding="utf-8")
    assert shared_class_names(tmp_path) == {"Cost": ["rewards/b.py", "analysis/a.py"]}


@pytest.mark.parametrize(
    ("files", "breach"),
    [
        ({"analysis/records/a.py": "from analysis.report import b", "analysis/report/b.py": ""}, "analysis.report"),
        ({"rewards/algebra/a.py": "import rewards.verdict", "rewards/verdict.py": ""}, "rewards.verdict"),
        ({"training/cellar/a.py": ""}, "training/cellar: not in STOREYS"),
    ],
)
def test_a_breach_of_the_storeys_is_found(tmp_path: Path, files: dict[str, str], breach: str):
    for file, source in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(source, encoding="utf-8")
    assert any(breach in found for found in broken_storeys(tmp_path))


def test_a_circle_is_found(tmp_path: Path):
    (tmp_path / "training").mkdir()
    for name, other in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")):
        (tmp_path / "training" / f"{name}.py").write_text(f"from training import {other}\n", encoding="utf-8")
    assert circles(module_imports(tmp_path)) == ["training.a", "training.b", "training.c"]


@pytest.mark.parametrize(
    ("file", "source", "breach"),
    [
        ("benchmarks/a.py", "from rewards import check_answer", "benchmarks/a.py: imports rewards"),
        ("rewards/a.py", "def f():\n    import training.loop", "rewards/a.py: imports training"),
        ("rewards/a.py", "import importlib\nimportlib.import_module('training')", "rewards/a.py: imports training"),
        ("algorithms/a.py", "from sampling.rollout import Rollout", "algorithms/a.py: imports sampling"),
        ("training/a.py", "import experiments.cli as cli", "training/a.py: imports experiments"),
        ("analysis/a.py", "from benchmarks.problem import Problem", "analysis/a.py: imports benchmarks"),
        ("analysis/a.py", "from benchmarks import naming", "analysis/a.py: imports benchmarks"),
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
        ("rewards/a.py", "from sampling.rollout import Rollout\nfrom . import verdict\nimport rewards.steps.steps"),
        ("sampling/vllm_engine.py", "def engine():\n    from vllm import LLM"),
    ],
)
def test_what_is_allowed_is_not_a_breach(tmp_path, file, source):
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(source, encoding="utf-8")
    assert broken_rules(tmp_path) == []


def test_the_distribution_holds_exactly_the_rooms_and_every_folder_of_them():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert set(settings["packages"]["find"]["include"]) == {f"{room}*" for room in MAY_IMPORT}
    assert [room for room in MAY_IMPORT if not (ROOT / room / "py.typed").is_file()] == []
    folders = {path.parent for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py")}
    assert sorted(str(folder) for folder in folders if not (folder / "__init__.py").is_file()) == []


@pytest.mark.parametrize("room", ["benchmarks", "rewards", "analysis"])
def test_a_light_room_loads_neither_torch_nor_vllm(room):
    code = f"import sys, {room}; print(*sorted({{'torch', 'vllm'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
