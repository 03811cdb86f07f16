"""The report's HTML: one self-contained page; style, script and pictures inline, nothing fetched.

Every string that comes from a run (model text, names, settings) passes through `shown` or `json_block` exactly once,
here. The page's policy lets the browser run the script of `assets/report.js` alone and load nothing.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from analysis.report.contrast_tables import TextColumn

ASSETS = Path(__file__).parent / "assets"
LONG_CELL = 40  # characters from which a cell of text may break into lines
# NUL would be dropped by a browser, ESC and the like would not be seen; a bidi override would turn the text around.
HIDDEN = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
SIGNS = {code: f"⟨U+{code:04X}⟩" for code in HIDDEN if chr(code) not in "\t\n"}


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page: its heading, a word or two for the navigation, and its content as HTML."""

    heading: str
    label: str
    content: str


def visible(text: str) -> str:
    """The text with ⟨U+001B⟩ and the like in place of control characters and direction overrides; \\ud800 for half of a
    surrogate pair."""
    return text.translate(SIGNS).encode("utf-8", "backslashreplace").decode("utf-8")


def shown(text: str) -> str:
    """Text from a run as HTML that shows it."""
    return escape(visible(text))


def document(title: str, lead: str, sections: Sequence[Section], *, again_s: int | None = None) -> str:
    """The whole page.

    Args:
        title, lead: plain text; the lead is the sentence below the title.
        sections: in order; those without content are left out.
        again_s: after so many seconds the browser reads the page again: for one that is still being written.
    """
    kept = [(f"s{number}", each) for number, each in enumerate(sections, start=1) if each.content]
    links = "".join(f'<a href="#{anchor}">{shown(each.label)}</a>' for anchor, each in kept)
    body = "".join(
        f'<section id="{anchor}"><h2>{shown(each.heading)}</h2>{each.content}</section>\n' for anchor, each in kept
    )
    refresh = "" if again_s is None else f'<meta http-equiv="refresh" content="{again_s}">'
    style = (ASSETS / "report.css").read_text(encoding="utf-8")
    script = (ASSETS / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{refresh}<title>{shown(title)}</title><style>{style}</style></head>\n<body><main>"
        f'<header><h1>{shown(title)}</h1><p class="lead">{shown(lead)}</p></header><nav>{links}</nav>\n'
        f"{body}</main><script>{script}</script></body></html>\n"
    )


def json_block(name: str, data: Any) -> str:
    """Data for the page's script, in an element of that id; no text in it can close the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")  # half a surrogate pair becomes its JSON escape
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f'<script type="application/json" id="{name}">{text}</script>'


def table(columns: Sequence[TextColumn], kind: str = "") -> str:
    """Columns as a table that scrolls sideways in a narrow window; the page's script makes its headings sort it.

    `kind` "dense" has smaller letters, for tables of many columns.
    """
    sides = [' class="text"' if column.is_text else "" for column in columns]
    head = "".join(
        f'<th scope="col"{side}>{shown(column.heading)}</th>' for side, column in zip(sides, columns, strict=True)
    )
    rows = []
    for cells in zip(*(column.cells for column in columns), strict=True):
        rows.append(
            "<tr>" + "".join(_cell(column, cell) for column, cell in zip(columns, cells, strict=True)) + "</tr>"
        )
    widest = min(LONG_CELL, max(map(len, (columns[0].heading, *columns[0].cells)))) + 5  # room for its padding
    side = f' class="{kind}"' if kind else ""
    begin = f'<div class="scroll"><table{side} style="--name: {widest}ch"><thead>'
    return f"{begin}<tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"


def figure(
    svg: bytes, alt: str, caption: str, files: Sequence[str] = (), marks: Sequence[tuple[float, float, str]] = ()
) -> str:
    """A picture inside the page, with its caption and links to `files` beside the page, where there are any.

    `marks` are what the pointer finds: shares of the picture's width from the left and height from the top, and text.
    """
    encoded = base64.b64encode(svg).decode("ascii")
    image = f'<img alt="{shown(alt)}" src="data:image/svg+xml;base64,{encoded}">'
    links = " · ".join(f'<a href="{escape(name)}">{shown(name.rpartition(".")[2])}</a>' for name in files)
    below = " ".join(part for part in (shown(caption), f'<span class="files">{links}</span>' if links else "") if part)
    found = json.dumps([[x, y, visible(text)] for x, y, text in marks], ensure_ascii=False, separators=(",", ":"))
    data = f' data-marks="{escape(found)}"' if marks else ""
    return f'<figure><div class="plot"{data}>{image}</div><figcaption>{below}</figcaption></figure>'


def figures(pictures: Sequence[str]) -> str:
    """Figures side by side where there is room."""
    return f'<div class="figures">{"".join(pictures)}</div>' if pictures else ""


def heading(text: str) -> str:
    """A heading of the third level."""
    return f"<h3>{shown(text)}</h3>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    side = f' class="{kind}"' if kind else ""
    return f"<p{side}>{shown(text)}</p>"


def bullets(items: Sequence[str], kind: str = "") -> str:
    """A bulleted list."""
    side = f' class="{kind}"' if kind else ""
    return f"<ul{side}>" + "".join(f"<li>{shown(item)}</li>" for item in items) + "</ul>" if items else ""


def warning(text: str, items: Sequence[str]) -> str:
    """A box that must not be overlooked."""
    return f'<div class="warn">{shown(text)}{bullets(items)}</div>'


def folded(summary: str, content: str) -> str:
    """Content (HTML) behind a line of plain text."""
    return f"<details><summary>{shown(summary)}</summary>{content}</details>"


def labelled_text(label: str, text: str) -> str:
    """Text as it was written (a configuration), under a small label."""
    return f'<div class="tag">{shown(label)}</div><pre dir="auto">{shown(text)}</pre>'


def file_links(rows: Sequence[Sequence[str]]) -> str:
    """Links to files that lie beside the page, a line a row."""
    lines = (", ".join(f'<a href="{escape(name)}">{shown(name)}</a>' for name in row) for row in rows)
    return '<ul class="files">' + "".join(f"<li>{line}</li>" for line in lines) + "</ul>"


def _cell(column: TextColumn, cell: str) -> str:
    kinds = " ".join(kind for kind, holds in (("text", column.is_text), ("long", len(cell) > LONG_CELL)) if holds)
    side = f' class="{kinds}"' if kinds else ""
    return f"<td{side}>{shown(cell)}</td>"
