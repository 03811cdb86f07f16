"""The report as a browser shows it: every arm is there, nothing sticks out of a narrow window, no model text runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.image import imread

from analysis import write_report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(BROWSER is None, reason="no chromium or chromium-browser on PATH"),
]

WIDTHS = [1200, 420]
HEIGHT = 1600
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
LONG_ARM = "grpo-kl_coef=0.04-group_size=16-clip_high=0.28-scale=none-baseline=leave_one_out"
HOSTILE_TEXT = (
    "</pre></details><script>document.title = 'ran'</script>"
    "<img src=missing onerror=\"document.title = 'ran'\"><style>main { display: none }</style>"
    + "a_word_without_a_blank"
    * 40
)
# The frame makes the window as wide as asked: a browser's own window may have a least width.
FRAMED = """<!doctype html><body style="margin: 0">
<iframe id="page" style="width: {width}px; height: {height}px; border: 0" srcdoc="{page}"></iframe>
<script>
window.onload = () => {{
  const page = document.getElementById("page").contentDocument;
  for (const folded of page.querySelectorAll("details")) folded.open = true;
  const wide = [];
  for (const element of page.body.querySelectorAll("*")) {{
    if (element.closest(".scroll, figure.wide")) continue;
    const boxes = [element.getBoundingClientRect()];
    for (const child of element.childNodes) {{
      if (child.nodeType != Node.TEXT_NODE) continue;
      const range = page.createRange();  // a word without a blank may stick out of its own element
      range.selectNode(child);
      boxes.push(...range.getClientRects());
    }}
    for (const box of boxes)
      if (box.right > {width} + 1 || box.left < -1)
        wide.push(element.tagName + "." + element.className + " " + box.left + " to " + box.right);
  }}
  for (const element of page.querySelectorAll(".scroll, figure.wide"))
    if (element.getBoundingClientRect().right > {width} + 1) wide.push(element.className);
  const found = {{
    title: page.title, wide: wide, elements: page.body.querySelectorAll("*").length, scripts: page.scripts.length,
    tables: page.querySelectorAll(".scroll > table").length, page_width: page.documentElement.scrollWidth,
    window_width: page.defaultView.innerWidth,
  }};
  const result = document.createElement("pre");
  result.id = "found";
  result.textContent = JSON.stringify(found);
  document.body.append(result);
}};
</script>"""


@pytest.fixture
def report_page(comparison_dir: Path, make_run: Callable[..., Path]) -> Path:
    """A report with an arm of a long name, and hostile text wherever a model or a benchmark writes."""
    make_run(LONG_ARM, 0, {0: ["Cabb", "CCaa"]})
    for path in comparison_dir.glob("runs/*/samples.parquet"):
        samples = pd.read_parquet(path)
        for column in ("completion", "question", "gold_answer"):
            samples[column] = samples[column] + HOSTILE_TEXT
        samples["answer"] = HOSTILE_TEXT
        samples.to_parquet(path)
    return write_report(comparison_dir, baseline="sft_start")


def browse(page: Path, folder: Path, width: int, *action: str) -> str:
    """What the browser prints when it opens the page in a window of that width."""
    assert BROWSER is not None
    window = [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{HEIGHT}"]
    run = subprocess.run(
        [BROWSER, *FLAGS, *window, *action, page.as_uri()], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


@pytest.mark.parametrize("width", WIDTHS)
def test_every_arm_is_on_the_page_and_model_text_stays_text(report_page: Path, tmp_path: Path, width: int) -> None:
    dom = browse(report_page, tmp_path, width, "--dump-dom")
    tags = re.findall(r"<[^>]*>", dom)
    text = unescape(re.sub(r"<[^>]*>", "", re.sub(r"(?s)<style>.*?</style>", "", dom, count=1)))
    for arm in ("sft_start", "grpo", LONG_ARM):
        assert arm in text
    assert "<title>Two &lt;arms&gt;</title>" in dom  # no text has run
    assert HOSTILE_TEXT in text
    assert not [tag for tag in tags if re.match(r"<(script|style .|iframe)|.*onerror=|.*src=.?missing", tag)]


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window_but_tables_that_scroll(report_page: Path, tmp_path: Path, width: int) -> None:
    quoted = report_page.read_text().replace("&", "&amp;").replace('"', "&quot;")
    framed = tmp_path / "framed.html"
    framed.write_text(FRAMED.format(width=width, height=HEIGHT, page=quoted))
    dom = browse(framed, tmp_path, 1300, "--dump-dom")
    match = re.search(r'<pre id="found">(.*?)</pre>', dom)
    assert match is not None, "the measurement did not run"
    found = json.loads(unescape(match.group(1)))
    assert (found["window_width"], found["title"], found["scripts"]) == (width, "Two <arms>", 0)
    assert found["elements"] > 200 and found["tables"] >= 3
    assert found["wide"] == []
    assert found["page_width"] <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_the_picture_is_not_blank(report_page: Path, tmp_path: Path, width: int) -> None:
    picture = tmp_path / "page.png"
    browse(report_page, tmp_path, width, f"--screenshot={picture}")
    pixels = imread(picture)[:, :, :3]
    assert pixels.shape[:2] == (HEIGHT, width)
    assert pixels.std() > 0.03
    for band in range(4):  # something is drawn in each quarter of the window's height
        rows = pixels[band * HEIGHT // 4 : (band + 1) * HEIGHT // 4]
        assert rows.std() > 0.01, f"quarter {band + 1} of the window is blank"
