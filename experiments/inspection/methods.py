"""Every method, printed from the code: Table 10 and beyond, one method, and docs/methods.md.

`python -m experiments.inspection.methods > docs/methods.md` writes the page; a test keeps it current.
"""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from dataclasses import dataclass, fields
from typing import Any

from rich.console import Console
from rich.table import Table

from algorithms import ALGORITHMS, METHODS, TABLE_10, Algorithm, Method, Need, build_algorithm
from algorithms.catalogue import PaperRow
from experiments.recipes.catalogue import build_recipe
from experiments.recipes.config import Recipe, SourceConfig
from experiments.recipes.plugins import learned_name, load_method
from training.peers.methods import TrlMethod

__all__ = [
    "WITH_PAGE",
    "attribute_meanings",
    "field_rows",
    "methods_page",
    "methods_table",
    "print_method",
    "print_methods",
    "print_recipe",
    "recipe_table",
    "source_in_use",
    "reward_in_use",
]

WITH_PAGE = (  # in docs/algorithms
    *TABLE_10,
    *("sapo", "vespo", "gmpo", "gfpo", "lite_ppo", "dapo_top_entropy", "grpo_off_policy_mask", "simpo", "orpo", "kto"),
)
TABLE_WIDTH = 150  # columns of a terminal from which on the table can be read
HEADINGS = ("name", "method", "data source", "reward", "gradient coefficient", "equation", "aggregation", "needs")


@dataclass(frozen=True, kw_only=True)
class FieldRow:
    """A field that ``--set`` takes: its default in a method, as a JSON literal, and its meaning."""

    name: str
    default: str
    meaning: str


def needs_of(algorithm: Algorithm) -> str:
    """The needs of a method beside rewards and the policy's logprobs, in words."""
    return ", ".join(sorted(need.name.lower() for need in algorithm.needs)) or "-"


def field_rows(name: str) -> list[FieldRow]:
    """Every field of a method with its default there and what the class's docstring says of it; its own first."""
    return _field_rows(METHODS[name].build, ALGORITHMS[name])


def _field_rows(target: type, factory: Any) -> list[FieldRow]:
    built = factory()
    meanings: dict[str, str] = {}
    for parent in reversed(target.__mro__):
        meanings |= attribute_meanings(parent)
    own = inspect.get_annotations(target)
    settable = sorted((item.name for item in fields(target) if item.init), key=lambda field: field not in own)
    return [
        FieldRow(
            name=field,
            default=json.dumps(getattr(built, field), ensure_ascii=False),
            meaning=meanings.get(field, ""),  # a user's class may say nothing
        )
        for field in settable
    ]


def attribute_meanings(owner: type) -> dict[str, str]:
    """The entries under ``Attributes:`` in a class's own docstring, each on one line."""
    text = inspect.cleandoc(vars(owner).get("__doc__") or "")
    _, _, listed = text.partition("Attributes:\n")
    entries = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", listed, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", meaning).replace("``", "`") for name, meaning in entries}


def methods_table(methods: dict[str, Method], title: str) -> Table:
    """Methods with their data source, reward, gradient coefficient, aggregation and needs."""
    table = Table(title=title, title_style="", pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for name, method in methods.items():
        table.add_row(*_cells(name, method))
    return table


def reward_in_use(row: PaperRow, learned: bool = False) -> str:
    """``Rule`` or ``Model``, whichever a run takes, and ``-`` where it takes none; `row.reward` is the paper's."""
    return "-" if row.reward == "-" else "Model" if learned else "Rule"


def recipe_table(recipe: Recipe) -> Table:
    """The arms of a recipe as rows of Table 10, with the reward that each is really given."""
    table = Table(title=f"recipe {recipe.name}", title_style="", pad_edge=False)
    for heading in ("arm", *HEADINGS[1:]):
        table.add_column(heading, overflow="fold")
    for name, arm in recipe.arms.items():
        own, algorithm = recipe.overridden(arm.overrides), load_method(arm.algorithm, arm.settings)
        reads_steps = Need.STEP_REWARDS in algorithm.needs
        reward = own.task.step_reward if reads_steps else own.reward
        learned = learned_name(reward) is not None
        if arm.algorithm in METHODS:
            cells = list(_cells(arm.algorithm, METHODS[arm.algorithm]))
            cells[3] = reward_in_use(METHODS[arm.algorithm].row, learned)
        else:
            cells = ["", "", str(algorithm.data_source), "Model" if learned else "Rule", "", "", "", ""]
        cells[0], cells[2] = name, source_in_use(cells[2], own.source)
        cells[3] += "" if cells[3] == "-" else f" ({reward})"
        table.add_row(*cells)
    return table


def source_in_use(data_source: str, source: SourceConfig) -> str:
    """The data source of a method where a recipe takes other problems, or searches what would be sampled."""
    if source.problems == "beyond_sft":
        data_source = data_source.replace("P_sft(Q)", "P(Q) beyond P_sft")
    if source.search != "none":
        data_source = data_source.replace("π_sft(O|q)", f"{source.search} search of π_sft by {source.guide}")
    return data_source


def _cells(name: str, method: Method) -> tuple[str, ...]:
    algorithm, row = build_algorithm(name), method.row
    of_paper = (row.title, row.data_source, reward_in_use(row), row.coefficient, row.equation)
    return (name, *of_paper, str(algorithm.aggregation), needs_of(algorithm))


def print_recipe(name: str) -> None:
    """Print the arms of a recipe, each with the reward that it is given.

    Raises:
        ValueError: no such recipe.
    """
    _console().print(recipe_table(build_recipe(name, "cpu")))


def print_methods() -> None:
    """Print Table 10 and the methods beyond it, as wide as they are where the output is not a terminal."""
    console = _console()
    if console.width < TABLE_WIDTH:
        console.print(_narrow_lines(), highlight=False, soft_wrap=True)
        return
    beyond = {name: method for name, method in METHODS.items() if name not in TABLE_10}
    console.print(
        methods_table(TABLE_10, "DeepSeekMath, Table 10: ∇J = E_D [ 1/|o| Σ_t GC ∇log π_θ(o_t | q, o_<t) ]"),
        methods_table(beyond, "\nBeyond Table 10, and other libraries' versions"),
        "\ncoeflab methods NAME: its formula, source, fields and needs.",
    )


def _narrow_lines() -> str:
    """The methods as blocks of lines, for a terminal that is too narrow for the table."""
    blocks = ["DeepSeekMath, Table 10: ∇J = E_D [ 1/|o| Σ_t GC ∇log π_θ(o_t | q, o_<t) ]"]
    for name, method in METHODS.items():
        if name == next(iter(name for name in METHODS if name not in TABLE_10)):
            blocks.append("Beyond Table 10, and other libraries' versions")
        cells: dict[str, str] = dict(zip(HEADINGS, _cells(name, method), strict=True))
        head = f"{name}: {cells['method']}, {cells['equation']}, {cells['aggregation']}"
        told = (("GC", "gradient coefficient"), ("data", "data source"), ("reward", "reward"), ("needs", "needs"))
        lines = [
            textwrap.fill(
                cells[heading], 79, initial_indent=f"  {label:7}", subsequent_indent=" " * 9, break_long_words=False
            )
            for label, heading in told
            if cells[heading] != "-"
        ]
        blocks.append("\n".join([textwrap.fill(head, 79, subsequent_indent="    "), *lines]))
    return "\n\n".join([*blocks, "coeflab methods NAME: its formula, source, fields and needs."])


def print_method(name: str) -> None:
    """Print one method: formula, source, row of Table 10, fields with their defaults, and what it needs.

    Raises:
        ValueError: no such method, or ``file.py:Name`` that is none.
    """
    algorithm = load_method(name, {})  # the error with the nearest names
    console = _console()
    facts, title = {"data source": str(algorithm.data_source)}, type(algorithm).__name__
    if name in METHODS:
        method, row = METHODS[name], METHODS[name].row
        title = row.title
        facts = {
            "maximises": method.objective,
            "coefficient": row.coefficient,
            "source": f"{method.source}; {row.equation}",
            "data source": row.data_source,
            "reward": reward_in_use(row)
            if row.reward != "Model"
            else "Rule; a model with --reward model:NAME, as in the paper",
        }
    if isinstance(algorithm, TrlMethod):
        facts |= {"trainer": f"TRL's {algorithm.trainer}Trainer (docs/trl.md)", "equation": algorithm.equation}
    else:
        facts |= {"aggregation": str(algorithm.aggregation), "needs": needs_of(algorithm)}
    console.print(f"{name}: {title}", markup=False, highlight=False)
    for label, fact in facts.items():
        console.print(f"  {label:12} {fact}", markup=False, highlight=False, soft_wrap=True)
    for note in METHODS[name].notes if name in METHODS else ():
        console.print(f"  note         {note}", markup=False, highlight=False, soft_wrap=True)
    table = Table(title="\nfields (--set field=value)", title_style="", title_justify="left", pad_edge=False)
    for heading in ("field", "default", "meaning"):
        table.add_column(heading, overflow="fold")
    for item in field_rows(name) if name in METHODS else _field_rows(type(algorithm), lambda: algorithm):
        table.add_row(item.name, item.default, item.meaning)
    console.print(table, markup=False)


def methods_page() -> str:
    """The text of docs/methods.md."""
    parts = [
        "# All methods\n\n"
        "Written by `python -m experiments.inspection.methods > docs/methods.md` from "
        "`algorithms/catalogue.py`,\n`beyond.py` and `peers.py` there and the docstrings of the classes; do not edit. "
        "How to read it, and what a coefficient is:\n[algorithms/README.md](algorithms/README.md).\n\n",
        _markdown_table(("name", *HEADINGS[1:]), [_linked(name, method) for name, method in METHODS.items()]),
    ]
    parts += [_section(name, method) for name, method in METHODS.items()]
    parts.append("## Fields by class\n\nEvery field that `--set field=value` takes, with the default of the class.\n")
    classes = dict.fromkeys(method.build for method in METHODS.values())
    for target in classes:
        rows = [(f"`{item.name}`", f"`{item.default}`", _cell(item.meaning)) for item in _field_rows(target, target)]
        parts.append(f"### {target.__name__}\n")
        parts.append(_markdown_table(("field", "default", "meaning"), rows))
    return "\n".join(parts)


def _linked(name: str, method: Method) -> tuple[str, ...]:
    first, *rest = _cells(name, method)
    anchor = re.sub(r"[^\w-]", "", name)
    return (f"[`{first}`](#{anchor})", *map(_cell, rest))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _section(name: str, method: Method) -> str:
    row = method.row
    page = f" Its page: [algorithms/{name}.md](algorithms/{name}.md)." if name in WITH_PAGE else ""
    lines = [
        f"## {name}\n",
        f"**{row.title}.** {method.source}; {row.equation}.{page}\n",
        f"```text\nJ  = E {method.objective}\nGC = {row.coefficient}\n```\n",
    ]
    listed = ", ".join(f"`{key}={json.dumps(value, ensure_ascii=False)}`" for key, value in method.settings.items())
    target = method.build.__name__
    lines.append(f"[`{target}`](#fields-by-class) with {listed or 'its defaults'}.\n")
    lines += [f"- {note}" for note in method.notes]
    if method.notes:
        lines.append("")
    algorithm = build_algorithm(name)
    lines.append(f"Aggregation `{algorithm.aggregation}`. Needs: {needs_of(algorithm)}.\n")
    return "\n".join(lines)


def _markdown_table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _console() -> Console:
    console = Console(markup=False, emoji=False)  # brackets in formulas are meant
    return console if console.is_terminal else Console(markup=False, emoji=False, width=200)


if __name__ == "__main__":
    print(methods_page(), end="")
