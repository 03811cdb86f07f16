"""The pointwise objective of a reward model, as coefficients on its scores, so that the one loop fits it.

    J = −1/N Σ_k BCE(y_k, σ(z_k)),  BCE = log(1 + e^z) − y·z        ∂J/∂z_k = (y_k − σ(z_k)) / N

z_k is the score at a labelled token: the last one of a completion (outcome), or of each step (process). N counts
labelled tokens under `Aggregation.TOKEN_MEAN`; Math-Shepherd (arXiv 2312.08935, Eq. 2) sums over the steps of a
solution, `Aggregation.SEQUENCE_SUM`. The score takes the place of log π_θ in Eq. 5 of DeepSeekMath, the label that of
credit, and y − σ(z) is the coefficient.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from algorithms.interface import Aggregation, BatchUnit, Coefficients, DataSource, Exclusion, Need, TokenBatch

__all__ = ["Pointwise", "ranking_loss"]


@dataclass(frozen=True, kw_only=True)
class Pointwise:
    """Binary cross-entropy of the scores at labelled tokens; labels are the batch's `step_rewards`, in [0, 1].

    Attributes:
        aggregation: how labelled tokens are averaged.
    """

    aggregation: Aggregation = Aggregation.TOKEN_MEAN

    data_source: DataSource = field(default=DataSource.DEMONSTRATIONS, init=False)
    batch_unit: BatchUnit = field(default=BatchUnit.SEQUENCE, init=False)
    needs: frozenset[Need] = field(default=frozenset(), init=False)
    exclude: frozenset[Exclusion] = field(default=frozenset({Exclusion.BETWEEN_STEPS}), init=False)

    def credit(self, batch: TokenBatch) -> Tensor:
        """The label of each labelled token, 0 at every other. (B, T)."""
        return batch.at_step_ends(batch.require("step_rewards", "the fit of a reward model"))

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """y − σ(z), the exact gradient of the objective; `policy_logprobs` are the scores z. (B, T)."""
        scores = policy_logprobs
        values = torch.where(batch.completion_mask, credit - torch.sigmoid(scores), 0)
        cross_entropy = torch.nn.functional.softplus(scores) - credit * scores
        agrees = (scores > 0) == (credit > 0.5)
        return Coefficients(
            values=values, diagnostics={"binary_cross_entropy": cross_entropy, "label_accuracy": agrees}
        )


def ranking_loss(chosen: Tensor, rejected: Tensor) -> Tensor:
    """−mean log σ(z⁺ − z⁻), the Bradley–Terry loss of pairs of completions (Stiennon et al. 2020, arXiv 2009.01325).

    Args:
        chosen: (pairs,) scores of the better completions.
        rejected: (pairs,) scores of the worse ones.

    Returns:
        Scalar, in nats.
    """
    return -torch.nn.functional.logsigmoid(chosen - rejected).mean()
