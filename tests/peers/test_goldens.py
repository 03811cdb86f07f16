"""Our coefficients against what verl, OpenRLHF and NeMo-RL computed from the same arrays (README.md beside this file).

Each golden file holds a peer's own advantages, or the gradient of its loss, on golden/batch.json. Here the method that
is said to reproduce it runs on the same file, and −∂loss/∂log π_θ must be its coefficient times its weight, token by
token. The batch has log-ratios of ±25 nats on purpose, so the comparison is relative to each number.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from algorithms import build_algorithm
from experiments.inspection.coefficients import MethodCoefficients, coefficients_of
from experiments.inspection.frozen_batch import parse_batch, read_batch

FOLDER = Path(__file__).parent / "golden"
BATCH = FOLDER / "batch.json"
EPSILONS = 3e-8  # the peers add 1e-8 to denominators here and there
SEQUENCE_MEAN, SEQUENCE_SUM = {"aggregation": "sequence_mean"}, {"aggregation": "sequence_sum"}
CONSTANT = {"aggregation": "constant"}

VERL, OPENRLHF, NEMO = "grpo@verl-0.9", "grpo@openrlhf-0.11", "grpo@nemo-rl"
CLIP_28, WIDE = {"clip_high": 0.28}, {"clip_low": 0.4, "clip_high": 2.0}
VERL_AGGREGATIONS = {
    "token_mean": {},
    "seq_mean_token_mean": SEQUENCE_MEAN,
    "seq_mean_token_sum": SEQUENCE_SUM,
    "seq_mean_token_sum_norm": CONSTANT,
}
# verl keeps "gspo" at a token mean by default, without dual clip; a mean log-ratio above 10 nats would be cut.
VERL_GSPO = {"ratio_level": "sequence", "dual_clip": None, "log_ratio_limit": None}
VERL_CISPO = {"clip_form": "weight", **CLIP_28}
NO_KL = {"kl_coef": 0.0}

GRADIENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "verl_vanilla_default": (VERL, {}),
    "verl_vanilla_no_dual_clip": (VERL, {"dual_clip": None}),
    "verl_vanilla_wide_clip_dual_10": (VERL, {**WIDE, "dual_clip": 10.0}),
    **{f"verl_vanilla_{name}": (VERL, {**CLIP_28, **how}) for name, how in VERL_AGGREGATIONS.items()},
    **{f"verl_gspo_{name}": (VERL, {**VERL_GSPO, **CLIP_28, **how}) for name, how in VERL_AGGREGATIONS.items()},
    **{f"verl_cispo_{name}": (VERL, {**VERL_CISPO, **how}) for name, how in VERL_AGGREGATIONS.items()},
    "verl_gspo_small_clip": ("gspo", {"std_eps": 1e-6}),
    "verl_is_token_2": (VERL, {"mismatch_correction": "token_truncate"}),
    "verl_is_sequence_2": (VERL, {"mismatch_correction": "sequence_truncate"}),
    "verl_is_token_icepop": (VERL, {"mismatch_correction": "token_mask", "mismatch_min": 0.5, "mismatch_max": 3.0}),
    "verl_kl_loss_low_var_kl": (VERL, {"kl_coef": 0.1}),
    "verl_kl_loss_kl": (VERL, {"kl_coef": 0.1, "kl_form": "k1", "kl_limit": None}),
    "verl_kl_loss_mse": (VERL, {"kl_coef": 0.1, "kl_form": "k2", "kl_limit": None}),
    "verl_kl_loss_k3_straight_through": (VERL, {"kl_coef": 0.1, "kl_form": "k2", "kl_limit": None}),
    "verl_kl_loss_seq_mean_token_mean": (VERL, {"kl_coef": 0.1, **SEQUENCE_MEAN}),
    "verl_ppo_default": ("ppo@verl-0.9", {}),
    "verl_ppo_kl_in_reward": ("ppo@verl-0.9", {"kl_coef": 0.1, "discount": 0.99, "gae_lambda": 0.95}),
    "openrlhf_group_norm_default": (OPENRLHF, NO_KL),
    "openrlhf_group_norm_kl_in_reward_default": (OPENRLHF, {}),
    "openrlhf_seq_mean_token_mean": (OPENRLHF, {**NO_KL, **SEQUENCE_MEAN}),
    "openrlhf_decoupled_clip_dual_clip_3": (OPENRLHF, {**NO_KL, **CLIP_28, "dual_clip": 3.0}),
    "openrlhf_wide_clip": (OPENRLHF, {**NO_KL, **WIDE}),
    "openrlhf_gspo": (
        OPENRLHF,
        {**NO_KL, **SEQUENCE_MEAN, **WIDE, "ratio_level": "sequence", "log_ratio_limit": None},
    ),
    "openrlhf_ppo_gae": (
        "ppo",
        {
            "kl_coef": 0.01,
            "kl_limit": 10.0,
            "log_ratio_limit": 20.0,
            "normalize_advantages": True,
            "aggregation": "token_mean",
        },
    ),
    "openrlhf_is_token_clip_2": (OPENRLHF, {**NO_KL, "mismatch_correction": "token_truncate"}),
    "openrlhf_is_token_mask": (
        OPENRLHF,
        {**NO_KL, "mismatch_correction": "token_mask", "mismatch_min": 0.5, "mismatch_max": 5.0},
    ),
    "openrlhf_kl_loss_k1": (OPENRLHF, {"kl_coef": 0.1, "kl_place": "coefficient"}),
    "openrlhf_kl_loss_k2": (OPENRLHF, {"kl_coef": 0.1, "kl_place": "coefficient", "kl_form": "k2"}),
    "openrlhf_kl_loss_k3": (OPENRLHF, {"kl_coef": 0.1, "kl_place": "coefficient", "kl_form": "k3"}),
    "nemo_rl_default": (NEMO, {}),
    "nemo_rl_no_kl": (NEMO, NO_KL),
    "nemo_rl_kl_k1": (NEMO, {"kl_coef": 0.1, "kl_form": "k1"}),
    "nemo_rl_kl_k2": (NEMO, {"kl_coef": 0.1, "kl_form": "k2"}),
    "nemo_rl_kl_k3": (NEMO, {"kl_coef": 0.1}),
    "nemo_rl_dual_clip_3": (NEMO, {**CLIP_28, "dual_clip": 3.0}),
    "nemo_rl_cispo": (NEMO, {**NO_KL, **VERL_CISPO}),
    "nemo_rl_gspo": (
        NEMO,
        {**NO_KL, **SEQUENCE_MEAN, **WIDE, "ratio_level": "sequence"},
    ),
    "nemo_rl_is_tis_2": (NEMO, {**NO_KL, "mismatch_correction": "token_truncate"}),
    "nemo_rl_is_icepop": (
        NEMO,
        {**NO_KL, "mismatch_correction": "token_mask", "mismatch_min": 0.5, "mismatch_max": 3.0},
    ),
    "nemo_rl_is_untruncated": (
        NEMO,
        {"kl_coef": 0.1, "mismatch_correction": "token_truncate", "mismatch_max": 1e30},
    ),
    "nemo_rl_sequence_level_loss": (NEMO, {"kl_coef": 0.1, **SEQUENCE_MEAN}),
}

REINFORCE_PP = {"normalize_ddof": 1, "normalize_eps": 1e-8}
CENTRED, LEAVE_ONE_OUT = {"scale": "none"}, {"baseline": "leave_one_out", "scale": "none"}
IN_REWARD = {"kl_coef": 0.1, "kl_form": "k1", "kl_place": "reward"}
ADVANTAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "verl_advantage_grpo": (VERL, {}),
    "verl_advantage_grpo_no_std": ("dr_grpo", {}),
    "verl_advantage_grpo_kl_in_reward": (VERL, {**IN_REWARD, "kl_limit": None}),
    "verl_advantage_rloo": ("rloo", NO_KL),
    "verl_advantage_reinforce_plus_plus": ("reinforce_plus_plus", {**NO_KL, **REINFORCE_PP}),
    "verl_advantage_reinforce_plus_plus_baseline": ("reinforce_plus_plus_baseline", {**NO_KL, **REINFORCE_PP}),
    "verl_advantage_gae": ("ppo@verl-0.9", {}),
    "verl_advantage_gae_lambda": ("ppo@verl-0.9", {"discount": 0.99, "gae_lambda": 0.95}),
    "verl_advantage_gae_kl_in_reward": ("ppo@verl-0.9", {"kl_coef": 0.1, "discount": 0.99, "gae_lambda": 0.95}),
    "openrlhf_advantage_group_norm": (OPENRLHF, NO_KL),
    "openrlhf_advantage_group_norm_kl_in_reward": (OPENRLHF, {"kl_coef": 0.1}),
    "openrlhf_advantage_group_norm_kl_k3_in_reward": (OPENRLHF, {"kl_coef": 0.1, "kl_form": "k3"}),
    "openrlhf_advantage_dr_grpo": ("dr_grpo", {}),
    "openrlhf_advantage_rloo": ("rloo", NO_KL),
    "openrlhf_advantage_reinforce": ("reinforce_plus_plus", NO_KL),
    "openrlhf_advantage_reinforce_baseline": ("reinforce_plus_plus_baseline", NO_KL),
    "openrlhf_advantage_reinforce_baseline_kl_in_reward": (
        "reinforce_plus_plus_baseline",
        {**IN_REWARD, "kl_limit": 10.0},
    ),
    "openrlhf_advantage_gae": ("ppo", {**NO_KL, "normalize_advantages": True}),
    "openrlhf_advantage_gae_kl_in_reward": (
        "ppo",
        {"kl_coef": 0.1, "kl_limit": 10.0, "discount": 0.99, "gae_lambda": 0.95, "normalize_advantages": True},
    ),
    "nemo_rl_advantage_grpo": (NEMO, {}),
    "nemo_rl_advantage_grpo_group_mean": (NEMO, {"baseline": "mean", "scale": "std"}),
    "nemo_rl_advantage_grpo_not_normalized": (NEMO, {"scale": "none"}),
    "nemo_rl_advantage_reinforce_plus_plus": ("reinforce_plus_plus", NO_KL),
    "nemo_rl_advantage_reinforce_plus_plus_baseline": ("reinforce_plus_plus_baseline", NO_KL),
}

# Groups of their own, in float32: one winner of eight, and seven rewards of 0.3.
CASES = ("one_in_eight", "equal_seven")
SINGLE_GROUPS = {
    "verl_advantage_grpo": VERL,
    "openrlhf_advantage_group_norm": OPENRLHF,
    "nemo_rl_advantage_grpo": NEMO,
}


def golden(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def ours(method: str, settings: dict[str, Any]) -> MethodCoefficients:
    return coefficients_of(read_batch(BATCH), method, settings)


def assert_close(found: list[list[float]], expected: list[list[float]]) -> None:
    assert [len(row) for row in found] == [len(row) for row in expected]
    for sequence, (row, expected_row) in enumerate(zip(found, expected, strict=True)):
        assert row == pytest.approx(expected_row, rel=EPSILONS, abs=1e-9), f"sequence {sequence}"


@pytest.mark.parametrize("name", GRADIENTS)
def test_coefficient_times_weight_is_the_peers_gradient(name: str) -> None:
    result = ours(*GRADIENTS[name])
    implied = [
        [-weight * value for value in row] for weight, row in zip(result.weights, result.coefficients, strict=True)
    ]
    assert_close(implied, golden(name)["gradient"])


@pytest.mark.parametrize("name", ADVANTAGES)
def test_credit_is_the_peers_advantage(name: str) -> None:
    assert_close(ours(*ADVANTAGES[name]).credit, golden(name)["advantages"])


@pytest.mark.parametrize("name", SINGLE_GROUPS)
def test_one_winner_of_eight_and_the_deviation_for_equal_rewards(name: str) -> None:
    """Equal rewards have exactly zero advantage here; the peers' float32 leaves 0.0002 to 0.9."""
    for case, deviates in (("one_in_eight", False), ("equal_seven", True)):
        stored = golden(f"{name}_{case}")
        sequences = [{"group": 0, "reward": reward, "tokens": [1]} for reward in stored["settings"]["rewards"]]
        batch = parse_batch({"sequences": sequences}).batch
        credit = build_algorithm(SINGLE_GROUPS[name], NO_KL).credit(batch)[:, 0].tolist()
        peers = [row[0] for row in stored["advantages"]]
        if deviates:
            assert credit == [0.0] * 7 and max(map(abs, peers)) < 1
        else:
            assert credit == pytest.approx(peers, rel=1e-5)


def test_each_golden_file_is_used_and_says_where_it_is_from() -> None:
    stored = {path.stem for path in FOLDER.glob("*.json") if path != BATCH}
    assert stored == {*GRADIENTS, *ADVANTAGES, *(f"{name}_{case}" for name in SINGLE_GROUPS for case in CASES)}
    batch_sha256 = hashlib.sha256(BATCH.read_bytes()).hexdigest()
    for name in stored:
        content = golden(name)
        assert name.startswith(content["peer"]) and content["function"] and content["description"], name
        assert len(content.get("file_sha256") or content["definitions_sha256"]) == 64
        assert content["batch_sha256"] == batch_sha256
