"""Mutation testing of `algorithms`: of a seeded sample of 300 small faults, the tests must find 90 %.

The tests are those of tests/algorithms and the peers' goldens; as many copies of the repository as there are cores are
tested side by side (about 25 minutes on 2 cores, 5 on 16).

A mutant is one change of one place: an operator swapped, a comparison turned round, a constant one higher or lower, a
bool inverted, a `not`, `~` or sign dropped, the two ends of a conditional expression exchanged. Not mutated: docstrings
and other strings, annotations, decorators, class attributes, what `raise` and `warnings.warn` say, and the checks of
settings in `__post_init__`. Mutants that compute the same as the original are not sorted out: they are among the 10 %.
"""

from __future__ import annotations

import ast
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(5400)]

ROOT = Path(__file__).resolve().parents[1]
FILES = (
    "advantages",
    "groups",
    "ratios",
    "interface",
    "policy_gradient",
    "pairs",
    "sft",
    "rft",
    "parts",
    "dpo",
    "ipo",
    "ppo",
    "grpo",
    "reinforce_plus_plus",
)
COPIED = (
    "algorithms",
    "experiments",
    "benchmarks",
    "sampling",
    "rewards",
    "tests/algorithms",
    "tests/peers/golden",
    "tests/peers/test_goldens.py",
    "tests/conftest.py",
    "pyproject.toml",
)
NUM_MUTANTS = 300
COPIES = os.cpu_count() or 2
SECONDS_A_RUN = 120  # a mutant that never ends is found too
# What fails first stands first: the hand-computed cases, then whole objectives, then the properties.
TESTS = (
    "tests/algorithms/test_advantages.py",
    "tests/algorithms/test_ratios.py",
    "tests/peers/test_goldens.py",
    "tests/algorithms",
)
TESTS_PASSED = 0
TESTS_FAILED = (1, 2)  # 2: the package could not even be imported

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
TURNED = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One changed file; `place` is the file and line, `change` the text of the expression before and after."""

    file: str
    place: str
    change: str
    source: str


def mutants_of(file: str) -> list[Mutant]:
    """Every mutant of a file, in order of its places."""
    text = (ROOT / file).read_text(encoding="utf-8")
    count = sum(1 for node in mutable_nodes(ast.parse(text)) for _ in changes(node))
    found = []
    for number in range(count):
        tree = ast.parse(text)
        steps = [(node, change) for node in mutable_nodes(tree) for change in changes(node)]
        node, change = steps[number]
        before = ast.unparse(node)
        change()
        found.append(
            Mutant(
                file=file,
                place=f"{file}:{node.lineno}",
                change=f"{before}  ->  {ast.unparse(node)}",
                source=ast.unparse(tree),
            )
        )
    return found


def mutable_nodes(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions of the bodies of functions, outermost first, without what the head of this file names."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.ClassDef():
                for item in child.body:
                    if isinstance(item, ast.FunctionDef):
                        yield from mutable_nodes(ast.Module(body=[item], type_ignores=[]))
            case ast.FunctionDef(name="__post_init__"):
                continue
            case ast.FunctionDef():
                for statement in child.body:
                    yield from mutable_nodes(ast.Module(body=[statement], type_ignores=[]))
            case ast.Raise() | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
                continue
            case ast.Call(func=ast.Attribute(value=ast.Name(id="warnings"))):
                continue
            case ast.Assign() if isinstance(node, ast.Module) and all(isinstance(n, ast.Name) for n in child.targets):
                yield from mutable_nodes(child)
            case ast.expr():
                yield child
                yield from mutable_nodes(child)
            case _:
                yield from mutable_nodes(child)


def changes(node: ast.expr) -> Iterator[Callable[[], None]]:
    """What can be done to one expression; each changes the node in place when called."""
    match node:
        case ast.BinOp(op=operator) | ast.BoolOp(op=operator) if type(operator) in SWAPPED:
            yield lambda: setattr(node, "op", SWAPPED[type(operator)]())
        case ast.Compare(ops=[operator, *rest]):
            for table in (SWAPPED, TURNED):
                if type(operator) in table:
                    yield lambda table=table: setattr(node, "ops", [table[type(operator)](), *rest])
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield lambda: become(node, operand)
        case ast.IfExp(body=body, orelse=orelse):
            yield lambda: become(node, ast.IfExp(test=node.test, body=orelse, orelse=body))
        case ast.Constant(value=bool(value)):
            yield lambda: setattr(node, "value", not value)
        case ast.Constant(value=int(value) | float(value)):
            yield lambda: setattr(node, "value", value + 1)
            if value:
                yield lambda: setattr(node, "value", value - 1)


def become(node: ast.expr, other: ast.expr) -> None:
    """Turns a node into another one, in place."""
    place = {name: getattr(node, name) for name in ("lineno", "col_offset", "end_lineno", "end_col_offset")}
    node.__class__ = type(other)
    node.__dict__.clear()
    node.__dict__.update({**other.__dict__, **place})


def copy_of_the_repository(folder: Path) -> Path:
    """What tests/algorithms needs of the repository, in a folder of its own."""
    for name in COPIED:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    return folder


def run_tests(folder: Path) -> tuple[int | None, str]:
    """Exit code of the tests of `algorithms` in that copy, ``None`` where they do not end, and what they printed."""
    command = [sys.executable, "-m", "pytest", *TESTS, "-x", "-q", "-p", "no:cacheprovider"]
    path = os.pathsep.join([str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    settings = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    try:
        run = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=SECONDS_A_RUN,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, ""
    return run.returncode, run.stdout + run.stderr


def survives(mutant: Mutant, folder: Path) -> bool:
    """Whether the tests pass on a copy with this one fault, which is mended again."""
    (folder / mutant.file).write_text(mutant.source, encoding="utf-8")
    code, output = run_tests(folder)
    shutil.copy(ROOT / mutant.file, folder / mutant.file)
    assert code is None or code in (TESTS_PASSED, *TESTS_FAILED), f"{mutant.place}: pytest exits {code}\n{output}"
    return code == TESTS_PASSED


def test_the_tests_of_algorithms_find_small_faults(tmp_path: Path) -> None:
    folders = [copy_of_the_repository(tmp_path / f"copy{number}") for number in range(COPIES)]
    code, output = run_tests(folders[0])
    assert code == TESTS_PASSED, f"the unchanged copy fails, so mutants say nothing:\n{output}"
    possible = [mutant for name in FILES for mutant in mutants_of(f"algorithms/{name}.py")]
    mutants = random.Random(0).sample(possible, NUM_MUTANTS)
    with ThreadPoolExecutor(COPIES) as pool:
        parts = [pool.submit(lambda n=n: [survives(m, folders[n]) for m in mutants[n::COPIES]]) for n in range(COPIES)]
        alive = [part.result() for part in parts]
    survivors = [
        f"{mutant.place}: {mutant.change}"
        for number in range(COPIES)
        for mutant, lives in zip(mutants[number::COPIES], alive[number], strict=True)
        if lives
    ]
    killed = NUM_MUTANTS - len(survivors)
    print(f"{killed} of {NUM_MUTANTS} mutants were found (of {len(possible)} possible ones)", *survivors, sep="\n")
    assert killed >= 0.9 * NUM_MUTANTS, f"{len(survivors)} of {NUM_MUTANTS} mutants survive:\n" + "\n".join(survivors)


def test_a_mutant_is_one_change() -> None:
    """Seen on one line, by hand: all that is done to `-x if a < 0 else y + 1`, and nothing to text and annotations."""
    line = 'def f(x: int = 0) -> int:\n    """1 + 1"""\n    return -x if x < 0 else y + 1\n'
    found = []
    for number in range(sum(1 for node in mutable_nodes(ast.parse(line)) for _ in changes(node))):
        tree = ast.parse(line)
        [change for node in mutable_nodes(tree) for change in changes(node)][number]()
        found.append(ast.unparse(tree).splitlines()[-1].removeprefix("    return "))
    assert found == [
        "y + 1 if x < 0 else -x",
        "-x if x <= 0 else y + 1",
        "-x if x > 0 else y + 1",
        "-x if x < 1 else y + 1",
        "x if x < 0 else y + 1",
        "-x if x < 0 else y - 1",
        "-x if x < 0 else y + 2",
        "-x if x < 0 else y + 0",
    ]
