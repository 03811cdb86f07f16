"""Runs inside the sandbox: compiles one program, says that it compiled, and runs it.

Started as ``python program.py PROGRAM [PACKAGE_FOLDER ...]`` with file descriptor 3 open for writing. A program
that defines ``solution`` and never uses the name at its top level is asked for ``print(solution())``, as in PAL
(arXiv 2211.10435).
"""

import os
import sys

COMPILED_FD = 3
LONGEST_MESSAGE = 4096  # an error on a very long line quotes it, and is an error of compilation all the same


def with_solution_called(source: str) -> str:
    """`source`, followed by ``print(solution())`` where it defines `solution` and does not use it at its top level."""
    if "def solution" not in source:
        return source
    import ast

    tree = ast.parse(source)
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    rest = [node for node in tree.body if not isinstance(node, definitions)]
    used = any(isinstance(node, ast.Name) and node.id == "solution" for part in rest for node in ast.walk(part))
    return source if "solution" not in functions or used else f"{source}\nprint(solution())\n"


def main() -> None:
    """Compile the program, say so on a descriptor of its own, and run it."""
    program, *packages = sys.argv[1:]
    sys.path.extend(packages)
    sys.argv[:] = [program]
    with open(program, encoding="utf-8", newline="") as file:  # noqa: PTH123 (pathlib costs start-up time)
        source = file.read()
    try:
        code = compile(with_solution_called(source), "program.py", "exec")
    except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError) as error:
        os.write(2, f"{type(error).__name__}: {error}"[:LONGEST_MESSAGE].encode("utf-8", "replace"))
        os._exit(1)
    os.write(COMPILED_FD, b"c")
    os.close(COMPILED_FD)
    exec(code, {"__name__": "__main__", "__builtins__": __builtins__})  # this process is the sandbox


if __name__ == "__main__":
    main()
