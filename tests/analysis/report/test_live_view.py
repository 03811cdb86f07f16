"""Live curves of runs that are half written, as letters."""

import json
from pathlib import Path

import numpy as np
import pytest

from analysis.figures.terminal_curves import text_panel
from analysis.records.live import live_curves
from analysis.report.live_view import arm_curve, live_lines


def text(lines) -> list[str]:
    return ["".join(span.text for span in line) for line in lines]


def test_a_diagonal_is_drawn_from_corner_to_corner():
    """4 columns and 2 rows of Braille are 8 × 8 dots: the diagonal is ⠑⢄ in each block of 4 × 4, read from the top."""
    x = np.arange(8.0)
    panel = text(text_panel("down", {"a": (x, 7 - x)}, {"a": "#ff0000"}, width=12, height=2))
    assert panel == ["down", "      7│⠑⢄  ", "      0│  ⠑⢄", "        0  7"]


def test_a_flat_line_and_points_that_are_not_finite_are_drawn(tmp_path):
    values = np.array([1.0, np.nan, 1.0])
    panel = text(text_panel("flat", {"a": (np.arange(3.0), values)}, {"a": ""}, width=20, height=3))
    assert panel[2].count("⠤") + panel[2].count("⠒") + panel[2].count("⠉") == 12
    assert "nothing yet" in text(text_panel("none", {"a": (x := np.empty(0), x)}, {"a": ""}, width=20, height=3))[1]


def test_half_written_runs_are_read_as_far_as_they_are(comparison_dir: Path):
    run = comparison_dir / "runs" / "grpo-seed1"
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "reward_mean": 0.9, "kl": null}\n{"step": 6, "reward_me')
    broken = comparison_dir / "runs" / "sft_start-seed0"
    (broken / "samples.parquet").write_bytes(b"PAR1 half")
    (comparison_dir / "runs" / "sft_start-seed1" / "config.json").write_text("{")
    runs = {(each.arm, each.seed): each for each in live_curves(comparison_dir)}
    assert set(runs) == {("grpo", 0), ("grpo", 1), ("sft_start", 0)}
    steps, rewards = runs["grpo", 1].metrics["reward_mean"]
    assert steps.tolist() == [1, 2, 3, 4, 5] and rewards[-1] == 0.9
    assert "kl" not in runs["grpo", 1].metrics
    assert runs["sft_start", 0].accuracy[0].tolist() == []
    # seed 0: 2/4, 2/4, 5/8 at steps 0, 2, 4; seed 1: 1/4, 3/4, 5/8 (conftest)
    x, mean = arm_curve([runs["grpo", 0], runs["grpo", 1]], "accuracy")
    assert x.tolist() == [0, 2, 4] and mean.tolist() == pytest.approx([0.375, 0.625, 0.625])


def test_panels_stand_side_by_side_where_there_is_room(comparison_dir: Path):
    wide = text(live_lines(comparison_dir, width=130, height=4))
    narrow = text(live_lines(comparison_dir, width=80, height=4))
    assert "Pass@1 of the evaluations" in wide[0] and "reward" in wide[0] and "reward" not in narrow[0]
    assert max(map(len, wide)) <= 130 and max(map(len, narrow)) <= 80
    assert any("grpo (step 4)" in line for line in wide)
    with pytest.raises(ValueError, match=r"metric 'speed'\. Known: pass@1"):
        live_lines(comparison_dir, width=80, height=4, metrics=["speed"])
    with pytest.raises(ValueError, match="is no folder"):
        live_lines(comparison_dir / "nowhere", width=80, height=4)


def test_a_run_that_has_begun_only_is_shown(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"arm": "grpo", "seed": 0}))
    assert any("grpo (step 0)" in line for line in text(live_lines(tmp_path, width=100, height=3)))
