"""Identity preference optimisation: DPO with a squared loss, whose pull ends once the pair is 1/(2τ) apart.

    J = −E ( gap − 1/(2τ) )²,  gap = m(o⁺) − m(o⁻),  m(o) = mean_t or Σ_t log π_θ(o_t)/π_ref(o_t)
    GC(o^±, t) = ± 2 · ( 1/(2τ) − gap )                          (Azar et al. 2023, arXiv 2310.12036, Eq. 17)

Eq. 17 has log-ratios of whole completions. They are averaged over the tokens by default, as TRL does after asking the
authors; `length_normalized=False` sums.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from algorithms.interface import Coefficients, TokenBatch
from algorithms.preference.pairs import RelativeToReference

__all__ = ["IPO"]


@dataclass(frozen=True, kw_only=True)
class IPO(RelativeToReference):
    """Regression of a pair's log-ratio gap on 1/(2τ).

    Attributes:
        ipo_tau: τ of Eq. 17, strength of the pull towards the reference; the target gap is 1/(2τ) nats.
    """

    ipo_tau: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ipo_tau <= 0:
            raise ValueError(f"ipo_tau is {self.ipo_tau}; expected a number above 0.")

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """± 2 · (1/(2τ) − gap), the exact gradient of Eq. 17. (B, T)."""
        gap = self.gap(batch, policy_logprobs)  # (B,)
        pull = 2 * (1 / (2 * self.ipo_tau) - gap)
        return self.pulled(batch, credit, pull, {"gap": gap, "pair_accuracy": gap > 0})
