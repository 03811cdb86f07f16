"""The peak that is told at the start: a line for arms that share one, and nothing for the embedded model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from experiments.schedule.memory import memory_lines
from tests.experiments.miniature import recipe
from tests.training.models.tiny import save_tiny
from training.models.policy import load_policy


def test_peaks_are_told_by_part_for_a_model_that_was_given(tmp_path: Path) -> None:
    small = recipe()
    assert memory_lines(small) == []
    given = small.with_model(str(save_tiny("llama", tmp_path, vocab_size=2**20)))
    arms = {name: given.arms[name] for name in ("rft", "online_rft", "grpo", "ppo")}
    arms["eight"] = dataclasses.replace(
        arms["rft"], training=dataclasses.replace(arms["rft"].training, optimizer="adamw_8bit")
    )
    lines = memory_lines(dataclasses.replace(given, arms=arms))
    weights = 4 * load_policy(tmp_path).num_parameters / 2**30
    assert len(lines) == 4  # rft and online_rft hold the same
    assert f"weights {weights:.1f} + gradients and moments {3 * weights:.1f} + activations" in lines[0]
    assert lines[0].endswith("(rft, online_rft)") and "logits 3.5" in lines[0]
    assert "critic" in lines[2] and f"critic {4 * weights:.1f}" in lines[2] and lines[2].endswith("(ppo)")
    assert f"gradients and moments {1.5 * weights:.1f} + " in lines[3]
