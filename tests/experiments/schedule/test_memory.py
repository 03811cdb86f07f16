"""The peak that is told at the start: a line for arms that share one, and nothing for the embedded model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from experiments.schedule.memory import memory_lines
from tests.experiments.miniature import recipe
from tests.training.models.tiny import save_tiny
from training.models.policy import load_policy
from training.reward_models.config import RewardModelConfig


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


def test_reward_models_are_part_of_the_peak(tmp_path: Path) -> None:
    """Two members of a larger model score all the while; a refit adds one with its gradients and moments (16 bytes)."""
    policy = save_tiny("llama", tmp_path / "policy")
    start = save_tiny("llama", tmp_path / "reward", vocab_size=2**21)
    given = recipe().with_model(str(policy))
    pair = RewardModelConfig(model=str(start), members=2, microbatch_tokens=64)
    grpo = given.arms["grpo"]
    further = dataclasses.replace(grpo.training, iteration_steps=1)
    arms = {
        "rule": grpo,
        "frozen": dataclasses.replace(grpo, training=further, overrides={"reward": "model:frozen"}),
        "once": dataclasses.replace(grpo, overrides={"reward": "model:pair"}),
        "refitted": dataclasses.replace(grpo, training=further, overrides={"reward": "model:pair"}),
    }
    models = {"pair": pair, "frozen": dataclasses.replace(pair, refit=False)}
    rule, served, refitted = memory_lines(dataclasses.replace(given, arms=arms, reward_models=models))
    weights = (
        4 * (load_policy(start).num_parameters) / 2**30
    )  # its head is the embeddings, the reward model's 64 numbers
    assert "reward model" not in rule and rule.endswith("(rule)")
    assert f"reward models {2 * weights:.1f} + activations" in served and served.endswith("(frozen, once)")
    assert f"reward models {2 * weights:.1f} + a refit of a reward model {4 * weights:.1f}; " in refitted
    assert refitted.startswith(f"memory at the peak, by arithmetic, in GiB: {6 * weights:.1f} = ")
    sharded = dataclasses.replace(further, shard="full")
    shared = {"refitted": dataclasses.replace(arms["refitted"], training=sharded)}
    [half] = memory_lines(dataclasses.replace(given, arms=shared, reward_models=models), ranks=2)
    whole_at_a_time = 3 * weights  # 12 bytes a weight outside the layers, where nearly all are
    assert f"reward models {weights:.1f} + a refit of a reward model {2 * weights + whole_at_a_time:.1f}; " in half


def test_a_refit_is_told_as_it_is_fused(tmp_path: Path) -> None:
    """On a GPU layers are fused, which keeps fewer activations, but for those of which a process has a part."""
    given = recipe().with_model(str(save_tiny("llama", tmp_path)))
    model, grpo = RewardModelConfig(microbatch_tokens=2**20), given.arms["grpo"]

    def refit(device: Literal["cpu", "cuda"], shard: Literal["none", "full"]) -> float:
        training = dataclasses.replace(grpo.training, iteration_steps=1, shard=shard)
        arms = {"refitted": dataclasses.replace(grpo, training=training, overrides={"reward": "model:orm"})}
        engine = dataclasses.replace(given.engine, device=device)
        made = dataclasses.replace(given, arms=arms, reward_models={"orm": model}, engine=engine)
        [line] = memory_lines(made, ranks=2 if shard == "full" else 1)
        return float(line.partition("a refit of a reward model ")[2].partition(";")[0])

    assert refit("cuda", "none") < 0.7 * refit("cpu", "none")
    assert refit("cuda", "full") == refit("cpu", "full")
