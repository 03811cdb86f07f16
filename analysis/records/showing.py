"""What an object shows of itself in a notebook, a title and a table as HTML; and a number with its unit."""

from collections.abc import Mapping, Sequence
from html import escape

MOST_ROWS = 60


def table_html(title: str, columns: Mapping[str, Sequence[object]]) -> str:
    """A title and columns by heading; numbers with four digits; rows beyond 60 are counted, not shown."""
    size = max(map(len, columns.values()), default=0)
    head = "".join(f"<th>{escape(str(name))}</th>" for name in columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(_text(cell))}</td>" for cell in cells) + "</tr>"
        for cells in list(zip(*columns.values(), strict=True))[:MOST_ROWS]
    )
    more = f"<p>{number_of(size - MOST_ROWS, 'more row')}</p>" if size > MOST_ROWS else ""
    caption = f'<caption style="text-align:left">{escape(title)}</caption>'
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"


def number_of(number: int, unit: str, plural: str = "") -> str:
    """A number with its unit: "1 seed", "3 seeds", "1,024 tokens"."""
    return f"{number:,} {unit}" if number == 1 else f"{number:,} {plural or unit + 's'}"


def _text(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
