"""What each method maximises on one optimiser step, as a scalar that autograd can differentiate.

Written from the formulas, sequence by sequence, and apart from the code of the coefficients, so that a law can hold one
against the other. A user's method gives its own as ``objective(batch, credit, policy_logprobs) -> J``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from algorithms.interface import Aggregation, Algorithm, Need, TokenBatch, counted
from algorithms.policy_gradient import PolicyGradient
from algorithms.preference.dpo import DPO
from algorithms.preference.ipo import IPO
from algorithms.preference.kto import KTO
from algorithms.preference.orpo import ORPO
from algorithms.preference.pairs import PairwiseMethod
from algorithms.preference.simpo import SimPO
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
    if isinstance(method, DPO | IPO | SimPO | ORPO):
        return partial(_preference, method)
    if isinstance(method, KTO):
        return partial(_prospect, method)
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
    """Mean over pairs of what each method makes of the scores of the chosen and the rejected completion.

    DPO log σ(β·gap) (Eq. 12), IPO −(gap − 1/(2τ))² (Eq. 17 of arXiv 2310.12036), SimPO log σ(β·gap − γ) (Eq. 6 of arXiv
    2405.14734), ORPO log P(o⁺)/|o⁺| + λ log σ(log odds ratio) (Eq. 6 and 7 of arXiv 2403.07691).
    """
    pair, chosen = batch.require("pair", "a preference"), batch.require("chosen", "a preference")
    scores: dict[tuple[int, bool], Tensor] = {}
    for row in range(len(batch.rewards)):
        scores[int(pair[row]), bool(chosen[row])] = _score(method, batch, logprobs, row)
    labels = sorted({label for label, _ in scores})
    better, worse = (torch.stack([scores[label, side] for label in labels]) for side in (True, False))
    match method:
        case DPO():
            gains = torch.nn.functional.logsigmoid(method.dpo_beta * (better - worse))
        case SimPO():
            gains = torch.nn.functional.logsigmoid(method.simpo_beta * (better - worse) - method.simpo_margin)
        case ORPO():
            odds = better.exp() / (1 - better.exp()) / (worse.exp() / (1 - worse.exp()))
            gains = better + method.orpo_weight * (odds / (1 + odds)).log()
        case IPO():
            gains = -(better - worse - 1 / (2 * method.ipo_tau)).square()
        case _:
            raise TypeError(f"{type(method).__name__} has no objective here; expected DPO, IPO, SimPO or ORPO.")
    return gains.mean()


def _score(method: PairwiseMethod | KTO, batch: TokenBatch, logprobs: Tensor, row: int) -> Tensor:
    """Mean or sum over one completion of log π_θ, less log π_ref where the method reads it."""
    values = logprobs[row]
    if Need.REFERENCE_LOGPROBS in method.needs:
        values = values - batch.require("reference_logprobs", "a score")[row]
    inside = values[batch.completion_mask[row]]
    summed = method.aggregation == Aggregation.SEQUENCE_SUM
    return inside.sum() if summed else inside.mean()


def _prospect(method: KTO, batch: TokenBatch, credit: Tensor, logprobs: Tensor) -> Tensor:
    """Mean of λ · σ(±β(r − z₀)) (section 4.1 of arXiv 2402.01306)."""
    point = batch.require("kl_estimate", "z₀") if method.reference_point == "kl" else 0.0
    gains = []
    for row in range(len(batch.rewards)):
        weight = credit[row][batch.completion_mask[row]][0]  # λ_D or −λ_U
        above = method.kto_beta * (_score(method, batch, logprobs, row) - point)
        gains.append(weight.abs() * torch.sigmoid(weight.sign() * above))
    return torch.stack(gains).mean()


def _clipped(
    method: PolicyGradient, batch: TokenBatch, credit: Tensor, logprobs: Tensor
) -> Callable[[int, Tensor], Tensor]:
    """Token terms w · M · min(ρA, clip(ρ)A) − kl_coef · KL: Eq. 1, 3 and 15 with the choices of the fields."""
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
        gain = _gain(method, rho, advantage, share, logprobs[row, index], (logprobs[row] - old[row])[index])
        gain = gain * _trust(method, batch, row, index) * _not_left_behind(method, batch, logprobs, row, advantage)
        if method.objective_kl_coef > 0:
            penalty = _divergence(method, batch, logprobs, row, index)
            gain = gain - method.objective_kl_coef * (
                penalty * ratio if method.kl_gradient == "ratio_weighted" else penalty
            )
        return gain

    return terms


def _gain(
    method: PolicyGradient, rho: Tensor, advantage: Tensor, share: float, logprobs: Tensor, log_ratios: Tensor
) -> Tensor:
    """What one completion's tokens gain before KL and masks: min, or what stands in its place (`algorithms.gates`)."""
    raised = advantage > 0
    clipped = rho.clamp(1 - method.clip_low, 1 + method.clip_high)
    match method.clip_form:
        case "weight":
            return clipped.detach() * advantage * logprobs
        case "sigmoid":
            tau = torch.where(raised, *advantage.new_tensor([method.gate_temperature_pos, method.gate_temperature_neg]))
            return share * 4 / tau * torch.sigmoid(tau * (rho - 1)) * advantage
        case "gamma":
            power = torch.where(raised, *advantage.new_tensor([method.gate_power_pos, method.gate_power_neg]))
            rate = torch.where(raised, *advantage.new_tensor([method.gate_rate_pos, method.gate_rate_neg]))
            return (rho**power * torch.exp(rate * (1 - rho))).detach() * advantage * logprobs
        case "geometric":
            low, high = advantage.new_tensor([-method.clip_low, method.clip_high]).exp()
            ratios = log_ratios.exp()
            cut = torch.where(raised, torch.minimum(ratios, high), torch.maximum(ratios, low))
            of_completion = cut.prod() ** (1 / len(cut))
            if bool((advantage != advantage[0]).any()):  # by tokens, as GSPO-token has it
                of_completion = of_completion.detach() * (logprobs - logprobs.detach()).exp() * (cut == ratios)
            return of_completion * advantage
    gain = share * torch.minimum(rho * advantage, clipped * advantage)
    if method.dual_clip is not None:
        gain = torch.where(advantage < 0, torch.maximum(gain, share * method.dual_clip * advantage), gain)
    return gain


def _not_left_behind(
    method: PolicyGradient, batch: TokenBatch, logprobs: Tensor, row: int, advantage: Tensor
) -> Tensor:
    """M of DeepSeek-V3.2: 0 where A < 0 and the completion's mean log π_old/π_θ is beyond the limit, else 1."""
    if method.off_policy_mask == "none":
        return torch.ones_like(advantage)
    drawn = batch.require(f"{method.off_policy_mask}_logprobs", "M")[row]
    drift = (drawn - logprobs[row].detach())[batch.completion_mask[row]].mean()
    return 1.0 - ((advantage < 0) & (drift > method.off_policy_limit)).double()


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
