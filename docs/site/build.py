"""`make docs`: the pages of docs/, a page for every method and one for every module, as a site that needs no network.

    python docs/site/build.py [OUT [ROOM …]]

Everything is written to ``build/docs``; the site is ``build/docs/html/index.html``, its search works from the disk. A
link that leads nowhere and a formula that cannot be read end the build. With rooms named, their modules alone have
pages, which is quicker.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from sphinx.cmd.build import build_main

from experiments.inspection.methods import methods_page

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("algorithms", "analysis", "benchmarks", "experiments", "rewards", "sampling", "training")
MODULE = "# {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n{options}```\n"
TREE = "```{{toctree}}\n:maxdepth: 1\n:caption: {caption}\n\n{entries}\n```\n"


def build(out: Path, rooms: Sequence[str] = ROOMS) -> int:
    """Write the site to ``out/html``, with a page for every module of `rooms`; Sphinx's exit status."""
    source = out / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("site", "__pycache__"))
    for figure in (ROOT / "results").rglob("figures/*.png"):  # where the pages look for them, beside the copied docs
        copy = out / figure.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(figure, copy)
    for page in source.glob("notebooks/*.md"):  # shown, not run: tests/test_docs_notebooks_slow.py runs them
        page.write_text(page.read_text(encoding="utf-8").replace("{code-cell} ipython3", "python"), encoding="utf-8")
    methods = write_methods(source / "methods")
    modules = write_modules(source / "api", rooms)
    pages = sorted(path.stem for path in source.glob("*.md"))
    (source / "index.md").write_text(_index(pages, methods, modules), encoding="utf-8")
    options = ["-W", "--keep-going", "-q", "-c", str(ROOT / "docs" / "site")]
    return build_main([*options, "-d", str(out / "doctrees"), str(source), str(out / "html")])


def write_methods(folder: Path) -> list[str]:
    """A page a method, cut from docs/methods.md as the code writes it; their names."""
    folder.mkdir(parents=True)
    _, *sections = re.split(r"^## ", methods_page(), flags=re.MULTILINE)
    names = []
    for section in sections:
        name = section.partition("\n")[0]
        if name.startswith("Fields"):
            continue
        text = section.replace("](algorithms/", "](../algorithms/").replace("](#", "](../methods.md#")
        (folder / f"{name}.md").write_text(f"# {text}", encoding="utf-8")
        names.append(name)
    return names


def write_modules(folder: Path, rooms: Sequence[str]) -> dict[str, list[str]]:
    """A page a module with its docstrings; the names by room."""
    folder.mkdir(parents=True)
    modules: dict[str, list[str]] = {}
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] in ("__init__", "__main__") else parts)
            if parts[-1] == "__main__" or not path.read_text(encoding="utf-8").strip():
                continue
            options = (
                "   :no-members:\n" if parts[-1] == "__init__" else ""
            )  # what a face shows stands where it is written
            (folder / f"{name}.md").write_text(MODULE.format(name=name, options=options), encoding="utf-8")
            modules.setdefault(room, []).append(name)
    return modules


def _index(pages: list[str], methods: list[str], modules: dict[str, list[str]]) -> str:
    algorithms = sorted(path.stem for path in (ROOT / "docs" / "algorithms").glob("*.md") if path.stem != "README")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    opening = readme.partition("\n## ")[0].partition("\n")[2]
    opening = re.sub(r"\]\(docs/", "](", re.sub(r"!\[[^]]*\]\([^)]*\)", "", opening))
    opening = re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", opening)
    sections = {
        "Guide": pages,
        **{name.title(): _below(name) for name in ("notebooks", "results")},
        "Table 10": ["algorithms/README", *(f"algorithms/{name}" for name in algorithms)],
        "Every method": [f"methods/{name}" for name in methods],
        **{f"API: {room}": [f"api/{name}" for name in names] for room, names in modules.items()},
    }
    trees = [TREE.format(caption=caption, entries="\n".join(entries)) for caption, entries in sections.items()]
    return f"# coeflab\n{opening}\n" + "\n".join(trees)


def _below(folder: str) -> list[str]:
    return sorted(f"{folder}/{path.stem}" for path in (ROOT / "docs" / folder).glob("*.md"))


if __name__ == "__main__":
    where, *named = sys.argv[1:] or [str(ROOT / "build" / "docs")]
    sys.exit(build(Path(where), named or ROOMS))
