"""Table 10, printed from the code."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from algorithms import ALGORITHMS

__all__ = ["methods_table"]


def methods_table() -> Table:
    """Every method with its data source, reward, gradient coefficient, aggregation and needs."""
    table = Table(
        title="DeepSeekMath, Table 10: ∇J = E_D [ 1/|o| Σ_t GC ∇log π_θ(o_t | q, o_<t) ]",
        title_style="",
        pad_edge=False,
    )
    for heading in (
        "name",
        "method",
        "data source",
        "reward",
        "gradient coefficient",
        "equation",
        "aggregation",
        "needs",
    ):
        table.add_column(heading, overflow="fold")
    for name, factory in ALGORITHMS.items():
        algorithm = factory()
        row = algorithm.paper
        needs = ", ".join(sorted(need.name.lower() for need in algorithm.needs)) or "-"
        table.add_row(
            name,
            row.title,
            row.data_source,
            row.reward,
            row.coefficient,
            row.equation,
            str(algorithm.aggregation),
            needs,
        )
    return table


def print_methods() -> None:
    """Print the table as wide as it is where the output is not a terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(methods_table())
