"""The methods of Table 10 by name: a class, the fields that make it this method, and where it is from.

`coeflab methods NAME` and docs/methods.md are printed from here. Formulas are in the symbols of DeepSeekMath: ρ is
π_θ/π_old of a token, s of a completion, β kl_coef. Methods beyond Table 10 are in `algorithms.beyond`, libraries' own
versions in `algorithms.peers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from algorithms.grpo import GRPO
from algorithms.interface import Algorithm
from algorithms.ppo import PPO
from algorithms.preference.dpo import DPO
from algorithms.rft import RFT, OnlineRFT
from algorithms.sft import SFT

__all__ = ["TABLE_10", "Method", "PaperRow", "paper_row"]

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


def paper_row(title: str, coefficient: str, equation: str, data_source: str = GROUP, reward: str = "Rule") -> PaperRow:
    """A row in the order of a sentence: what it is called, its coefficient, where that stands, and from what data."""
    return PaperRow(title=title, data_source=data_source, reward=reward, coefficient=coefficient, equation=equation)


GRPO_ROW = paper_row("GRPO", "Â_t + β(π_ref/π_θ − 1)", "Eq. 21", reward="Model")

TABLE_10: dict[str, Method] = {
    "sft": Method(
        build=SFT, row=paper_row("SFT", "1", "Eq. 7", "q, o ~ P_sft(Q,O)", "-"), objective="1/|o| Σ_t log π_θ(o_t)"
    ),
    "rft": Method(
        build=RFT,
        row=paper_row("RFT", "I(o)", "Eq. 10", "q ~ P_sft(Q), o ~ π_sft(O|q)"),
        objective="1/|o| Σ_t I(o) log π_θ(o_t)",
    ),
    "online_rft": Method(
        build=OnlineRFT, row=paper_row("Online RFT", "I(o)", "Eq. 10, 11", ONE), objective="1/|o| Σ_t I(o) log π_θ(o_t)"
    ),
    "dpo": Method(
        build=DPO,
        row=paper_row("DPO", "±β·σ(−margin)", "of Eq. 12", OFFLINE_PAIR),
        objective="log σ(β(m(o⁺) − m(o⁻))), m(o) = 1/|o| Σ_t log π_θ(o_t)/π_ref(o_t)",
        notes=(
            "Eq. 13 and 14 drop β and index the log-ratio by token; the coefficient here is the gradient of Eq. 12.",
            "length_normalized=false is published DPO (arXiv 2305.18290, Eq. 7).",
        ),
    ),
    "ppo": Method(
        build=PPO,
        row=paper_row("PPO", "A_t", "Eq. 18", ONE, "Model"),
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
