"""The report as a browser shows it: every arm is there, nothing sticks out of a narrow window, no model text runs,
tables sort, samples are found."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

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
    "</pre></details></script><script>document.title = 'ran'</script><!-- <script> "
    "<img src=missing onerror=\"document.title = 'ran'\"><style>main { display: none }</style>"
    + "a_word_without_a_blank"
    * 40
)
# The completions of sft_start, and how the page shows them.
ODD_TEXTS = {
    "nul \0, escape \x1b[31mred\x1b[0m": "nul ⟨U+0000⟩, escape ⟨U+001B⟩[31mred⟨U+001B⟩[0m",
    "שלום עולם 42": "שלום עולם 42",
    "over \u202eride\u202c": "over ⟨U+202E⟩ride⟨U+202C⟩",
    "x" * 100_000 + "The End": "The End",
}
# The frame makes the window as wide as asked: a browser's own window may have a least width. `act` works in the page.
FRAMED = """<!doctype html><meta charset="utf-8"><body style="margin: 0">
<iframe id="page" style="width: {width}px; height: {height}px; border: 0" srcdoc="{page}"></iframe>
<script>
const act = (page) => {{ {action} }};
window.onload = () => {{
  const result = document.createElement("pre");
  result.id = "found";
  try {{ result.textContent = JSON.stringify(act(document.getElementById("page").contentDocument)); }}
  catch (error) {{ result.textContent = JSON.stringify(String(error)); }}
  document.body.append(result);
}};
</script>"""
MEASURE = """
  const width = page.defaultView.innerWidth;
  for (const folded of page.querySelectorAll("details")) folded.open = true;
  const wide = [];
  for (const element of page.body.querySelectorAll("*")) {
    if (element.closest(".scroll, nav, script")) continue;
    const boxes = [element.getBoundingClientRect()];
    for (const child of element.childNodes) {
      if (child.nodeType != Node.TEXT_NODE) continue;
      const range = page.createRange();  // a word without a blank may stick out of its own element
      range.selectNode(child);
      boxes.push(...range.getClientRects());
    }
    for (const box of boxes)
      if (box.right > width + 1 || box.left < -1)
        wide.push(element.tagName + "." + element.className + " " + box.left + " to " + box.right);
  }
  for (const element of page.querySelectorAll(".scroll, nav"))
    if (element.getBoundingClientRect().right > width + 1) wide.push(element.className);
  return {
    title: page.title, wide: wide, elements: page.body.querySelectorAll("*").length,
    scripts: [...page.scripts].map((script) => script.type), images: page.images.length,
    tables: page.querySelectorAll(".scroll > table").length, page_width: page.documentElement.scrollWidth,
    window_width: width, cards: page.querySelectorAll("article.sample").length,
  };
"""
SORT = """
  const table = [...page.querySelectorAll("table")].find((each) => each.tHead.textContent.includes("Pass@1 by seed"));
  const column = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === "tokens");
  const header = table.tHead.rows[0].cells[column];
  const orders = [];
  for (let click = 0; click < 4; click++) {
    orders.push([header.getAttribute("aria-sort"), [...table.tBodies[0].rows].map((row) => row.cells[0].textContent)]);
    header.querySelector("button").click();
  }
  const buttons = [...page.querySelectorAll("th")].filter((cell) => cell.querySelector("button")).length;
  return { orders: orders, buttons: buttons, focus: header.querySelector("button").tabIndex };
"""
FILTER = """
  const form = page.querySelector("form.filters");
  const set = (name, text) => {
    const field = form.elements[name];
    field.value = field.options ? [...field.options].find((each) => each.textContent === text).value : text;
    field.dispatchEvent(new page.defaultView.Event("input", { bubbles: true }));
  };
  const found = () => ({
    cards: [...page.querySelectorAll("article.sample")].map((card) => [
      card.querySelector("strong").textContent, card.querySelector(".verdict").textContent,
      [...card.querySelectorAll("pre")].at(-1).textContent, card.querySelector("header").textContent]),
    count: page.querySelector(".count").textContent,
  });
  const results = [found()];
  page.querySelectorAll(".pages button")[1].click();
  results.push(found());
  set("arm", "grpo");
  results.push(found());
  set("verdict", "NO_ANSWER");
  results.push(found());
  set("text", "NO SUCH TEXT");
  results.push(found());
  set("arm", "every arm"), set("verdict", "cut off at the length limit"), set("text", ""), set("problem", "sums-0");
  results.push(found());
  set("verdict", "every verdict"), set("problem", "every problem"), set("text", "the END");
  results.push(found());
  return results;
"""

HOVER = """
  const plot = [...page.querySelectorAll(".plot[data-marks]")].find((each) => each.dataset.marks.includes("K = 2"));
  const marks = JSON.parse(plot.dataset.marks);
  const box = plot.getBoundingClientRect();
  const point = (x, y) => plot.dispatchEvent(new page.defaultView.PointerEvent("pointermove",
    { clientX: box.left + x * box.width, clientY: box.top + y * box.height, bubbles: true }));
  const tip = plot.querySelector(".tip");
  const found = [];
  for (const [x, y, text] of marks) {
    point(x, y);
    const inside = tip.getBoundingClientRect();
    found.push([text, tip.textContent, tip.hidden, inside.left >= box.left && inside.right <= box.right + 1]);
  }
  point(0.001, 0.001);
  return { found: found, far: tip.hidden, status: tip.getAttribute("role") };
"""
VERDICTS = """
  const table = [...page.querySelectorAll("table")].find((each) => each.tHead.textContent.includes("verdict"));
  const frame = table.closest(".scroll").getBoundingClientRect();
  const headings = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  const boxes = (name) => [...table.rows]
    .map((row) => row.cells[headings.findIndex((each) => each.startsWith(name))].getBoundingClientRect())
    .map((box) => [box.left - frame.left, frame.right - box.right]);
  return [...boxes("verdict"), ...boxes("difference")];
"""


@pytest.fixture
def report_page(comparison_dir: Path, make_run: Callable[..., Path]) -> Path:
    """A report with an arm of a long name, and hostile text wherever a model or a benchmark writes."""
    make_run(LONG_ARM, 0, {0: ["Cabb", "CCaa"]})
    for path in comparison_dir.glob("runs/*/samples.parquet"):
        samples = pd.read_parquet(path)
        for column in ("completion", "question", "gold_answer"):
            samples[column] = samples[column] + HOSTILE_TEXT
        samples["answer"] = HOSTILE_TEXT
        if path.parent.name.startswith("sft_start"):
            samples["completion"] = [list(ODD_TEXTS)[index] for index in samples["sample_index"]]
        samples.to_parquet(path)
    (comparison_dir / "coefficients.json").write_text(json.dumps(coefficients()), encoding="utf-8")
    return write_report(comparison_dir, baseline="sft_start")


def coefficients() -> dict[str, Any]:
    """Two completions under one method, hostile text in every token; as `coeflab compare` writes it."""
    shared = {"problem_id": "p", "question": HOSTILE_TEXT, "gold_answer": HOSTILE_TEXT, "truncated": False}
    sequences = [
        {
            **shared,
            "reward": reward,
            "verdict": "CORRECT" if reward else "INCORRECT",
            "tokens": [HOSTILE_TEXT, "x" * 200],
        }
        for reward in (1.0, 0.0)
    ]
    method = {"name": LONG_ARM, "coefficients": [[1.0, 1.0], [-1.0, 0.5]], "weights": [0.5, 0.5]}
    names = [LONG_ARM, *(f"method {number}" for number in range(30))]
    cosines = [[1.0 if row == column else -0.5 for column in range(31)] for row in range(31)]
    gradients = {"names": names, "cosines": cosines}
    return {"policy": HOSTILE_TEXT, "sequences": sequences, "methods": [method], "gradients": gradients}


def browse(page: Path, folder: Path, width: int, *action: str) -> str:
    """What the browser prints when it opens the page in a window of that width."""
    assert BROWSER is not None
    window = [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{HEIGHT}"]
    run = subprocess.run(
        [BROWSER, *FLAGS, *window, *action, page.as_uri()], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


def act_in(page: Path, folder: Path, action: str, width: int = 1200) -> Any:
    """What the JavaScript `action`, a function body that sees the document as `page`, returns in the opened page."""
    quoted = page.read_text().replace("&", "&amp;").replace('"', "&quot;")
    framed = folder / "framed.html"
    framed.write_text(FRAMED.format(width=width, height=HEIGHT, page=quoted, action=action))
    dom = browse(framed, folder, 1300, "--dump-dom")
    match = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert match is not None, "the action did not run"
    return json.loads(unescape(match.group(1)))


@pytest.mark.parametrize("width", WIDTHS)
def test_every_arm_is_on_the_page_and_model_text_stays_text(report_page: Path, tmp_path: Path, width: int) -> None:
    dom = browse(report_page, tmp_path, width, "--dump-dom")
    body = re.sub(r"(?s)<(style|script)[ >].*?</\1>", "", dom)  # what stands in the page, without its own code and data
    tags = re.findall(r"<[^>]*>", body)
    text = unescape(re.sub(r"<[^>]*>", "", body))
    for arm in ("sft_start", "grpo", LONG_ARM):
        assert arm in text
    assert "<title>Two &lt;arms&gt;</title>" in dom  # no text has run
    assert HOSTILE_TEXT in text
    for shown in ODD_TEXTS.values():
        assert shown in text
    assert "94,007 characters are left out here" in text
    assert not [tag for tag in tags if re.match(r"<(script|style|iframe)|.*onerror=|.*src=.?missing", tag)]


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window_but_what_scrolls(report_page: Path, tmp_path: Path, width: int) -> None:
    found = act_in(report_page, tmp_path, MEASURE, width)
    assert (found["window_width"], found["title"]) == (width, "Two <arms>")
    assert found["scripts"] == ["application/json", ""]  # the samples and the page's own script
    assert found["elements"] > 200 and found["tables"] >= 3 and found["cards"] == 20
    assert found["images"] == len(list(report_page.parent.glob("*.svg")))
    assert found["wide"] == []
    assert found["page_width"] <= width


def test_tables_are_sorted_by_a_button_in_the_heading(report_page: Path, tmp_path: Path) -> None:
    found = act_in(report_page, tmp_path, SORT)
    given = ["sft_start", "grpo", LONG_ARM]  # 0, 600 and 0 tokens trained on
    assert found["orders"] == [
        ["none", given],
        ["ascending", ["sft_start", LONG_ARM, "grpo"]],
        ["descending", ["grpo", "sft_start", LONG_ARM]],
        ["none", given],
    ]
    assert found["buttons"] > 20 and found["focus"] == 0  # reached with the keyboard


def test_samples_are_filtered_and_found(report_page: Path, tmp_path: Path) -> None:
    first, second, grpo, unanswered, nothing, cut_off, searched = act_in(report_page, tmp_path, FILTER)
    assert (first["count"], len(first["cards"])) == ("1 to 20 of 40 samples that match (56 in the page)", 20)
    assert second["count"] == "21 to 40 of 40 samples that match (56 in the page)"
    assert len({card[3] for card in [*first["cards"], *second["cards"]]}) == 40  # no sample on both pages
    assert len(grpo["cards"]) == 16 and {card[0] for card in grpo["cards"]} == {"grpo"}
    [[_, verdict, text, header]] = unanswered["cards"]
    assert verdict == "NO_ANSWER, cut off" and "seed 1, step 4, sample 3" in header
    assert text == 'sample 3 of grpo: <script>alert(1)</script> & "quoted"' + HOSTILE_TEXT
    assert (nothing["count"], nothing["cards"]) == ("None of the 56 samples in the page match", [])
    # of problem 0: sample 3 of either seed of sft_start ("CabN", "aabN") and of grpo's second ("CCaN")
    assert [card[:2] for card in cut_off["cards"]] == [
        [arm, "NO_ANSWER, cut off"] for arm in ("sft_start",) * 2 + ("grpo",)
    ]
    assert [card[0] for card in searched["cards"]] == ["sft_start"] * 4  # of each seed and problem, whatever the case
    assert {card[2][-7:] for card in searched["cards"]} == {"The End"}


@pytest.mark.parametrize("width", [1400, 390])
def test_verdicts_and_differences_are_seen_without_scrolling(report_page: Path, tmp_path: Path, width: int) -> None:
    for left, right in act_in(report_page, tmp_path, VERDICTS, width):
        assert left >= 0 and right >= 0


@pytest.mark.parametrize("width", [1400, 390])
def test_pointing_at_a_figure_shows_its_values(report_page: Path, tmp_path: Path, width: int) -> None:
    seen = act_in(report_page, tmp_path, HOVER, width)
    assert seen["far"] and seen["status"] == "status" and len(seen["found"]) == 3 * 3  # three arms, K = 1, 2 and 4
    for text, shown, hidden, inside in seen["found"]:
        assert not hidden and inside
        assert shown == text or shown.split("\n")[1] == text.split("\n")[1]  # two arms at one point
    assert "grpo\nK = 1: 62.5 [" in "; ".join(text for text, *_ in seen["found"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_picture_is_not_blank(report_page: Path, tmp_path: Path, width: int, scheme: str) -> None:
    picture = tmp_path / "page.png"
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    browse(report_page, tmp_path, width, f"--screenshot={picture}", *dark)
    pixels = imread(picture)[:, :, :3]
    assert pixels.shape[:2] == (HEIGHT, width)
    assert pixels.std() > 0.03
    assert (pixels.mean() > 0.5) == (scheme == "light")
    for band in range(4):  # something is drawn in each quarter of the window's height
        rows = pixels[band * HEIGHT // 4 : (band + 1) * HEIGHT // 4]
        assert rows.std() > 0.01, f"quarter {band + 1} of the window is blank"
