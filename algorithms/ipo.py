"""Identity preference optimisation: DPO with a squared loss, whose pull ends once the pair is 1/(2τ) apart.

    J = −E ( gap − 1/(2τ) )²,  gap = m(o⁺) − m(o⁻),  m(o) = mean_t or Σ_t log π_θ(o_t)/π_ref(o_t)
    GC(o^±, t) = ± 2 · ( 1/(2τ) − gap )                          (Azar et al. 2023, arXiv 2310.12036, Eq. 17)

Eq. 17 has log-ratios of whole completions. They are averaged over the tokens by default, as TRL does after asking the
authors; `length_normalized=False` sums.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from algorithms.interface import Aggregation, BatchUnit, Coefficients, DataSource, Need, PaperRow, TokenBatch, compose
from algorithms.pairs import pair_gap, pair_sign

__all__ = ["IPO"]


@dataclass(frozen=True, kw_only=True)
class IPO:
    """Regression of a pair's log-ratio gap on 1/(2τ).

    Attributes:
        ipo_tau: τ of Eq. 17, strength of the pull towards the reference; the target gap is 1/(2τ) nats.
        length_normalized: mean or sum of the log-ratios over the completion.
        data_source: whose completions form the pairs: ``"π_sft"``, ``"π_k"`` or ``"π_θ"``.
    """

    ipo_tau: float = 0.1
    length_normalized: bool = True
    data_source: DataSource = DataSource.OFFLINE

    batch_unit: BatchUnit = field(default=BatchUnit.PAIR, init=False)
    needs: frozenset[Need] = field(default=frozenset({Need.PAIRS, Need.REFERENCE_LOGPROBS}), init=False)
    paper: ClassVar[PaperRow] = PaperRow(
        title="IPO",
        data_source="q ~ P_sft(Q), o⁺, o⁻ ~ π_sft(O|q)",
        reward="Rule",
        coefficient="±2·(1/(2τ) − gap)",
        equation="of Eq. 17 of arXiv 2310.12036",
    )

    def __post_init__(self) -> None:
        if self.ipo_tau <= 0:
            raise ValueError(f"ipo_tau is {self.ipo_tau}; expected a number above 0.")
        if self.data_source == DataSource.DEMONSTRATIONS:
            raise ValueError("data_source is 'P_sft'; expected 'π_sft', 'π_k' or 'π_θ': pairs are sampled.")

    @property
    def aggregation(self) -> Aggregation:
        """1/|o| a sequence where the gap is length-normalised, else plain sums."""
        return Aggregation.SEQUENCE_MEAN if self.length_normalized else Aggregation.SEQUENCE_SUM

    def credit(self, batch: TokenBatch) -> Tensor:
        """+1 for every token of the chosen completion, −1 for the rejected one. (B, T)."""
        return pair_sign(batch)[:, None] * batch.completion_mask

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """± 2 · (1/(2τ) − gap), the exact gradient of Eq. 17. (B, T)."""
        gap = pair_gap(batch, policy_logprobs.detach(), length_normalized=self.length_normalized)  # (B,)
        pull = 2 * (1 / (2 * self.ipo_tau) - gap)
        diagnostics = {
            "gap": gap[:, None].expand_as(credit),
            "pair_accuracy": (gap > 0).to(credit.dtype)[:, None].expand_as(credit),
        }
        return compose(
            batch.completion_mask, credit, factors={"pull": pull[:, None]}, terms={}, diagnostics=diagnostics
        )
