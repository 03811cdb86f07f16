"""The page of coefficients: which completions it shows, how it paints, and that token text stays text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from analysis.records.coefficient_record import MethodRecord, read_coefficients
from analysis.records.reading import RecordError
from analysis.report.coefficient_page import coefficient_section, color_limit, shown_sequences


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


def test_the_scale_ends_at_the_median_of_the_methods_own_95_percent() -> None:
    def method(*values: float) -> MethodRecord:
        return MethodRecord(name="m", coefficients=(np.array(values), None), weights=(1.0, None))

    assert color_limit([method(1.0, -1.0), method(3.0, -3.0), method(100.0)]) == 3.0
    assert color_limit([method(1.0, -1.0), method(0.0)]) == 1.0  # a method that is 0 everywhere has no scale
    assert color_limit([method(0.0)]) == 1.0


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
