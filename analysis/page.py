"""The report's HTML: one self-contained page, styles inline, no script, nothing fetched.

Every string that comes from a run (model text, names, settings) passes through `escape` exactly once, here.
"""

import base64
from collections.abc import Sequence
from html import escape

from analysis.tables import TextColumn

STYLE = """
:root { color-scheme: light dark; --ink: #1d2228; --soft: #5b6672; --line: #d9dee4; --back: #fbfbfa; --card: #ffffff;
  --accent: #0b5c8f; --wash: #f1f4f6; --warn: #8a4b00; --warn-wash: #fff5e2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --soft: #9aa5b1; --line: #363d45; --back: #15181c;
  --card: #1c2025; --accent: #7cc1ee; --wash: #22272d; --warn: #f0c27a; --warn-wash: #33291a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 2.2rem 1.2rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .7rem; padding-top: 1.1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; overflow-wrap: anywhere; }
p, li { max-width: 48rem; overflow-wrap: anywhere; }
p.lead, figcaption, .note { color: var(--soft); }
.note, figcaption { font-size: .88rem; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; background: var(--card);
  margin: .7rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .42rem .75rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { background: var(--wash); font-weight: 600; color: var(--soft); }
tr:last-child td { border-bottom: 0; }
th.text, td.text { text-align: left; }
td:first-child { font-weight: 600; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.1rem; }
figure { margin: 0; padding: .8rem; border: 1px solid var(--line); border-radius: 6px; background: var(--card);
  min-width: 0; }
figure.wide { overflow-x: auto; margin-top: 1.1rem; }
figure img { display: block; width: 100%; height: auto; background: #fff; border-radius: 3px; }
figure.wide img { min-width: 38rem; }
figcaption { margin-top: .6rem; max-width: 48rem; }
details { border: 1px solid var(--line); border-radius: 6px; background: var(--card); margin: .5rem 0;
  padding: .5rem .8rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
details[open] > summary { margin-bottom: .5rem; }
pre { margin: .4rem 0 .9rem; padding: .7rem .8rem; background: var(--wash); border-radius: 5px; font-size: .82rem;
  line-height: 1.45; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 24rem; overflow-y: auto; }
.tag { overflow-wrap: anywhere; font-size: .78rem; font-weight: 600; color: var(--soft); }
.warn { background: var(--warn-wash); color: var(--warn); border-radius: 6px; padding: .6rem .9rem; }
.warn ul { margin: .3rem 0; padding-left: 1.2rem; }
nav { margin-top: .8rem; font-size: .9rem; display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
a { color: var(--accent); }
"""


def document(title: str, lead: str, sections: Sequence[tuple[str, str]]) -> str:
    """The whole page.

    Args:
        title, lead: plain text; the lead is the sentence below the title.
        sections: (heading as plain text, content as HTML), in order; empty contents are left out.
    """
    kept = [(f"s{number}", heading, content) for number, (heading, content) in enumerate(sections, start=1) if content]
    links = "".join(f'<a href="#{anchor}">{escape(heading)}</a>' for anchor, heading, _ in kept)
    body = "".join(
        f'<section id="{anchor}"><h2>{escape(heading)}</h2>{content}</section>\n' for anchor, heading, content in kept
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><main>"
        f'<header><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p><nav>{links}</nav></header>\n'
        f"{body}</main></body></html>\n"
    )


def table(columns: Sequence[TextColumn]) -> str:
    """Columns as a table that scrolls sideways in a narrow window."""
    sides = [' class="text"' if column.is_text else "" for column in columns]
    head = "".join(f"<th{side}>{escape(column.heading)}</th>" for side, column in zip(sides, columns, strict=True))
    rows = []
    for cells in zip(*(column.cells for column in columns), strict=True):
        rows.append(
            "<tr>"
            + "".join(f"<td{side}>{escape(cell)}</td>" for side, cell in zip(sides, cells, strict=True))
            + "</tr>"
        )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def figure(png: bytes, alt: str, caption: str, wide: bool = False) -> str:
    """A picture inside the page, with its caption."""
    encoded = base64.b64encode(png).decode("ascii")
    kind = ' class="wide"' if wide else ""
    image = f'<img alt="{escape(alt)}" src="data:image/png;base64,{encoded}">'
    return f"<figure{kind}>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def figures(pictures: Sequence[str]) -> str:
    """Figures side by side where there is room."""
    return f'<div class="figures">{"".join(pictures)}</div>' if pictures else ""


def heading(text: str) -> str:
    """A heading of the third level."""
    return f"<h3>{escape(text)}</h3>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    side = f' class="{kind}"' if kind else ""
    return f"<p{side}>{escape(text)}</p>"


def bullets(items: Sequence[str]) -> str:
    """A bulleted list."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>" if items else ""


def warning(text: str, items: Sequence[str]) -> str:
    """A box that must not be overlooked."""
    return f'<div class="warn">{escape(text)}{bullets(items)}</div>'


def folded(summary: str, content: str) -> str:
    """Content (HTML) behind a line of plain text."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def labelled_text(label: str, text: str) -> str:
    """Text exactly as it was written (model output, a question), under a small label."""
    return f'<div class="tag">{escape(label)}</div><pre>{escape(text)}</pre>'
