"""Other libraries' versions by name: fields that reproduce a peer's coefficient from the same arrays.

Each is the library's defaults as they are, read from its source and checked against its own function (tests/peers). All
keep this project's rule that a group of exactly equal rewards has zero advantage, where the library's own rounding may
leave something else. A version with a correction for the sampling engine's logprobs on says so in its notes.
"""

from __future__ import annotations

from algorithms.catalogue import TABLE_10, Method, paper_row
from algorithms.grpo import GRPO
from algorithms.interface import Aggregation
from algorithms.ppo import PPO
from algorithms.preference.dpo import DPO

__all__ = ["PEERS"]

ONE = TABLE_10["ppo"].row.data_source
TOKEN_MEAN = "1/Σ_i|o_i| Σ_i Σ_t"
DUAL_CLIPPED = "max(min(ρ_t Â, clip(ρ_t) Â), 3 Â if Â < 0)"
VERL = {"dual_clip": 3.0, "log_ratio_limit": 20.0, "aggregation": Aggregation.TOKEN_MEAN}


PEERS: dict[str, Method] = {
    "grpo@paper": TABLE_10["grpo"],
    "grpo@trl-1.16": Method(
        build=GRPO,
        row=paper_row(
            "GRPO of TRL", "w ρ_t Â_i 1[clip not active] + β ρ_t log(π_ref/π_θ)", "trl/trainer/grpo_trainer.py"
        ),
        objective="1/Σ_i|o_i| Σ_i Σ_t { w_i min(ρ_t Â_i, clip(ρ_t) Â_i) − β ρ_t KL_t }, "
        "Â_i = (r_i − mean(r)) / (std(r) + 1e-4)",
        source="TRL 1.16, GRPOTrainer (loss_type dapo)",
        settings={
            "std_eps": 1e-4,
            "kl_coef": 0.0,
            "kl_gradient": "ratio_weighted",
            "mismatch_correction": "sequence_mask",
            "mismatch_max": 3.0,
            "aggregation": Aggregation.TOKEN_MEAN,
        },
        notes=(
            "Its mismatch correction is on (it acts with use_vllm): w_i = π_old/π_sampler of the whole completion, and "
            '0 above 3. mismatch_correction="none" is TRL without vLLM.',
            "β is 0 by default; where it is on, the KL is multiplied by ρ_t and the gradient flows through both.",
        ),
    ),
    "dpo@trl-1.16": Method(
        build=DPO,
        row=paper_row("DPO of TRL", "±β·σ(−margin)", "trl/trainer/dpo_trainer.py", TABLE_10["dpo"].row.data_source),
        objective="log σ(β(m(o⁺) − m(o⁻))), m(o) = Σ_t log π_θ(o_t)/π_ref(o_t)",
        source="TRL 1.16, DPOTrainer (loss_type sigmoid)",
        settings={"length_normalized": False},
    ),
    "rloo@trl-1.16": Method(
        build=GRPO,
        row=paper_row(
            "RLOO of TRL", "ρ(o) (R_i − 1/(G−1) Σ_{j≠i} R_j) 1[clip not active]", "trl/trainer/rloo_trainer.py"
        ),
        objective="min(ρ(o_i) A_i, clip(ρ(o_i)) A_i), A_i = R_i − mean of the others, R = r − β Σ_t log π_old/π_ref",
        source="TRL 1.16, RLOOTrainer",
        settings={
            "baseline": "leave_one_out",
            "scale": "none",
            "kl_coef": 0.05,
            "kl_form": "k1",
            "kl_place": "reward",
            "ratio_level": "sequence_product",
            "aggregation": Aggregation.SEQUENCE_SUM,
        },
    ),
    "grpo@verl-0.9": Method(
        build=GRPO,
        row=paper_row("GRPO of verl", "ρ_t Â_i 1[clip not active]", "verl/trainer/ppo/core_algos.py"),
        objective=f"{TOKEN_MEAN} {DUAL_CLIPPED}, Â_i = (r_i − mean(r)) / (std(r) + 1e-6)",
        source="verl 0.9.1, adv_estimator grpo",
        settings={"std_eps": 1e-6, "kl_coef": 0.0, "kl_limit": 10.0, **VERL},
        notes=(
            "Dual clip at 3 and a log-ratio clamp at 20 nats are on.",
            "The KL is off by default; kl_coef=0.001 is its use_kl_loss with low_var_kl, clamped at 10 nats.",
            "A group of one keeps its reward there and has advantage 0 here.",
        ),
    ),
    "ppo@verl-0.9": Method(
        build=PPO,
        row=paper_row("PPO of verl", "ρ_t A_t 1[clip not active]", "verl/trainer/ppo/core_algos.py", ONE),
        objective=f"{TOKEN_MEAN} {DUAL_CLIPPED}, A = GAE (γ = λ = 1), normalised over the batch's tokens",
        source="verl 0.9.1, adv_estimator gae",
        settings={"kl_coef": 0.0, "normalize_advantages": True, "normalize_ddof": 1, "normalize_eps": 1e-8, **VERL},
        notes=(
            "Dual clip at 3 and a log-ratio clamp at 20 nats are on.",
            "The KL is off by default; kl_coef=0.001 is its use_kl_in_reward.",
        ),
    ),
    "grpo@openrlhf-0.11": Method(
        build=GRPO,
        row=paper_row(
            "GRPO of OpenRLHF", "ρ_t A_t 1[clip not active]", "openrlhf/trainer/ppo_utils/experience_maker.py"
        ),
        objective=f"{TOKEN_MEAN} min(ρ_t A_t, clip(ρ_t) A_t), "
        "A_t = (r − mean(r)) / (std(r) + 1e-9) − β Σ_{l≥t} log π_old/π_ref(o_l)",
        source="OpenRLHF 0.11.2, estimator group_norm",
        settings={
            "std_eps": 1e-9,
            "advantage_limit": 10.0,
            "kl_coef": 0.01,
            "kl_form": "k1",
            "kl_place": "advantage",
            "kl_limit": 10.0,
            "log_ratio_limit": 20.0,
            "aggregation": Aggregation.TOKEN_MEAN,
        },
        notes=(
            "Its KL is on: a penalty in the reward, taken off after the group's normalisation.",
            "A log-ratio clamp at 20 nats is on.",
        ),
    ),
    "grpo@nemo-rl": Method(
        build=GRPO,
        row=paper_row("GRPO of NeMo-RL", "ρ_t Â_i 1[clip not active] + β log(π_ref/π_θ)", "nemo_rl/algorithms"),
        objective=f"{TOKEN_MEAN} {{ min(ρ_t Â_i, clip(ρ_t) Â_i) − β KL_t }}, "
        "Â_i = (r_i − mean of the others) / (std of the others + 1e-6)",
        source="NeMo-RL, main branch of June 2026",
        settings={
            "baseline": "leave_one_out",
            "scale": "std_leave_one_out",
            "std_eps": 1e-6,
            "kl_coef": 0.01,
            "kl_gradient": "score",
            "kl_limit": 10.0,
            "aggregation": Aggregation.TOKEN_MEAN,
        },
        notes=(
            "Where the others' rewards are all equal nothing is divided.",
            "The gradient of its k3 has the score term (since its pull request 2506): β log(π_ref/π_θ), not Eq. 21.",
        ),
    ),
}
