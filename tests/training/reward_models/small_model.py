"""Reward models of a few thousand parameters, and labelled completions to fit and score them with."""

from __future__ import annotations

import random
from pathlib import Path

import torch

from benchmarks.problem import Problem
from rewards.verdict import ScoredRollout
from sampling.rollout import Rollout
from sampling.text import TokenTexts
from tests.training.small_run import save_start
from training.models.embedded import EmbeddedModelConfig, build_embedded_model, build_embedded_tokenizer
from training.models.policy import Policy, load_policy
from training.reward_models.examples import labelled
from training.reward_models.model import load_reward_model
from training.reward_models.serving import step_ends_of

TOKENIZER = build_embedded_tokenizer()
EOS = 2


def scalar_model(folder: Path, *, head_seed: int | None = None) -> Policy:
    """A fresh reward model on the start policy in `folder`; with a seed its head is random instead of zero."""
    if not (folder / "config.json").is_file():
        save_start(folder)
    return _on(folder, head_seed)


def larger_model(folder: Path) -> Policy:
    """A fresh reward model that is large enough to learn sums."""
    config = EmbeddedModelConfig(hidden_size=64, num_layers=2, num_heads=2, intermediate_size=128)
    model = build_embedded_model(config, seed=0)
    Policy(model=model, tokenizer=TOKENIZER, eos_token_ids=(EOS,), pad_token_id=0).save(folder)
    return _on(folder, None)


def _on(folder: Path, head_seed: int | None) -> Policy:
    model = load_reward_model(folder, like=load_policy(folder), fresh=True)
    if head_seed is not None:
        with torch.no_grad():
            weight = model.model.get_parameter("score.weight")
            weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(head_seed)))
    return model


def rollout_of(question: str, completion: str, *, index: int = 0, ended: bool = True) -> Rollout:
    """A completion as the embedded policy could have written it."""
    ids = tuple(TOKENIZER(completion, add_special_tokens=False).input_ids)
    return Rollout(
        problem=Problem(problem_id=f"p:{question}", benchmark="made up", question=question, gold_answer="1"),
        prompt_ids=tuple(TOKENIZER(question, add_special_tokens=False).input_ids),
        completion_ids=(*ids, EOS) if ended else ids,
        completion=completion,
        finish_reason="stop" if ended else "length",
        sample_index=index,
        seed=index,
        policy_version=0,
    )


def planted(policy: Policy, count: int, seed: int) -> list[ScoredRollout]:
    """Solutions of two or three lines ``a+b=c`` with a and b from 1 to 4; three in four have one wrong line.

    A step is wrong where its own line is; lines after a wrong one are right again.
    """
    draw = random.Random(seed)
    examples, texts = [], TokenTexts(policy.tokenizer)
    for index in range(count):
        lines, labels = [], []
        number = draw.randint(2, 3)
        wrong = draw.randrange(number) if index % 4 else None
        for line in range(number):
            a, b = draw.randint(1, 4), draw.randint(1, 4)
            off = draw.choice([-3, -2, -1, 1, 2, 3]) if line == wrong else 0
            lines.append(f"{a}+{b}={max(0, a + b + off)}")
            labels.append(1.0 if max(0, a + b + off) == a + b else 0.0)
        rollout = rollout_of("1=", "\n".join(lines), index=index)
        examples.append(labelled(rollout, labels, step_ends_of(texts, rollout), correct=all(labels)))
    return examples
