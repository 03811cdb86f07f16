"""Sphinx's settings of the documentation site; `build.py` beside this file writes what is built."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

project = "coeflab"
author = copyright = "The coeflab authors"
html_title = "coeflab"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml"]
html_theme = "furo"
html_theme_options = {"navigation_with_keys": True}
html_copy_source = False
html_show_sourcelink = False

myst_fence_as_directive = ["math"]  # GitHub's formulas
myst_heading_anchors = 3
# Docstrings are prose and formulas in plain text, no reStructuredText: what docutils would rather have otherwise is no
# reason to stop; a link that leads nowhere is. Nor is a field's name that several classes have (ref.python).
suppress_warnings = ["docutils", "myst.header", "ref.python"]
default_role = "code"

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True


def setup(app: Any) -> None:
    """Have bars of docstrings, |o| and p(x|y), read as bars."""

    def plain(app: Any, what: str, name: str, target: object, options: object, lines: list[str]) -> None:
        lines[:] = [line.replace("|", "\\|") for line in lines]

    app.connect("autodoc-process-docstring", plain, priority=900)
