"""What keeps a policy near the one that drew its batch: PPO's clip, and what others put in its place.

Each is a pure function of the ratio ρ = π_θ/π_old and the credit A. With J = Σ_t g(ρ_t, A_t) the factor of the credit
is ρ·∂g/∂ρ / A, exact in log π_θ. Which of them a method uses is its field ``clip_form``:

    min        g = min(ρA, clip(ρ)A)                                 ρ · 1[clip not active]     PPO, GRPO
    weight     g = sg(clip(ρ)) · A · log π_θ                         clip(ρ)                    CISPO
    sigmoid    g = 4/τ · σ(τ(ρ − 1)) · A                             ρ · 4p(1 − p), p = σ(…)    SAPO
    gamma      g = sg(ρ^k · exp(λ(1 − ρ))) · A · log π_θ             ρ^k · exp(λ(1 − ρ))        VESPO
    geometric  g = Π_t clip(ρ_t)^(1/|o|) · A, once a completion      that · 1[clip not active]  GMPO

Axes: B sequences, T tokens.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from algorithms.ratios import masked_sum

__all__ = ["ClipForm", "clip_active", "clip_factors", "gamma_gate", "geometric_clip", "sigmoid_gate"]

ClipForm = Literal["min", "weight", "sigmoid", "gamma", "geometric"]


def clip_active(
    ratios: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float, dual_clip: float | None = None
) -> Tensor:
    """Tokens at which min(ρA, clip(ρ, 1 − clip_low, 1 + clip_high)A) still depends on θ (DeepSeekMath, Eq. 1 and 3).

    The gradient is zero only where A > 0 and ρ > 1 + clip_high, or A < 0 and ρ < 1 − clip_low; a token outside the band
    on the other side still counts, up to `dual_clip` where that is given: max(min(…), dual_clip·A) for A < 0.

    Args:
        ratios: (B, T) or (B, 1) ρ.
        advantages: (B, T) A.
        clip_low: offset below 1; 0.2 puts the band's lower end at 0.8.
        clip_high: offset above 1; 0.2 puts the band's upper end at 1.2.
        dual_clip: c of dual-clip PPO (arXiv 1912.09729, Eq. 5), a ratio above 1; ``None`` for none.

    Returns:
        (B, T) bool, True where the coefficient is ρ·A and False where it is 0.
    """
    too_good = (advantages > 0) & (ratios > 1 + clip_high)
    too_bad = (advantages < 0) & (ratios < 1 - clip_low)
    inactive = too_good | too_bad
    if dual_clip is not None:
        inactive = inactive | ((advantages < 0) & (ratios > dual_clip))
    return ~inactive


def clip_factors(
    ratios: Tensor,
    credit: Tensor,
    *,
    form: Literal["min", "weight"],
    clip_low: float,
    clip_high: float,
    dual_clip: float | None,
    beyond: Tensor | None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Factors of the clipped ratio.

    ``"min"``: ρ and 1[clip not active], PPO's. ``"weight"``: ρ clamped to the band and never switched off (CISPO,
    arXiv 2506.13585, Eq. 4).

    Args:
        ratios: (B, T) or (B, 1) ρ, finite.
        credit: (B, T) A.
        form: which of the two.
        clip_low: see `clip_active`.
        clip_high: see `clip_active`.
        dual_clip: see `clip_active`.
        beyond: (B, T) or (B, 1) bool, where the ratio is out of all bounds and the factor of ``"min"`` is 0.

    Returns:
        Factors by name, and (B, T) or (B, 1) bool, False where the clip changes something.
    """
    if form == "weight":
        clamped = ratios.clamp(1 - clip_low, 1 + clip_high)
        return {"ratio": clamped}, clamped == ratios
    active = clip_active(ratios, credit, clip_low=clip_low, clip_high=clip_high, dual_clip=dual_clip)
    if beyond is not None:
        active = active & ~beyond
    return {"ratio": ratios, "clip": active}, active


def sigmoid_gate(ratios: Tensor, credit: Tensor, *, temperature_pos: float, temperature_neg: float) -> Tensor:
    """4·p(1 − p) with p = σ(τ(ρ − 1)): the slope of SAPO's soft gate, 1 at ρ = 1 (arXiv 2511.20347). (B, T).

    τ is `temperature_pos` where A > 0 and `temperature_neg` elsewhere; the larger, the sooner a token is let go.

    Args:
        ratios: (B, T) or (B, 1) ρ, finite.
        credit: (B, T) A.
        temperature_pos: τ_pos, per unit of ρ, above 0.
        temperature_neg: τ_neg, likewise.
    """
    temperature = _by_sign(credit > 0, (temperature_pos, temperature_neg), ratios)
    open_share = torch.sigmoid(temperature * (ratios - 1))
    return 4 * open_share * (1 - open_share)


def gamma_gate(
    log_ratios: Tensor, credit: Tensor, *, powers: tuple[float, float], rates: tuple[float, float]
) -> Tensor:
    """ρ^k · exp(λ(1 − ρ)): VESPO's weight of a completion, 1 at ρ = 1 (arXiv 2602.10693). (B, T).

    In ρ a gamma density up to a factor, largest at k/λ: with k < λ a completion that became likelier counts less.
    Computed in logarithms, so that no ρ overflows.

    Args:
        log_ratios: (B, 1) log ρ(o), in nats; (B, T) gates every token by itself.
        credit: (B, T) A.
        powers: k where A ≥ 0 and where A < 0, 0 or more.
        rates: λ likewise.
    """
    power, rate = (_by_sign(credit >= 0, pair, log_ratios) for pair in (powers, rates))
    ratios = log_ratios.exp().clamp(max=torch.finfo(log_ratios.dtype).max)
    weight = torch.exp(power * log_ratios + rate * (1 - ratios))
    return weight.clamp_(max=torch.finfo(weight.dtype).max)


def geometric_clip(
    log_ratios: Tensor, mask: Tensor, credit: Tensor, *, clip_low: float, clip_high: float
) -> tuple[Tensor, Tensor]:
    """GMPO's ratio of a completion, and the tokens that move it (arXiv 2507.20673).

    The ratio is the geometric mean of the tokens' clipped ratios: log ρ_t is cut at clip_high where A > 0 and at
    −clip_low elsewhere, on the side where the clip of PPO is active. The bounds are in nats: the paper's 0.4 is the
    band e^−0.4 to e^0.4.

    Args:
        log_ratios: (B, T) log ρ_t, in nats.
        mask: (B, T) bool completion mask.
        credit: (B, T) A; its sign decides the side.
        clip_low: nats below 0.
        clip_high: nats above 0.

    Returns:
        (B, 1) ratio, and (B, T) bool, False where the token's ratio is cut.
    """
    raised = credit > 0
    active = ~torch.where(raised, log_ratios > clip_high, log_ratios < -clip_low)
    cut = torch.where(raised, log_ratios.clamp(max=clip_high), log_ratios.clamp(min=-clip_low))
    mean = masked_sum(cut, mask) / mask.sum(dim=-1, keepdim=True).clamp_min(1)
    return mean.exp().clamp(max=torch.finfo(mean.dtype).max), active


def _by_sign(raised: Tensor, pair: tuple[float, float], like: Tensor) -> Tensor:
    """The first number where `raised`, else the second, in the dtype of `like`: not through float32."""
    return torch.where(raised, *(like.new_tensor(number) for number in pair))
