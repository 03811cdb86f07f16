"""The pages on methods cannot go stale: their snippets run, their tables and commands are the code's."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import shlex
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tyro

from algorithms import ALGORITHMS, build_algorithm
from experiments.commands.compare import Train
from experiments.inspection.methods import WITH_PAGE, field_rows, methods_page
from experiments.recipes.catalogue import RECIPES
from training.trainer import Counters

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "algorithms"
SUBJECTS = ("iteration", "process_supervision", "reward_models")  # pages of no method
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md"))}
SNIPPET = re.compile(r"^```python\n(.*?)^```\n(?:^```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def table(page: str, *headings: str) -> list[list[str]]:
    """Rows, as lists of cells, of the one table of `page` whose first headings are these; code marks are kept."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE)
    split = [
        [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.splitlines()]
        for block in blocks
    ]
    [found] = [rows for rows in split if tuple(rows[0][: len(headings)]) == headings]
    assert all(set(cell) == {"-"} for cell in found[1])
    assert all(len(row) == len(found[0]) and all(row) for row in found[2:])
    return found[2:]


def code(cell: str) -> list[str]:
    """What a cell has between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def definitions(source: str) -> set[str]:
    """Functions and classes of a module, methods as ``Class.method``."""
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
    return names


def columns() -> set[str]:
    """Names that can head a column of metrics.jsonl: counters, and what the trainer and the methods name."""
    files = [ROOT / "training" / f"{name}.py" for name in ("loop", "trainer", "update", "accounting")]
    files += [path for path in (ROOT / "algorithms").rglob("*.py") if path.stem in (*PAGES, "policy_gradient")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    constants = [node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {*vars(Counters()), *(value for value in constants if isinstance(value, str))}


def settable(name: str) -> dict[str, Any]:
    """Every field that ``--set`` takes, with its default, as JSON would write it."""
    factory: Any = ALGORITHMS[name]
    target: Any = factory.func if isinstance(factory, partial) else factory
    built = factory()
    return {item.name: json.loads(json.dumps(getattr(built, item.name))) for item in fields(target) if item.init}


def test_the_pages_are_those_that_the_page_of_all_methods_links() -> None:
    assert set(PAGES) == {"README", *WITH_PAGE, *SUBJECTS} and {*WITH_PAGE} <= {*ALGORITHMS}


def test_the_page_of_all_methods_is_what_the_code_says() -> None:
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert page == methods_page(), "write it anew: python -m experiments.inspection.methods > docs/methods.md"


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_field_has_a_meaning_and_its_default(name: str) -> None:
    rows = {row.name: json.loads(row.default) for row in field_rows(name)}
    assert rows == settable(name)
    assert all(len(row.meaning.split()) >= 3 for row in field_rows(name))


def test_the_identities_name_tests_that_exist() -> None:
    source = (ROOT / "tests" / "algorithms" / "test_identities.py").read_text(encoding="utf-8")
    named = [code(test)[0] for _, test in table(PAGES["README"], "identity", "test")]
    assert {*named} == {name for name in definitions(source) if name.startswith("test_")}


@pytest.mark.parametrize("name", PAGES)
def test_snippets_print_what_the_page_says(name: str) -> None:
    page = PAGES[name]
    snippets = SNIPPET.findall(page)
    assert len(snippets) == page.count("```python") >= 1
    for source, expected in snippets:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(source, f"docs/algorithms/{name}.md", "exec"), {})
        assert printed.getvalue().rstrip() == expected.rstrip() != ""


@pytest.mark.parametrize("name", WITH_PAGE)
def test_listed_fields_have_their_defaults(name: str) -> None:
    rows = table(PAGES[name], "field", "default", "meaning", "in the paper")
    listed = [(code(field)[0], json.loads(code(default)[0])) for field, default, *_ in rows]
    assert dict(listed).items() <= settable(name).items()
    assert len(listed) == len(dict(listed)) >= 1


@pytest.mark.parametrize("name", [*WITH_PAGE, *SUBJECTS])
def test_every_term_is_where_the_page_says(name: str) -> None:
    for term, file, function in table(PAGES[name], "term", "file", "function"):
        known = definitions((ROOT / code(file)[0]).read_text(encoding="utf-8"))
        assert code(function) and set(code(function)) <= known, term


def test_the_overview_has_each_method_as_the_code_has_it() -> None:
    rows = table(PAGES["README"], "name", "data source", "credit", "coefficient", "aggregation", "needs")
    assert [code(row[0])[0] for row in rows] == list(WITH_PAGE)
    for link, source, _, _, aggregation, needs in rows:
        name = code(link)[0]
        algorithm = build_algorithm(name)
        assert link == f"[`{name}`]({name}.md)"
        assert code(source) == [str(algorithm.data_source)]
        assert code(aggregation) == [str(algorithm.aggregation)]
        assert code(needs) == sorted(need.name.lower() for need in algorithm.needs)


@pytest.mark.parametrize("name", WITH_PAGE)
def test_metrics_to_watch_are_written(name: str) -> None:
    [section] = re.findall(r"^## What to watch in metrics.jsonl\n(.*?)^## ", PAGES[name], re.DOTALL | re.MULTILINE)
    leading = re.findall(r"^- (`\w+`(?:(?:, | and )`\w+`)*)", section, re.MULTILINE)
    followed = re.findall(r"\. (`\w+`(?:(?:, | and )`\w+`)*):", section)
    named = {column for group in leading + followed for column in code(group)}
    assert len(named) >= 3
    assert named - columns() == set()


@pytest.mark.parametrize("name", WITH_PAGE)
def test_commands_parse_and_build_the_method_of_the_page(name: str) -> None:
    commands = [line for block in SHELL.findall(PAGES[name]) for line in block.splitlines()]
    assert commands[0] == f"coeflab train --recipe arithmetic --algorithm {name}"
    for command in commands:
        program, verb, *arguments = shlex.split(command)
        train = tyro.cli(Train, args=arguments)
        assert (program, verb, train.algorithm) == ("coeflab", "train", name) and train.recipe_name in RECIPES
        settings = {field: json.loads(value) for field, _, value in (item.partition("=") for item in train.settings)}
        built = build_algorithm(name, settings)
        assert {field: getattr(built, field) for field in settings} == settings
