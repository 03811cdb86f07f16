"""What the ratio to an older policy puts right, by enumeration of every group of completions of a tabular policy.

The gradient of J = E_{o ~ π_θ}[r(o)] is known in closed form. Drawn from an older policy, its estimate is right on
average with the ratio of the whole completion and a baseline that does not see it, wrong without a ratio, and wrong, by
less, where the token's ratio stands for the completion's or where the older policy's deviation divides.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from algorithms import GRPO, TokenBatch
from algorithms.interface import Aggregation, Denominator, surrogate_loss

VOCABULARY, LENGTH, GROUP = 2, 2, 3
COMPLETIONS = list(product(range(VOCABULARY), repeat=LENGTH))  # o = (first token, second token)
REWARDS = dict(zip(COMPLETIONS, (1.0, 0.0, 0.25, 2.0), strict=True))


def policy(seed: int) -> tuple[Tensor, Tensor]:
    """Logits of the first token (V,) and of the second after each first (V, V)."""
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(VOCABULARY, generator=generator, dtype=torch.float64),
        torch.randn(VOCABULARY, VOCABULARY, generator=generator, dtype=torch.float64),
    )


def logprobs(logits: tuple[Tensor, Tensor], group: tuple[tuple[int, ...], ...]) -> Tensor:
    first, second = (each.log_softmax(dim=-1) for each in logits)
    return torch.stack([torch.stack([first[o[0]], second[o[0], o[1]]]) for o in group])  # (G, T)


def exact(logits: tuple[Tensor, Tensor]) -> Tensor:
    """∇ Σ_o π_θ(o) r(o), by autograd of the sum itself."""
    leaves = logits[0].clone().requires_grad_(), logits[1].clone().requires_grad_()
    value = sum(logprobs(leaves, (o,)).sum().exp() * REWARDS[o] for o in COMPLETIONS)
    return torch.cat([each.flatten() for each in torch.autograd.grad(value, leaves)])  # type: ignore[arg-type]


def expected(
    algorithm: GRPO, now: tuple[Tensor, Tensor], drawn_by: tuple[Tensor, Tensor], *, corrected: bool
) -> Tensor:
    """E over every group of G completions of `drawn_by` of the method's gradient at `now`."""
    leaves = now[0].clone().requires_grad_(), now[1].clone().requires_grad_()
    denominator = Denominator(units=GROUP, tokens=GROUP * LENGTH, max_length=LENGTH)
    total = torch.zeros((), dtype=torch.float64)
    for group in product(COMPLETIONS, repeat=GROUP):
        mine, old = logprobs(leaves, group), logprobs(drawn_by, group)
        batch = TokenBatch(
            completion_mask=torch.ones(GROUP, LENGTH, dtype=torch.bool),
            rewards=torch.tensor([REWARDS[o] for o in group], dtype=torch.float64),
            group=torch.zeros(GROUP, dtype=torch.int64),
            old_logprobs=old if corrected else mine.detach(),
        )
        coefficients = algorithm.coefficients(batch, algorithm.credit(batch), mine.detach()).values
        loss = surrogate_loss(coefficients, mine, batch.completion_mask, Aggregation.SEQUENCE_SUM, denominator)
        total = total - old.sum().exp() * loss
    return torch.cat([each.flatten() for each in torch.autograd.grad(total, leaves)])


def method(ratio_level: str, **fields: object) -> GRPO:
    """No KL, and a clip that never acts."""
    unclipped = {"kl_coef": 0.0, "clip_low": 1.0, "clip_high": 1e9, "std_eps": 1e-9}
    plain = {"baseline": "leave_one_out", "scale": "none"}
    return GRPO(**{**unclipped, **plain, "ratio_level": ratio_level, **fields})  # type: ignore[arg-type]


NOW, OLD = policy(0), policy(1)


def error(algorithm: GRPO, drawn_by: tuple[Tensor, Tensor], *, corrected: bool = True) -> float:
    """Length of the bias over that of the gradient."""
    truth = exact(NOW)
    return float((expected(algorithm, NOW, drawn_by, corrected=corrected) - truth).norm() / truth.norm())


def test_on_policy_every_ratio_gives_the_gradient_itself():
    for level in ("token", "sequence_product"):
        assert error(method(level), NOW) < 1e-12


def test_the_completions_ratio_makes_older_completions_right_on_average():
    assert error(method("sequence_product"), OLD) < 1e-12
    assert error(method("sequence_product", baseline="none"), OLD) < 1e-12


def test_without_a_ratio_they_are_wrong():
    assert error(method("sequence_product"), OLD, corrected=False) > 0.3


def test_the_tokens_ratio_is_half_a_correction():
    """PPO's and GRPO's: it knows how likely the token is now, not how likely what comes before and after it."""
    token = error(method("token"), OLD)
    assert 0.05 < token < error(method("token"), OLD, corrected=False)


def test_the_deviation_of_the_group_is_the_older_policys():
    """With the std in the denominator the right ratio does not give what π_θ's own groups would give."""
    scaled = method("sequence_product", baseline="mean", scale="std")
    of_now = expected(scaled, NOW, NOW, corrected=True)
    of_old = expected(scaled, NOW, OLD, corrected=True)
    assert float((of_old - of_now).norm() / of_now.norm()) > 0.05


def test_a_clip_that_acts_leaves_a_bias():
    assert error(method("sequence_product", clip_low=0.2, clip_high=0.2), OLD) > 0.05
