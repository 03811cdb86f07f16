"""Every method by name: a class, the fields that make it this method, and where it is from.

`coeflab methods NAME` and docs/methods.md are printed from here. Formulas are in the symbols of DeepSeekMath: ρ is
π_θ/π_old of a token, s of a completion, β kl_coef. Libraries' own versions are in `algorithms.peers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from algorithms.grpo import GRPO
from algorithms.interface import Aggregation, Algorithm, DataSource
from algorithms.ppo import PPO
from algorithms.preference.dpo import DPO
from algorithms.preference.ipo import IPO
from algorithms.reinforce_plus_plus import ReinforcePlusPlus
from algorithms.rft import RFT, OnlineRFT, RAFTPlusPlus
from algorithms.sft import SFT

__all__ = ["BEYOND_TABLE_10", "TABLE_10", "Method", "PaperRow"]

ONE = "q ~ P_sft(Q), o ~ π_θ(O|q)"
GROUP = "q ~ P_sft(Q), {o_i}_{i=1..G} ~ π_θ(O|q)"
OFFLINE_PAIR = "q ~ P_sft(Q), o⁺, o⁻ ~ π_sft(O|q)"
DEEPSEEKMATH = "DeepSeekMath, arXiv 2402.03300"
CLIPPED = "min(ρ_t Â_t, clip(ρ_t, 1−ε_low, 1+ε_high) Â_t)"
GROUP_STD = "Â_i = (r_i − mean(r)) / std(r)"


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """A method's row of Table 10 and the equation of its coefficient."""

    title: str
    data_source: str
    reward: str
    coefficient: str
    equation: str


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method as people look it up.

    Attributes:
        build: its class.
        row: its row of Table 10, or the row it would have there.
        objective: what is maximised, the expectation over `row.data_source` left out.
        source: paper and arXiv number.
        settings: fields that differ from the class's defaults.
        notes: where it deviates from its source, and what the source does not say.
    """

    build: type
    row: PaperRow
    objective: str
    source: str = DEEPSEEKMATH
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def factory(self) -> Callable[..., Algorithm]:
        """The class, or the class with `settings` filled in."""
        return partial(self.build, **self.settings) if self.settings else self.build


def _row(title: str, coefficient: str, equation: str, data_source: str = GROUP, reward: str = "Rule") -> PaperRow:
    return PaperRow(title=title, data_source=data_source, reward=reward, coefficient=coefficient, equation=equation)


GRPO_ROW = _row("GRPO", "Â_t + β(π_ref/π_θ − 1)", "Eq. 21", reward="Model")

TABLE_10: dict[str, Method] = {
    "sft": Method(
        build=SFT, row=_row("SFT", "1", "Eq. 7", "q, o ~ P_sft(Q,O)", "-"), objective="1/|o| Σ_t log π_θ(o_t)"
    ),
    "rft": Method(
        build=RFT,
        row=_row("RFT", "I(o)", "Eq. 10", "q ~ P_sft(Q), o ~ π_sft(O|q)"),
        objective="1/|o| Σ_t I(o) log π_θ(o_t)",
    ),
    "online_rft": Method(
        build=OnlineRFT, row=_row("Online RFT", "I(o)", "Eq. 10, 11", ONE), objective="1/|o| Σ_t I(o) log π_θ(o_t)"
    ),
    "dpo": Method(
        build=DPO,
        row=_row("DPO", "±β·σ(−margin)", "of Eq. 12", OFFLINE_PAIR),
        objective="log σ(β(m(o⁺) − m(o⁻))), m(o) = 1/|o| Σ_t log π_θ(o_t)/π_ref(o_t)",
        notes=(
            "Eq. 13 and 14 drop β and index the log-ratio by token; the coefficient here is the gradient of Eq. 12.",
            "length_normalized=false is published DPO (arXiv 2305.18290, Eq. 7).",
        ),
    ),
    "ppo": Method(
        build=PPO,
        row=_row("PPO", "A_t", "Eq. 18", ONE, "Model"),
        objective="1/|o| Σ_t min(ρ_t A_t, clip(ρ_t, 1−ε_low, 1+ε_high) A_t), "
        "A = GAE of 1[t last]·r − β log π_old(o_t)/π_ref(o_t)",
        notes=("The paper gives neither ε nor γ nor λ.", "The critic is trained by a loss of its own."),
    ),
    "grpo": Method(
        build=GRPO,
        row=GRPO_ROW,
        objective=f"1/|o| Σ_t {{ {CLIPPED} − β KL_t }}, {GROUP_STD}, KL_t = π_ref/π_θ − log(π_ref/π_θ) − 1",
        notes=(
            "The paper gives neither ε nor the ddof and eps of the std.",
            "A group of equal rewards, and a group of one, has Â = 0.",
        ),
    ),
    "grpo_process": Method(
        build=GRPO,
        row=GRPO_ROW,
        objective=f"1/|o| Σ_t {{ {CLIPPED} − β KL_t }}, Â_t = Σ_{{steps ending at t or later}} (r − mean(R)) / std(R)",
        settings={"supervision": "process"},
        notes=("R holds all step rewards of the group.",),
    ),
}

BEYOND_TABLE_10: dict[str, Method] = {
    "reinforce": Method(
        build=GRPO,
        row=_row("REINFORCE", "r(o)", "Eq. 11", ONE),
        objective="1/|o| Σ_t r(o) log π_θ(o_t)",
        source="Williams 1992, doi 10.1007/BF00992696",
        settings={"baseline": "none", "scale": "none", "kl_coef": 0.0},
        notes=("With a 0/1 reward this is online RFT; the clip is that of GRPO and acts off-policy only.",),
    ),
    "rloo": Method(
        build=GRPO,
        row=_row("RLOO", "R_i − 1/(G−1) Σ_{j≠i} R_j", "section 2.3", reward="Model"),
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
        row=_row("ReMax", "r(o) − r(greedy)", "Algorithm 1", ONE, "Model"),
        objective="(r(o) − r(argmax π_θ)) log π_θ(o)",
        source="Li et al. 2023, arXiv 2310.10505",
        settings={"baseline": "greedy", "scale": "none", "kl_coef": 0.0, "aggregation": Aggregation.SEQUENCE_SUM},
        notes=("One greedy completion of each problem is drawn beside the sampled ones, and counted.",),
    ),
    "reinforce_plus_plus": Method(
        build=ReinforcePlusPlus,
        row=_row(
            "REINFORCE++", "(A_t − mean(A)) / std(A) over the batch", "Eq. 4 and 5 of arXiv 2501.03262", ONE, "Model"
        ),
        objective=f"1/|o| Σ_t {CLIPPED}, Â = A normalised over the batch, A_t = r − β Σ_{{l≥t}} log π_old/π_ref(o_l)",
        source="Hu et al. 2025, arXiv 2501.03262",
    ),
    "reinforce_plus_plus_baseline": Method(
        build=ReinforcePlusPlus,
        row=_row("REINFORCE++ w/ baseline", "normalised r_i − mean(r), + β log(π_ref/π_θ)", "Eq. 6 to 8"),
        objective=f"1/|o| Σ_t {{ {CLIPPED} − β k2_t }}, Â = r_i − mean(r) of the group, normalised over the batch",
        source="Hu et al. 2025, arXiv 2501.03262",
        settings={"baseline": "mean", "kl_form": "k2", "kl_place": "coefficient"},
    ),
    "dr_grpo": Method(
        build=GRPO,
        row=_row("Dr. GRPO", "r_i − mean(r)", "section 3.2"),
        objective=f"1/max_length Σ_t {CLIPPED}, Â_i = r_i − mean(r)",
        source="Liu et al. 2025, arXiv 2503.20783",
        settings={"scale": "none", "kl_coef": 0.0, "aggregation": Aggregation.CONSTANT},
    ),
    "dapo": Method(
        build=GRPO,
        row=_row("DAPO", "ρ_t Â_t 1[clip not active]", "Eq. 8 to 13"),
        objective=f"1/Σ_i|o_i| Σ_i Σ_t {CLIPPED}, {GROUP_STD}, r less the overlong penalty, groups not all equal",
        source="Yu et al. 2025, arXiv 2503.14476",
        settings={
            "kl_coef": 0.0,
            "clip_high": 0.28,
            "overlong_buffer": 0.2,
            "exclude_equal_groups": True,
            "aggregation": Aggregation.TOKEN_MEAN,
        },
        notes=(
            "The paper's buffer is 4,096 of 20,480 tokens: a share of 0.2.",
            "Its correctness reward is ±1; with 0/1 the same penalty weighs twice as much.",
        ),
    ),
    "gspo": Method(
        build=GRPO,
        row=_row("GSPO", "s_i Â_i 1[clip not active]", "Eq. 5 and 7"),
        objective=f"min(s_i Â_i, clip(s_i, 1−ε_low, 1+ε_high) Â_i), s_i = (π_θ(o_i)/π_old(o_i))^(1/|o_i|), {GROUP_STD}",
        source="Zheng et al. 2025, arXiv 2507.18071",
        settings={"kl_coef": 0.0, "ratio_level": "sequence", "clip_low": 3e-4, "clip_high": 4e-4},
        notes=('ratio_level="sequence" with supervision="process" is GSPO-token (Eq. 13 and 14).',),
    ),
    "cispo": Method(
        build=GRPO,
        row=_row("CISPO", "clip(ρ_t) Â_t", "Eq. 4 and 5"),
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
    "raft_plus_plus": Method(
        build=RAFTPlusPlus,
        row=_row("RAFT++", "ρ_t I(o) 1[clip not active]", "Eq. 6 of arXiv 2504.11343", ONE),
        objective="1/|o| Σ_t min(ρ_t, clip(ρ_t, 1−ε_low, 1+ε_high)) I(o)",
        source="Xiong et al. 2025, arXiv 2504.11343",
        notes=("The paper's I(o) marks the highest reward of the problem; here every correct completion.",),
    ),
    "grpo_entropy": Method(
        build=GRPO,
        row=_row("GRPO with entropy bonus", "GRPO's − c ρ_t log π_θ(o_t)", "Eq. 9 of arXiv 1707.06347"),
        objective="GRPO's + c·H_t, H estimated by the sampled token's −log π_θ(o_t)",
        source="Schulman et al. 2017, arXiv 1707.06347 (bonus)",
        settings={"entropy_coef": 0.001},
        notes=("A sampled estimate: its expectation is the gradient of the entropy, its variance is larger.",),
    ),
    "ipo": Method(
        build=IPO,
        row=_row("IPO", "±2·(1/(2τ) − gap)", "of Eq. 17 of arXiv 2310.12036", OFFLINE_PAIR),
        objective="−(m(o⁺) − m(o⁻) − 1/(2τ))²",
        source="Azar et al. 2023, arXiv 2310.12036",
    ),
    "iterative_dpo": Method(
        build=DPO,
        row=_row("Iterative DPO", "±β·σ(−margin)", "DPO's Eq. 7", "q ~ P_sft(Q), o⁺, o⁻ ~ π_k(O|q)"),
        objective="DPO's, pairs drawn from the policy at the start of the iteration",
        source="Xiong et al. 2023, arXiv 2312.11456",
        settings={"data_source": DataSource.ITERATED},
    ),
    "online_dpo": Method(
        build=DPO,
        row=_row("Online DPO", "±β·σ(−margin)", "Algorithm 1", "q ~ P_sft(Q), o⁺, o⁻ ~ π_θ(O|q)"),
        objective="DPO's, pairs drawn from the current policy at every step",
        source="Guo et al. 2024, arXiv 2402.04792",
        settings={"data_source": DataSource.ONLINE},
    ),
}
