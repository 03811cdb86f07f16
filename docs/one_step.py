"""From a problem to Pass@1 on one page, with public names only: whoever has read it knows the house.

Every method is a data source, a reward and a gradient coefficient (DeepSeekMath, Eq. 5). Here a policy of 21,344
weights is shown ten answers, one of them right (SFT: coefficient 1), and then finds out which it is (GRPO: how much
better than its group). Both go through the same lines. Run it: ``python docs/one_step.py``, seconds on one core.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from algorithms import GRPO, SFT, DataSource, counted, surrogate_loss
from analysis import pass_at_k
from benchmarks.problem import Problem
from rewards.scoring import score_rollouts
from sampling import Rollout, SamplingConfig, sample_rollouts
from sampling.transformers_engine import TransformersSampler
from training.models.batches import build_batch
from training.models.embedded import EmbeddedModelConfig, build_embedded_model, build_embedded_tokenizer
from training.models.logprobs import token_logprobs
from training.models.policy import Policy, named_weights

# A problem, and its prompt as tokens.
problem = Problem(problem_id="first", benchmark="one_step", question="3+4=", gold_answer="7")
tokenizer = build_embedded_tokenizer()
prompt_ids = tuple(tokenizer(problem.question).input_ids)

# The policy π_θ, an optimiser for it, and an engine that draws completions from a copy of its weights.
size = EmbeddedModelConfig(hidden_size=32, num_layers=2, num_heads=2, intermediate_size=64)
model = build_embedded_model(size, seed=0)
policy = Policy(model=model, tokenizer=tokenizer, eos_token_ids=(2,), pad_token_id=0)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2)
with tempfile.TemporaryDirectory() as folder:
    policy.save(Path(folder))
    sampler = TransformersSampler(Path(folder), eos_token_ids=policy.eos_token_ids)

# Ten demonstrations, \boxed{0} to \boxed{9}. A rollout is a completion with everything that is known of it.
demonstrations = [
    Rollout(
        problem=problem,
        prompt_ids=prompt_ids,
        completion_ids=(*tokenizer(text).input_ids, policy.end_token_id),
        completion=text,
        finish_reason="stop",
        sample_index=index,
        seed=index,
        policy_version=0,
    )
    for index, text in enumerate(rf"\boxed{{{digit}}}" for digit in range(10))
]

for step, algorithm in enumerate([SFT()] * 20 + [GRPO(kl_coef=0.0)] * 16):
    # Data source: demonstrations, or 32 completions of the policy as it is now.
    rollouts = demonstrations
    if algorithm.data_source is DataSource.ONLINE:
        sampler.load_weights(named_weights(model), step)
        asked, how = [(problem, prompt_ids)], SamplingConfig(max_tokens=4)
        rollouts = sample_rollouts(sampler, tokenizer, asked, how, samples_per_problem=32, run_seed=0, step=step)

    # Verdicts and rewards: 1 where the answer in the box equals 7, as mathematics; else 0.
    scored = score_rollouts(rollouts)
    num_correct = sum(item.verdict.correct for item in scored)

    # Batch: B completions of T tokens, padded, with log π_θ of each token; in a single update π_old is π_θ.
    batch = build_batch(scored, pad_token_id=policy.pad_token_id)
    logprobs = token_logprobs(model, batch)  # (B, T)
    tokens = replace(batch.tokens, old_logprobs=logprobs.detach())

    # Credit, once a batch; coefficients, which follow π_θ; and the one loss, whose gradient is Eq. 5.
    credit = algorithm.credit(tokens)  # (B, T)
    coefficients = algorithm.coefficients(tokens, credit, logprobs)
    left = counted(algorithm, tokens)
    divisor = left.denominator(algorithm.batch_unit, max_length=4)
    loss = surrogate_loss(coefficients.values, logprobs, left.mask, algorithm.aggregation, divisor)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"{step + 1:3} {type(algorithm).__name__:4} Pass@1 {pass_at_k(num_correct, len(scored), 1):.2f}")
