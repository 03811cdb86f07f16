"""No text that the checker reads is evaluated, and its worker could not do so."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from rewards import check_answer
from rewards.algebra.symbolic import SymbolicWorker, compare_symbolically
from tests.rewards.processes import ROOT

EVALUATING = {"eval", "exec", "sympify", "parse_expr", "parse_latex", "lambdify", "nsimplify", "__import__"}


def evaluating_calls(source: str) -> set[str]:
    """Names of functions that evaluate text and that `source` calls or imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in EVALUATING:
                found.add(name)
            case ast.Call(func=ast.Name(id="compile" | "S")):
                found.add("compile or S")
            case ast.ImportFrom(names=names):
                found |= {alias.name for alias in names} & EVALUATING
            case ast.Name(id=name, ctx=ast.Load()) if name in EVALUATING:
                found.add(name)
    return found


def test_no_module_of_the_checker_evaluates_text() -> None:
    modules = sorted((ROOT / "rewards").rglob("*.py"))
    assert len(modules) > 20
    found = {path: names for path in modules if (names := evaluating_calls(path.read_text("utf-8")))}
    found.pop(
        ROOT / "rewards/sandbox/program.py", None
    )  # a model's program is run, in a sandbox; the checker does not import it
    assert found == {}


@pytest.mark.parametrize(
    "source",
    ["eval(x)", "sympy.sympify(x)", "from sympy import lambdify", "f = exec", "compile(x, '', 'eval')", "S(x)",
     "sympy.parsing.sympy_parser.parse_expr(x)", "builtins.eval(x)"],
)  # fmt: skip
def test_the_scan_finds_an_evaluation(source: str) -> None:
    assert evaluating_calls(source)


PAYLOADS = [
    "open('{file}','w').close()",
    "__import__('pathlib').Path('{file}').touch()",
    "exec(\"open('{file}','w')\")",
    "[c for c in ().__class__.__base__.__subclasses__() if open('{file}','w')][0]",
    "(lambda: open('{file}', 'w'))()",
]
WRAPPINGS = [
    "{}",
    "\\text{{{}}}",
    "\\operatorname{{{}}}(1)",
    "\\sqrt{{{}}}",
    "x_{{{}}}",
    "2^n + {}",
    "\\mathrm{{{}}}",
    "[{}]",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payloads_are_not_evaluated(payload: str, tmp_path: Path) -> None:
    live, dead = tmp_path / "live", tmp_path / "dead"
    eval(payload.replace("{file}", str(live)))  # the payload works where it is evaluated
    assert live.exists()
    text = payload.replace("{file}", str(dead))
    for wrapping in WRAPPINGS:
        wrapped = wrapping.format(text)
        assert check_answer(f"\\boxed{{{wrapped}}}", wrapped).correct
        assert not check_answer(f"\\boxed{{{wrapped}}}", "2^{2n}").correct
        for other in ("4^n", wrapped):
            compare_symbolically(wrapped, other)  # what the reader would never hand on
            compare_symbolically(other, wrapped)
    assert not dead.exists()


FORBIDDEN = {
    "eval": "eval('1 + 1')",
    "exec": "exec('x = 1')",
    "compile": "compile('1', 'a.txt', 'eval')",
    "lambdify": "import sympy; sympy.lambdify(sympy.Symbol('x'), 1)",
    "sympify": "import sympy; sympy.sympify('x + 1')",
    "symbol by text": "import sympy; sympy.S('x')",
    "writing": "open('written', 'w')",
    "system": "import os; os.system('true')",
    "process": "import subprocess; subprocess.run(['true'])",
    "fork": "import os; os.fork()",
    "socket": "import socket; socket.create_connection(('127.0.0.1', 9))",
    "removing": "import os; os.remove('there')",
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_the_worker_refuses_what_it_must_not_do(name: str, worker_that: Callable[[str], SymbolicWorker]) -> None:
    code = f"""
        try:
            {FORBIDDEN[name]}
        except (PermissionError, ValueError) as error:
            return {{"equal": None, "readable": type(error).__name__ + str(error)}}
    """
    reply = worker_that(code).compare("", "", deadline=5.0)
    assert reply["readable"] is not True
    assert "the symbolic worker evaluates no text" in reply["readable"] or "expected digits" in reply["readable"]
