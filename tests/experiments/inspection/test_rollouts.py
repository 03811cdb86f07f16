"""The same completions under every method: none is left out for want of an array that the drawing could have made."""

from __future__ import annotations

from pathlib import Path

import pytest

from algorithms import METHODS, build_algorithm
from algorithms.interface import Need
from benchmarks.problem import Problem
from experiments.inspection import rollouts
from experiments.inspection.rollouts import draw_coefficients
from experiments.recipes.config import TaskConfig
from tests.training.small_run import SEVENS, save_start


def test_every_method_but_those_of_a_greedy_completion_has_a_gradient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = [
        Problem(problem_id=f"p{number}", benchmark="arithmetic", question=f"{number}+{7 - number}=", gold_answer="7")
        for number in range(6)
    ]
    monkeypatch.setattr(rollouts, "load_problems", lambda task, split, count: problems)
    score = rollouts.score_rollouts
    monkeypatch.setattr(rollouts, "score_rollouts", lambda drawn, **options: score(drawn, reward=SEVENS, **options))
    task = TaskConfig(benchmark="arithmetic", prompt="bare", step_reward="equations")
    start = save_start(tmp_path)
    content = draw_coefficients(
        start, reference=start, critic=None, methods={"grpo": build_algorithm("grpo")}, task=task, max_tokens=24, seed=0
    )
    drawn = {name for name in METHODS if Need.GREEDY_REWARD not in build_algorithm(name).needs}
    assert {"kto", "dapo_top_entropy", "dpo"} < drawn
    assert any(sequence["reward"] for sequence in content["sequences"])  # else pairs have nothing to learn from
    assert set(content["gradients"]["names"]) == drawn
    assert [method["name"] for method in content["methods"]] == ["grpo"]
