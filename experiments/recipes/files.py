"""A user's own files: the object that ``path/to/file.py:name`` names, and whether a file is still what it was.

Free of torch, so that a mistyped name shows at once.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.naming import did_you_mean

if TYPE_CHECKING:
    from experiments.recipes.config import EvaluationConfig, TaskConfig

__all__ = ["SPLIT", "check_unchanged", "failure_of", "file_hashes", "is_file_reference", "load_object", "task_files"]

SPLIT = "{split}"  # in the name of a user's file of problems
SPLITS = ("train", "validation", "test")
OWN_MODULES = "coeflab_user_"  # how the modules of a user's files are called
TEXT_SUFFIXES = (".txt", ".jinja", ".jsonl", ".jsonl.gz")  # prompts, chat templates and benchmarks


def is_file_reference(name: str) -> bool:
    """True for a name of the form ``file.py:name``.

    Raises:
        ValueError: it is a Python file without the name of anything in it; those that it has are listed.
    """
    if name.endswith(".py"):
        there = f"it has {', '.join(_public_names(Path(name))) or 'none'}" if Path(name).is_file() else "no such file"
        raise ValueError(f"{name!r} is a file without a name in it; expected {name}:NAME ({there}).")
    return ".py:" in name


def load_object(reference: str) -> Any:
    """The object called ``name`` in ``file.py``, given as ``file.py:name``.

    Raises:
        ValueError: the file does not exist, fails when it is loaded, or holds no such name.
    """
    file_name, _, name = reference.rpartition(":")
    path = Path(file_name).expanduser().resolve()
    if not path.is_file():
        raise ValueError(f"{reference!r}: there is no file {path}; expected path/to/file.py:Name.")
    module_name = f"{OWN_MODULES}{path.stem}_{abs(hash(path))}"
    if module_name not in sys.modules:
        spec = importlib.util.spec_from_file_location(module_name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:  # the user's own code: anything may come
            del sys.modules[module_name]
            lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
            where = f", line {lines[-1]}" if lines else ""
            raise ValueError(f"{path}{where} cannot be loaded: {type(error).__name__}: {error}") from error
    module = sys.modules[module_name]
    if not hasattr(module, name):
        own = _public_names(path)
        raise ValueError(f"{path} has no {name!r}{did_you_mean(name, own)}It has {', '.join(own) or 'none'}.")
    return getattr(module, name)


def failure_of(error: BaseException) -> str:
    """What a run failed with, in words; where it came out of a user's file, with the line of that file.

    Args:
        error: what was raised, with its traceback.
    """
    what = f"{type(error).__name__}: {error}"
    own = {module.__file__ for name, module in list(sys.modules.items()) if name.startswith(OWN_MODULES)}
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in own]
    if not lines or lines[-1].filename in what:
        return what
    absent = "; what the method's `needs` do not name is None in the batch" if "NoneType" in what else ""
    return f"{lines[-1].filename}, line {lines[-1].lineno}, in {lines[-1].name}: {what}{absent}"


def task_files(task: TaskConfig, evaluation: EvaluationConfig) -> list[str | None]:
    """What may be a user's file of what is asked: prompts, templates, problems of every split, further benchmarks."""
    benchmarks = (task.benchmark, *evaluation.further_benchmarks)
    problems = [name.replace(SPLIT, split) for name in benchmarks for split in (SPLITS if SPLIT in name else ("",))]
    return [task.prompt, task.system, task.chat_template, *problems]


def file_hashes(references: Iterable[str | None]) -> dict[str, str]:
    """SHA-256 of the file behind each reference that is a user's file (``file.py:name``, a prompt, a benchmark)."""
    files = {name: _file_of(name) for name in references if name is not None}
    return {name: _digest(path) for name, path in files.items() if path is not None and path.is_file()}


def check_unchanged(files: Mapping[str, str]) -> None:
    """Refuse to load files that are no longer what they were when the comparison started.

    Args:
        files: SHA-256 by reference, from `file_hashes`.

    Raises:
        ValueError: a file was edited or is gone.
    """
    for name, recorded in files.items():
        path = _file_of(name) or Path(name)
        now = _digest(path) if path.is_file() else "that of no file"
        if now != recorded:
            raise ValueError(
                f"{path} was edited since the comparison started: its SHA-256 is {now}, expected {recorded}. Put the "
                "file back as it was and start the same command again, or start anew in another folder (--out)."
            )


def _file_of(reference: str) -> Path | None:
    """The file behind a reference, a control's word in front left out; ``None`` where it is a name of ours."""
    if ".py:" in reference:
        word, _, inner = reference.partition(":")
        return Path((reference if word.endswith(".py") else inner).rpartition(":")[0]).expanduser()
    return Path(reference).expanduser() if reference.endswith(TEXT_SUFFIXES) else None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _public_names(path: Path) -> list[str]:
    """Functions, classes and constants at the top of a Python file, which is not run."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, OSError):
        return []
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    names += [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    return [name for name in names if not name.startswith("_")]
