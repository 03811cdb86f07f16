"""What each method maximises on one optimiser step, as a scalar that autograd can differentiate.

Written from the formulas, sequence by sequence, and apart from the code of the coefficients, so that a law can hold one
against the other. A user's method gives its own as ``objective(batch, credit, policy_logprobs) -> J``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from algorithms.interface import Aggregation, Algorithm, TokenBatch, counted
from algorithms.policy_gradient import PolicyGradient
from algorithms.preference.dpo import DPO
from algorithms.preference.ipo import IPO
from algorithms.preference.pairs import PairwiseMethod
from algorithms.rft import RFT
from algorithms.sft import SFT

__all__ = ["Objective", "objective_of"]

Objective = Callable[[TokenBatch, Tensor, Tensor], Tensor]


def objective_of(method: Algorithm) -> Objective | None:
    """J as a function of (batch, credit, log π_θ), or ``None`` where none is given.

    None is given for an entropy bonus and for ``kl_gradient="score"``: their coefficients are sampled estimates of the
    gradient of an expectation, which no function of the sampled completions has as its gradient.
    """
    own: Objective | None = getattr(method, "objective", None)
    if own is not None:
        return own
    if isinstance(method, SFT | RFT):
        return partial(_likelihood, method)
    if isinstance(method, DPO | IPO):
        return partial(_preference, method)
    if isinstance(method, PolicyGradient) and method.entropy_coef == 0 and method.kl_gradient != "score":
        return lambda batch, credit, logprobs: _aggregated(method, batch, _clipped(method, batch, credit, logprobs))
    return None


def _aggregated(method: Algorithm, batch: TokenBatch, terms: Callable[[int, Tensor], Tensor]) -> Tensor:
    """Σ of each sequence's token terms as the method's aggregation divides them; `terms` takes row and token index."""
    left = counted(method, batch)
    rows = [row for row in range(len(batch.rewards)) if bool(left.rows[row])]
    tokens = {row: left.mask[row].nonzero()[:, 0] for row in rows}
    all_tokens = max(1, sum(len(index) for index in tokens.values()))
    total = torch.zeros((), dtype=torch.float64)
    for row, index in tokens.items():
        if len(index) == 0:
            continue
        match method.aggregation:
            case Aggregation.SEQUENCE_MEAN:
                divisor = len(index) * len(rows)
            case Aggregation.TOKEN_MEAN:
                divisor = all_tokens
            case Aggregation.SEQUENCE_SUM:
                divisor = len(rows)
            case Aggregation.CONSTANT:
                divisor = len(rows) * (batch.max_length or 1)
        total = total + terms(row, index).sum() / divisor
    return total


def _likelihood(method: Algorithm, batch: TokenBatch, credit: Tensor, logprobs: Tensor) -> Tensor:
    """E Σ_t weight · I(o) · log π_θ(o_t): Eq. 6, 8 and 11, with I(o) = 1 for demonstrations."""
    return _aggregated(method, batch, lambda row, index: credit[row, index] * logprobs[row, index])


def _preference(method: PairwiseMethod, batch: TokenBatch, credit: Tensor, logprobs: Tensor) -> Tensor:
    """Mean over pairs of log σ(β·gap) (Eq. 12) or −(gap − 1/(2τ))² (Eq. 17 of arXiv 2310.12036)."""
    reference = batch.require("reference_logprobs", "a preference")
    pair, chosen = batch.require("pair", "a preference"), batch.require("chosen", "a preference")
    scores: dict[tuple[int, bool], Tensor] = {}
    for row in range(len(batch.rewards)):
        inside = batch.completion_mask[row]
        log_ratios = (logprobs[row] - reference[row])[inside]
        score = log_ratios.mean() if method.length_normalized else log_ratios.sum()
        scores[int(pair[row]), bool(chosen[row])] = score
    labels = sorted({label for label, _ in scores})
    gaps = torch.stack([scores[label, True] - scores[label, False] for label in labels])
    if isinstance(method, IPO):
        return -(gaps - 1 / (2 * method.ipo_tau)).square().mean()
    assert isinstance(method, DPO)
    return torch.nn.functional.logsigmoid(method.dpo_beta * gaps).mean()


def _clipped(
    method: PolicyGradient, batch: TokenBatch, credit: Tensor, logprobs: Tensor
) -> Callable[[int, Tensor], Tensor]:
    """Token terms w · min(ρA, clip(ρ)A) − kl_coef · KL: Eq. 1, 3 and 15 with the choices of the fields."""
    old = batch.require("old_logprobs", "a ratio")
    limit = torch.inf if method.log_ratio_limit is None else method.log_ratio_limit

    def terms(row: int, index: Tensor) -> Tensor:
        log_ratio, advantage = (logprobs[row] - old[row])[index], credit[row, index]
        whole = (logprobs[row] - old[row])[batch.completion_mask[row]]
        of_tokens = method.ratio_level == "token"
        if not of_tokens:
            log_ratio = (whole.mean() if method.ratio_level == "sequence" else whole.sum()).expand(len(index))
        ratio = log_ratio.clamp(-limit, limit).exp()
        share = 1.0 if method.ratio_level != "sequence_product" else 1 / len(index)  # ρ(o)·A stands once a completion
        rho = ratio
        if not of_tokens and bool((advantage != advantage[0]).any()):  # GSPO-token, Eq. 13 of arXiv 2507.18071
            own = logprobs[row, index]
            rho, share = ratio.detach() * (own - own.detach()).exp(), 1.0
        clipped = rho.clamp(1 - method.clip_low, 1 + method.clip_high)
        if method.clip_form == "weight":
            gain = clipped.detach() * advantage * logprobs[row, index]
        else:
            gain = share * torch.minimum(rho * advantage, clipped * advantage)
            if method.dual_clip is not None:
                gain = torch.where(advantage < 0, torch.maximum(gain, share * method.dual_clip * advantage), gain)
        gain = gain * _trust(method, batch, row, index)
        if method.objective_kl_coef > 0:
            penalty = _divergence(method, batch, logprobs, row, index)
            gain = gain - method.objective_kl_coef * (
                penalty * ratio if method.kl_gradient == "ratio_weighted" else penalty
            )
        return gain

    return terms


def _trust(method: PolicyGradient, batch: TokenBatch, row: int, index: Tensor) -> Tensor:
    """w = π_old/π_sampler of each token or of the completion, truncated or masked; 1 without a correction."""
    if method.mismatch_correction == "none":
        return torch.ones(len(index), dtype=torch.float64)
    level, _, bound = method.mismatch_correction.partition("_")
    difference = batch.require("old_logprobs", "w")[row] - batch.require("sampler_logprobs", "w")[row]
    whole = difference[batch.completion_mask[row]].sum().expand(len(index))
    weight = (difference[index] if level == "token" else whole).exp()
    if bound == "truncate":
        return weight.clamp(method.mismatch_min, method.mismatch_max)
    inside = (weight >= method.mismatch_min) & (weight <= method.mismatch_max)
    return weight * inside


def _divergence(method: PolicyGradient, batch: TokenBatch, logprobs: Tensor, row: int, index: Tensor) -> Tensor:
    """KL of each token by the estimator k1, k2 or k3 (Eq. 4), clamped where a limit is given."""
    difference = batch.require("reference_logprobs", "a KL")[row, index] - logprobs[row, index]
    forms = {"k1": -difference, "k2": difference.square() / 2, "k3": difference.exp() - difference - 1}
    penalty = forms[method.kl_form]
    return penalty if method.kl_limit is None else penalty.clamp(-method.kl_limit, method.kl_limit)
