"""Formulas as MathML, made while the site is built: browsers draw it by themselves, without a script and a network."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

__all__ = ["setup"]


def setup(app: Any) -> dict[str, bool]:
    """Make ``"mathml"`` the renderer of formulas."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.config.html_math_renderer_name = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(convert(_readable(node.astext())))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append('<div class="math-block" style="overflow: auto hidden; padding: 0.5em 0; margin: 1em 0">')
    translator.body.append(convert(_readable(node.astext()), display="block"))
    translator.body.append("</div>")
    raise nodes.SkipNode


def _readable(formula: str) -> str:
    """The formula without sizes of brackets, which MathML chooses itself, and with braces that the converter knows."""
    plain = re.sub(r"\\[bB]ig+[lrm]?(?![a-zA-Z])", "", formula)
    return plain.replace(r"\{", r"\lbrace ").replace(r"\}", r"\rbrace ")
