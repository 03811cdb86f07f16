"""Does the sampling engine really hold the policy's weights? Checked at the start of every run.

An engine can report a successful weight load and go on with old weights (a CPU build of vLLM does, see
`sampling.vllm_engine`). Loading the weights it was built from would not show that, so the check first loads a disturbed
copy: an engine that ignores part of a load answers with other logprobs than the disturbed policy.

How small a part is seen depends on the tolerance. In float32 (1e-4) it is any single tensor: on a start policy of the
embedded comparison each of the 29, ignored alone, shows with 0.005 nats a token or more. In bfloat16 (0.1) embeddings,
norms, a whole layer or one projection in all layers are seen (0.12 nats or more on SmolLM2-135M); one matrix of one
layer may not be (0.02 to 0.12).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from sampling.sampler import Request, Sampler, SamplingConfig
from training.models.policy import Policy, named_weights

__all__ = ["SamplerMismatchError", "WeightCheck", "check_weight_loading"]


DISTURBANCE = 0.1  # relative; moves SmolLM2-135M by 1.1 nats a token and its bfloat16 rounding from 0.03 to 0.04
SCALES = (1, 4, 16, 64)  # of the disturbance: a model of small random weights hardly moves by the first


class SamplerMismatchError(RuntimeError):
    """The engine's logprobs are not the policy's."""


@dataclass(frozen=True, kw_only=True)
class WeightCheck:
    """What the check measured, in nats a token.

    Attributes:
        mean_difference: mean |log π_sampler − log π_θ| after loading the policy.
        max_difference: the largest one.
        disturbed_mean_difference: the mean after loading the disturbed copy, against the disturbed policy.
        disturbance: how far the disturbed policy's logprobs are from the policy's; what a stale engine would show.
        tolerance: largest mean difference that passes.
        num_tokens: completion tokens compared.
    """

    mean_difference: float
    max_difference: float
    disturbed_mean_difference: float
    disturbance: float
    tolerance: float
    num_tokens: int


@torch.no_grad()
def check_weight_loading(
    sampler: Sampler,
    policy: Policy,
    prompts: Sequence[tuple[int, ...]],
    *,
    tolerance: float,
    policy_version: int,
    max_tokens: int = 16,
    seed: int = 0,
) -> WeightCheck:
    """Load a disturbed policy and then the policy itself, and compare logprobs on sampled tokens after each.

    Args:
        sampler: the engine; it holds the policy afterwards.
        policy: π_θ; its weights are the same afterwards, bit for bit.
        prompts: a few prompts' token ids.
        tolerance: largest mean |difference| in nats a token; about 1e-4 in float32 and 0.1 in bfloat16.
        policy_version: version to stamp on the loaded weights.
        max_tokens: completion tokens compared for each prompt.
        seed: of the sampled tokens and the disturbance.

    Returns:
        What was measured.

    Raises:
        SamplerMismatchError: a mean difference exceeds the tolerance, or the disturbance is too small to show one.
    """
    requests = [Request(prompt_ids=ids, seed=seed + index) for index, ids in enumerate(prompts)]
    sampler.load_weights(named_weights(policy.model), policy_version)
    generations = sampler.generate(requests, SamplingConfig(max_tokens=max_tokens))
    sequences = [(ids, item.completion_ids) for ids, item in zip(prompts, generations, strict=True)]
    plain = _policy_logprobs(policy, sequences)
    for scale in SCALES:
        with _disturbed(policy, seed, DISTURBANCE * scale):
            disturbed = _policy_logprobs(policy, sequences)
            disturbance = float((disturbed - plain).abs().mean())
            if disturbance <= 3 * tolerance and scale != SCALES[-1]:
                continue
            sampler.load_weights(named_weights(policy.model), policy_version)
            disturbed_difference = _differences(sampler, sequences, disturbed)
        break
    sampler.load_weights(named_weights(policy.model), policy_version)
    difference = _differences(sampler, sequences, plain)
    check = WeightCheck(
        mean_difference=float(difference.mean()),
        max_difference=float(difference.max()),
        disturbed_mean_difference=float(disturbed_difference.mean()),
        disturbance=disturbance,
        tolerance=tolerance,
        num_tokens=len(plain),
    )
    _judge(check)
    return check


def _judge(check: WeightCheck) -> None:
    """Raise unless the check passed and could have failed."""
    if not (check.mean_difference <= check.tolerance and check.disturbed_mean_difference <= check.tolerance):
        raise SamplerMismatchError(
            f"the sampler's logprobs are not the policy's: mean difference {check.mean_difference:.2e} nats a token "
            f"after loading the policy, {check.disturbed_mean_difference:.2e} after loading a disturbed copy, over "
            f"{check.num_tokens} tokens; expected at most {check.tolerance:.0e}. The engine ignores (part of) a weight "
            "load, or computes in another precision; training on its samples would be off-policy without saying so."
        )
    if not check.disturbance > 3 * check.tolerance:
        raise SamplerMismatchError(
            f"the weight check cannot see anything: the disturbed copy moves logprobs by {check.disturbance:.2e} nats "
            f"a token even where weights are changed {DISTURBANCE * SCALES[-1]:.1f}-fold; the tolerance is "
            f"{check.tolerance:.0e}; expected at least three times as much. An untrained model of tiny weights? "
            "Then lower logprob_tolerance, in float32 to 1e-4."
        )


@contextmanager
def _disturbed(policy: Policy, seed: int, strength: float) -> Iterator[None]:
    """The policy with every weight multiplied by 1 + noise; restored bit for bit afterwards."""
    original = [parameter.detach().clone() for parameter in policy.model.parameters()]
    generator = torch.Generator().manual_seed(seed)
    try:
        for parameter in policy.model.parameters():
            noise = torch.randn(parameter.shape, generator=generator).to(parameter.device)
            parameter.mul_(1 + strength * noise)
        yield
    finally:
        for parameter, saved in zip(policy.model.parameters(), original, strict=True):
            parameter.copy_(saved)


def _differences(
    sampler: Sampler, sequences: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], expected: torch.Tensor
) -> torch.Tensor:
    """|log π_sampler − expected| of every completion token, of the engine that is farthest off. (N,)."""
    engines = getattr(sampler, "engines", (sampler,))
    rows = [torch.cat([torch.tensor(row) for row in engine.logprobs(sequences)]) for engine in engines]
    return max(((row - expected).abs() for row in rows), key=lambda difference: float(difference.mean()))


def _policy_logprobs(policy: Policy, sequences: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> torch.Tensor:
    """log π_θ of every completion token, all sequences end to end. (N,) on the CPU."""
    rows = []
    for prompt_ids, completion_ids in sequences:
        tokens = torch.tensor([[*prompt_ids, *completion_ids]], device=policy.device)
        logits = policy.model(input_ids=tokens, use_cache=False).logits[0, len(prompt_ids) - 1 : -1].float()
        rows.append(torch.log_softmax(logits, dim=-1).gather(-1, tokens[0, len(prompt_ids) :, None])[:, 0].cpu())
    return torch.cat(rows)
