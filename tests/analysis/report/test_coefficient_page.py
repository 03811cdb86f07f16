"""The page of coefficients: which completions it shows, how it paints, and that token text stays text."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from analysis.figures.coefficients import draw_histograms
from analysis.records.coefficient_record import CoefficientRecord, MethodRecord, read_coefficients
from analysis.records.reading import RecordError
from analysis.report.coefficient_page import coefficient_section, color_scale, shown_sequences
from analysis.statistics.coefficients import coefficient_histograms, coefficients_by_position


def sequence(problem: str, reward: float, tokens: list[str]) -> dict[str, Any]:
    return {
        "problem_id": problem,
        "question": f"what is {problem}?",
        "gold_answer": "4",
        "reward": reward,
        "verdict": "CORRECT" if reward > 0 else "NO_ANSWER",
        "truncated": False,
        "tokens": tokens,
    }


def content() -> dict[str, Any]:
    """Problem a has only right completions, b is mixed; DPO leaves the completions of a out."""
    sequences = [
        sequence("a", 1.0, ["4"]),
        sequence("a", 1.0, ["4", "!"]),
        sequence("b", 1.0, ["<script>alert(1)</script>", "\n", ""]),
        sequence("b", 0.0, ["5", "6"]),
        sequence("b", 1.0, ["4"]),
        sequence("b", 0.0, ["7"]),
        sequence("b", 1.0, ["4"]),
    ]
    signs = [1, 1, 1, -1, 1, -1, 1]
    grpo = [[0.5 * sign] * len(item["tokens"]) for sign, item in zip(signs, sequences, strict=True)]
    dpo = [
        None,
        None,
        *([2.0 * sign] * len(item["tokens"]) for sign, item in zip(signs[2:], sequences[2:], strict=True)),
    ]
    return {
        "policy": "grpo, seed 0",
        "sequences": sequences,
        "methods": [
            {"name": "grpo", "aggregation": "sequence_mean", "coefficients": grpo, "weights": [0.1] * 7},
            {"name": "dpo", "aggregation": "sequence_mean", "coefficients": dpo, "weights": [None, None, *[0.1] * 5]},
        ],
        "gradients": {"names": ["grpo", "dpo"], "cosines": [[1.0, -0.25], [-0.25, 1.0]]},
    }


def written(folder: Path, data: Any) -> Path:
    (folder / "coefficients.json").write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return folder


def section(folder: Path) -> str:
    return coefficient_section(SimpleNamespace(path=folder))  # type: ignore[arg-type]


def test_the_most_mixed_problem_is_shown_two_of_each_verdict(tmp_path: Path) -> None:
    record = read_coefficients(written(tmp_path, content()))
    assert record is not None
    assert shown_sequences(record) == (2, 3, 4, 5)


def method(*values: float) -> MethodRecord:
    return MethodRecord(name="m", coefficients=(np.array(values), None), weights=(1.0, None))


def test_the_scale_ends_at_the_largest_and_is_linear_below_a_tenth_of_the_median_method() -> None:
    scale = color_scale(
        [method(1.0, -1.0), method(3.0, -3.0), method(-100.0, np.inf, np.nan), method(0.0)]
    )  # 0 everywhere: no say
    assert (scale.linear, scale.end) == pytest.approx((0.3, 100.0))
    assert [scale.shade(value) for value in (-100.0, 0.0, 100.0)] == [-1.0, 0.0, 1.0]
    # log(1 + 3 / 0.3) / log(1 + 100 / 0.3) = 2.3979 / 5.8121
    assert scale.shade(3.0) == -scale.shade(-3.0) == pytest.approx(0.41257, abs=1e-5)
    nothing = color_scale([method(0.0)])
    assert (nothing.end, nothing.shade(0.0)) == (1.0, 0.0)


def test_coefficients_ten_times_those_of_the_others_do_not_all_look_alike(tmp_path: Path) -> None:
    data = content()
    for name, values in (("grpo", [-0.5, 0.1]), ("dpo", [2.0, 7.0])):
        [own] = [each for each in data["methods"] if each["name"] == name]
        own["coefficients"][3] = values
    data["methods"][1]["coefficients"][2] = [16.0, 23.0, 23.0]
    html = section(written(tmp_path, data))
    found = re.findall(r'<span style="background:rgb\((\d+),(\d+),(\d+)\);color:#\w+" title="([^"]+)">', html)
    colors = {float(value): np.array([int(red), int(green), int(blue)]) for red, green, blue, value in found}
    strong = [colors[value] for value in (0.1, 2.0, 7.0, 16.0, 23.0)]
    for one, other in pairwise(strong):
        assert np.abs(one - other).max() > 8, (one, other)
    assert "symmetric logarithm, about linear below" in html and "largest |coefficient| of any method" in html


def test_a_long_method_name_stays_above_its_panel() -> None:
    name = "grpo-" + "kl_coef=0.04-" * 7 + "last"
    record = CoefficientRecord(
        policy="p",
        sequences=tuple(sequence("a", reward, ["4"]) for reward in (1.0, 0.0)),
        methods=tuple(
            MethodRecord(name=name + end, coefficients=(np.array([1.0]), np.array([-1.0])), weights=(1.0, 1.0))
            for end in "ab"
        ),
        gradient_names=(),
        cosines_NN=np.empty((0, 0)),
    )
    figure = draw_histograms(coefficient_histograms(record))
    figure.draw_without_rendering()
    for panel in figure.axes:
        box = panel.title.get_window_extent() if panel.title.get_text() else panel._left_title.get_window_extent()  # type: ignore[attr-defined]
        assert box.x1 <= panel.get_window_extent().x1 + 10
        assert box.y1 <= figure.bbox.y1
        assert panel.get_position().height * figure.get_figheight() > 0.6


def of_one_method(sequences: list[dict[str, Any]]) -> CoefficientRecord:
    """Coefficients of 1 at every token."""
    rows = tuple(np.ones(len(item["tokens"])) for item in sequences)
    method = MethodRecord(name="grpo", coefficients=rows, weights=(0.1,) * len(rows))
    return CoefficientRecord(
        policy="p", sequences=tuple(sequences), methods=(method,), gradient_names=(), cosines_NN=np.empty((0, 0))
    )


def test_right_is_what_the_verdict_says_and_not_what_gets_a_reward() -> None:
    """A wrong answer in the right format may get a fifth of the reward, a right one that is too long less than 0."""
    answers = [("CORRECT", -0.5), ("INCORRECT", 0.2), ("INCORRECT", 0.2), ("INCORRECT", 0.2), ("CORRECT", 1.0)]
    record = of_one_method([{**sequence("a", reward, ["4"] * 3), "verdict": verdict} for verdict, reward in answers])
    histograms = coefficient_histograms(record)
    tokens = dict.fromkeys(histograms["verdict"], 0)
    for verdict, count in zip(histograms["verdict"], histograms["tokens"], strict=True):
        tokens[verdict] += count
    assert tokens == {"right": 6, "wrong": 9}
    assert shown_sequences(record) == (0, 1, 2, 4)


def test_a_tenth_without_a_token_has_no_mean() -> None:
    """Four tokens lie in tenths 1, 3, 6 and 8; the others are not credited with 0."""
    found = coefficients_by_position(of_one_method([sequence("a", 1.0, ["4"] * 4)]))
    assert (found["x"].tolist(), found["point"].tolist()) == ([1, 3, 6, 8], [1.0] * 4)
    full = coefficients_by_position(of_one_method([sequence("a", 1.0, ["4"] * 20)]))
    assert full["x"].tolist() == list(range(1, 11))


def test_every_token_of_every_method_is_painted_with_its_number(tmp_path: Path) -> None:
    html = section(written(tmp_path, content()))
    spans = re.findall(
        r'<span style="background:rgb\((\d+),(\d+),(\d+)\);color:#\w+" title="([^"]+)">([^<]*)</span>', html
    )
    assert len(spans) == 2 * (3 + 2 + 1 + 1)
    for red, _, blue, value, _ in spans:
        assert (int(blue) > int(red)) == (float(value) > 0), "purple is positive, orange negative"
    assert {float(value) for *_, value, _ in spans} == {0.5, -0.5, 2.0, -2.0}


def test_token_text_is_shown_and_never_run(tmp_path: Path) -> None:
    html = section(written(tmp_path, content()))
    assert "<script" not in html and "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert ">↵</span>" in html and ">⟨end⟩</span>" in html


def test_a_comparison_without_coefficients_has_no_section(tmp_path: Path) -> None:
    assert section(tmp_path) == ""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", "coefficients.json: not JSON"),
        ({"sequences": []}, "not a record of coefficients"),
        (
            {**content(), "methods": [{"name": "grpo", "coefficients": [[1.0]] * 7, "weights": [1.0] * 7}]},
            "grpo has 1 coefficients for 2 tokens",
        ),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, data: Any, message: str) -> None:
    folder = written(tmp_path, data)
    with pytest.raises(RecordError, match=message):
        read_coefficients(folder)
    note = section(folder)  # the report goes on without it
    assert note.startswith('<p class="note">Left out: coefficients.json')
    assert message in note
    assert str(tmp_path) not in note
