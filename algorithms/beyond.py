"""Methods beyond Table 10 by name: a class, the fields that make it this method, and where it is from.

Written like `algorithms.catalogue`, which has the types and the methods of Table 10.
"""

from __future__ import annotations

from algorithms.catalogue import CLIPPED, GROUP_STD, OFFLINE_PAIR, ONE, Method, paper_row
from algorithms.grpo import GRPO
from algorithms.interface import Aggregation, DataSource
from algorithms.preference.dpo import DPO
from algorithms.preference.ipo import IPO
from algorithms.preference.kto import KTO
from algorithms.preference.orpo import ORPO
from algorithms.preference.simpo import SimPO
from algorithms.reinforce_plus_plus import ReinforcePlusPlus
from algorithms.rft import RAFTPlusPlus

__all__ = ["BEYOND_TABLE_10"]

DAPO = {
    "kl_coef": 0.0,
    "clip_high": 0.28,
    "overlong_buffer": 0.2,
    "exclude_equal_groups": True,
    "aggregation": Aggregation.TOKEN_MEAN,
}

BEYOND_TABLE_10: dict[str, Method] = {
    "reinforce": Method(
        build=GRPO,
        row=paper_row("REINFORCE", "r(o)", "Eq. 11", ONE),
        objective="1/|o| Σ_t r(o) log π_θ(o_t)",
        source="Williams 1992, doi 10.1007/BF00992696",
        settings={"baseline": "none", "scale": "none", "kl_coef": 0.0},
        notes=("With a 0/1 reward this is online RFT; the clip is that of GRPO and acts off-policy only.",),
    ),
    "rloo": Method(
        build=GRPO,
        row=paper_row("RLOO", "R_i − 1/(G−1) Σ_{j≠i} R_j", "section 2.3", reward="Model"),
        objective="(R_i − 1/(G−1) Σ_{j≠i} R_j) log π_θ(o_i), R = r − β log π_old(o)/π_ref(o)",
        source="Ahmadian et al. 2024, arXiv 2402.14740",
        settings={
            "baseline": "leave_one_out",
            "scale": "none",
            "kl_form": "k1",
            "kl_place": "reward",
            "ratio_level": "sequence_product",
            "aggregation": Aggregation.SEQUENCE_SUM,
        },
    ),
    "remax": Method(
        build=GRPO,
        row=paper_row("ReMax", "r(o) − r(greedy)", "Algorithm 1", ONE, "Model"),
        objective="(r(o) − r(argmax π_θ)) log π_θ(o)",
        source="Li et al. 2023, arXiv 2310.10505",
        settings={"baseline": "greedy", "scale": "none", "kl_coef": 0.0, "aggregation": Aggregation.SEQUENCE_SUM},
        notes=("One greedy completion of each problem is drawn beside the sampled ones, and counted.",),
    ),
    "reinforce_plus_plus": Method(
        build=ReinforcePlusPlus,
        row=paper_row(
            "REINFORCE++", "(A_t − mean(A)) / std(A) over the batch", "Eq. 4 and 5 of arXiv 2501.03262", ONE, "Model"
        ),
        objective=f"1/|o| Σ_t {CLIPPED}, Â = A normalised over the batch, A_t = r − β Σ_{{l≥t}} log π_old/π_ref(o_l)",
        source="Hu et al. 2025, arXiv 2501.03262",
    ),
    "reinforce_plus_plus_baseline": Method(
        build=ReinforcePlusPlus,
        row=paper_row("REINFORCE++ w/ baseline", "normalised r_i − mean(r), + β log(π_ref/π_θ)", "Eq. 6 to 8"),
        objective=f"1/|o| Σ_t {{ {CLIPPED} − β k2_t }}, Â = r_i − mean(r) of the group, normalised over the batch",
        source="Hu et al. 2025, arXiv 2501.03262",
        settings={"baseline": "mean", "kl_form": "k2", "kl_place": "coefficient"},
    ),
    "dr_grpo": Method(
        build=GRPO,
        row=paper_row("Dr. GRPO", "r_i − mean(r)", "section 3.2"),
        objective=f"1/max_length Σ_t {CLIPPED}, Â_i = r_i − mean(r)",
        source="Liu et al. 2025, arXiv 2503.20783",
        settings={"scale": "none", "kl_coef": 0.0, "aggregation": Aggregation.CONSTANT},
    ),
    "dapo": Method(
        build=GRPO,
        row=paper_row("DAPO", "ρ_t Â_t 1[clip not active]", "Eq. 8 to 13"),
        objective=f"1/Σ_i|o_i| Σ_i Σ_t {CLIPPED}, {GROUP_STD}, r less the overlong penalty, groups not all equal",
        source="Yu et al. 2025, arXiv 2503.14476",
        settings=DAPO,
        notes=(
            "The paper's buffer is 4,096 of 20,480 tokens: a share of 0.2.",
            "Its correctness reward is ±1; with 0/1 the same penalty weighs twice as much.",
        ),
    ),
    "gspo": Method(
        build=GRPO,
        row=paper_row("GSPO", "s_i Â_i 1[clip not active]", "Eq. 5 and 7"),
        objective=f"min(s_i Â_i, clip(s_i, 1−ε_low, 1+ε_high) Â_i), s_i = (π_θ(o_i)/π_old(o_i))^(1/|o_i|), {GROUP_STD}",
        source="Zheng et al. 2025, arXiv 2507.18071",
        settings={"kl_coef": 0.0, "ratio_level": "sequence", "clip_low": 3e-4, "clip_high": 4e-4},
        notes=('ratio_level="sequence" with supervision="process" is GSPO-token (Eq. 13 and 14).',),
    ),
    "cispo": Method(
        build=GRPO,
        row=paper_row("CISPO", "clip(ρ_t) Â_t", "Eq. 4 and 5"),
        objective=f"1/Σ_i|o_i| Σ_i Σ_t sg(clip(ρ_t, 1−ε_low, 1+ε_high)) Â_i log π_θ(o_t), {GROUP_STD}",
        source="MiniMax-M1, arXiv 2506.13585",
        settings={
            "kl_coef": 0.0,
            "clip_form": "weight",
            "clip_low": 1.0,
            "clip_high": 4.0,
            "aggregation": Aggregation.TOKEN_MEAN,
        },
        notes=("The paper sets no lower bound and does not give ε_high; 1 + ε_high = 5 is TRL's suggestion.",),
    ),
    "sapo": Method(
        build=GRPO,
        row=paper_row("SAPO", "4p_t(1 − p_t) ρ_t Â_i, p = σ(τ(ρ − 1))", "section 3"),
        objective=f"1/|o| Σ_t 4/τ σ(τ(ρ_t − 1)) Â_i, τ = τ_pos where Â > 0, else τ_neg, {GROUP_STD}",
        source="Gao et al. 2025, arXiv 2511.20347",
        settings={"kl_coef": 0.0, "clip_form": "sigmoid"},
    ),
    "vespo": Method(
        build=GRPO,
        row=paper_row("VESPO", "ρ(o)^k e^(λ(1 − ρ(o))) Â_i", "section 3"),
        objective=f"1/Σ_i|o_i| Σ_i Σ_t sg(ρ(o_i)^k e^(λ(1 − ρ(o_i)))) Â_i log π_θ(o_t), "
        f"(k, λ) = (2, 3) where Â ≥ 0, else (3, 2), {GROUP_STD}",
        source="Shen et al. 2026, arXiv 2602.10693",
        settings={
            "kl_coef": 0.0,
            "clip_form": "gamma",
            "ratio_level": "sequence_product",
            "aggregation": Aggregation.TOKEN_MEAN,
        },
        notes=(
            "ρ(o) is the whole completion's ratio, without length normalisation.",
            "Aggregation, k and λ are those of TRL 1.16, whose ρ(o) is cut to [1e-8, e^20]: beyond, the weight is 0 to "
            "15 digits.",
        ),
    ),
    "gmpo": Method(
        build=GRPO,
        row=paper_row("GMPO", "Π_t clip(ρ_t)^(1/|o|) Â_i 1[clip not active]", "section 3"),
        objective=f"Π_t clip(ρ_t, e^−ε_low, e^ε_high)^(1/|o|) Â_i, clipped on the side where min(·) is, {GROUP_STD}",
        source="Zhao et al. 2025, arXiv 2507.20673",
        settings={"kl_coef": 0.0, "clip_form": "geometric", "clip_low": 0.4, "clip_high": 0.4},
        notes=("The bounds are nats of log ρ_t.",),
    ),
    "gfpo": Method(
        build=GRPO,
        row=paper_row("GFPO", "GRPO's, Â^(m)_i in place of Â_i", "Eq. 2"),
        objective=f"1/Σ_i|o_i| Σ_i Σ_t {{ {CLIPPED} − β KL_t }}, "
        "Â_i = (r_i − mean(r_S)) / std(r_S) for the k shortest completions S of a group, 0 for the others",
        source="Shrivastava et al. 2025, arXiv 2508.09726",
        settings={"retained": 4, "std_ddof": 0, "kl_coef": 0.001, "aggregation": Aggregation.TOKEN_MEAN},
        notes=(
            "Completions that tie with the last one kept are kept too; the paper keeps the first of them.",
            "The paper has 4 to 8 of 16 to 24 completions; retained_by=reward_per_token is its token efficiency.",
            "The paper's entropy bonus of 0.001 is off, and so is its k by difficulty, which remembers earlier steps.",
        ),
    ),
    "lite_ppo": Method(
        build=GRPO,
        row=paper_row("Lite PPO", "(r_i − mean(r)) / std of the batch", "Lite PPO"),
        objective=f"1/Σ_i|o_i| Σ_i Σ_t {CLIPPED}, Â_i = (r_i − mean of its group) / std of all rewards of the batch",
        source="Liu et al. 2025, arXiv 2508.08221",
        settings={"scale": "std_batch", "kl_coef": 0.0, "aggregation": Aggregation.TOKEN_MEAN},
        notes=('scale="std_batch" is scale_rewards="batch" of TRL.', "In spite of its name it has no critic."),
    ),
    "dapo_top_entropy": Method(
        build=GRPO,
        row=paper_row("DAPO on top-entropy tokens", "DAPO's · 1[H_t ≥ τ]", "section 5"),
        objective=f"1/Σ_i|o_i| Σ_i Σ_t 1[H_t ≥ τ] {CLIPPED}, τ the 80 % quantile of the batch's H",
        source="Wang et al. 2025, arXiv 2506.01939",
        settings={**DAPO, "top_entropy": 0.2},
        notes=(
            "H is that of the policy before the update; with several updates on a batch the tokens stay the same.",
            "The denominator counts every token, as in TRL (top_entropy_quantile).",
        ),
    ),
    "grpo_off_policy_mask": Method(
        build=GRPO,
        row=paper_row(
            "GRPO with off-policy mask", "M_i ρ_t Â_i 1[clip not active] + β ρ_t log(π_ref/π_θ)", "section 3.1"
        ),
        objective=f"1/|o| Σ_t {{ M_i {CLIPPED} − β ρ_t KL_t }}, {GROUP_STD}, "
        "M_i = 0 where Â_i < 0 and 1/|o| Σ_t log π_old/π_θ(o_t) > δ, else 1",
        source="DeepSeek-V3.2, arXiv 2512.02556",
        settings={"off_policy_mask": "sampler", "kl_gradient": "ratio_weighted"},
        notes=(
            "π_old of M is what the engine computed, so that M sees stale weights and mismatch; off_policy_mask=old "
            "sees stale weights only.",
            "The paper does not give δ; 0.5 nats a token is TRL's example.",
            "Its routing and sampling masks have no counterpart here.",
        ),
    ),
    "raft_plus_plus": Method(
        build=RAFTPlusPlus,
        row=paper_row("RAFT++", "ρ_t I(o) 1[clip not active]", "Eq. 6 of arXiv 2504.11343", ONE),
        objective="1/|o| Σ_t min(ρ_t, clip(ρ_t, 1−ε_low, 1+ε_high)) I(o)",
        source="Xiong et al. 2025, arXiv 2504.11343",
        notes=("The paper's I(o) marks the highest reward of the problem; here every correct completion.",),
    ),
    "grpo_entropy": Method(
        build=GRPO,
        row=paper_row("GRPO with entropy bonus", "GRPO's − c ρ_t log π_θ(o_t)", "Eq. 9 of arXiv 1707.06347"),
        objective="GRPO's + c·H_t, H estimated by the sampled token's −log π_θ(o_t)",
        source="Schulman et al. 2017, arXiv 1707.06347 (bonus)",
        settings={"entropy_coef": 0.001},
        notes=("A sampled estimate: its expectation is the gradient of the entropy, its variance is larger.",),
    ),
    "ipo": Method(
        build=IPO,
        row=paper_row("IPO", "±2·(1/(2τ) − gap)", "of Eq. 17 of arXiv 2310.12036", OFFLINE_PAIR),
        objective="−(m(o⁺) − m(o⁻) − 1/(2τ))²",
        source="Azar et al. 2023, arXiv 2310.12036",
    ),
    "simpo": Method(
        build=SimPO,
        row=paper_row("SimPO", "±β·σ(γ − β·gap)", "of Eq. 6 of arXiv 2405.14734", OFFLINE_PAIR),
        objective="log σ(β(m(o⁺) − m(o⁻)) − γ), m(o) = 1/|o| Σ_t log π_θ(o_t)",
        source="Meng et al. 2024, arXiv 2405.14734",
        notes=("β is simpo_beta and γ simpo_margin; the paper searches both.",),
    ),
    "orpo": Method(
        build=ORPO,
        row=paper_row("ORPO", "1[chosen] ± λσ(−z)/(1 − P)", "of Eq. 6 and 7 of arXiv 2403.07691", OFFLINE_PAIR),
        objective="m(o⁺) + λ log σ(z), z = log odds(o⁺)/odds(o⁻), odds = P/(1 − P), "
        "log P(o) = m(o) = 1/|o| Σ_t log π_θ(o_t)",
        source="Hong et al. 2024, arXiv 2403.07691",
        notes=("λ is orpo_weight.", "TRL takes the likelihood over the prompt too, as a mean over all tokens."),
    ),
    "kto": Method(
        build=KTO,
        row=paper_row("KTO", "±λβ·p(1 − p), p = σ(β(r − z₀))", "section 4.1", "q ~ P_sft(Q), o ~ π_sft(O|q)"),
        objective="λ_D σ(β(r − z₀)) for right o, λ_U σ(β(z₀ − r)) for wrong o, "
        "r = Σ_t log π_θ/π_ref(o_t), z₀ ≈ KL(π_θ ‖ π_ref)",
        source="Ethayarajh et al. 2024, arXiv 2402.01306",
        notes=(
            "z₀ is taken once a batch, before the update, from completions of other problems; the paper takes it for "
            "every microbatch.",
            'reference_point="zero" is APO-zero of unpaired data (arXiv 2408.06266), without the passes that z₀ costs.',
        ),
    ),
    "iterative_dpo": Method(
        build=DPO,
        row=paper_row("Iterative DPO", "±β·σ(−margin)", "DPO's Eq. 7", "q ~ P_sft(Q), o⁺, o⁻ ~ π_k(O|q)"),
        objective="DPO's, pairs drawn from the policy at the start of the iteration",
        source="Xiong et al. 2023, arXiv 2312.11456",
        settings={"data_source": DataSource.ITERATED},
    ),
    "online_dpo": Method(
        build=DPO,
        row=paper_row("Online DPO", "±β·σ(−margin)", "Algorithm 1", "q ~ P_sft(Q), o⁺, o⁻ ~ π_θ(O|q)"),
        objective="DPO's, pairs drawn from the current policy at every step",
        source="Guo et al. 2024, arXiv 2402.04792",
        settings={"data_source": DataSource.ONLINE},
    ),
}
