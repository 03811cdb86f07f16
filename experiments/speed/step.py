"""Time of one optimiser step of GRPO beside TRL's GRPOTrainer: the same tiny Llama, the same tokens, the same AdamW.

A step is the forward pass, the loss, the backward pass, the clipping of the gradient and AdamW on a batch that has
been sampled already, with old logprobs equal to the policy's (one update a batch). TRL's is its trainer's own loss with
``loss_type="grpo"`` and ``beta=0``; its advantages are given to it, ours are computed within the step. The two
gradients are compared first: without the same gradient it would not be the same work.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from algorithms import GRPO
from algorithms.interface import TokenBatch
from training.models.batches import TrainingBatch
from training.models.embedded import build_embedded_tokenizer
from training.models.logprobs import ForwardOptions
from training.models.policy import load_policy
from training.update import accumulate_gradients

__all__ = ["StepSize", "gradients", "measure_step", "speed_batch"]

MAX_GRAD_NORM = 1.0


@dataclass(frozen=True, kw_only=True)
class StepSize:
    """The model and the batch; the sequences are `prompts` · `group_size`, completions half to fully as long as
    `completion_tokens`.
    """

    hidden_size: int = 256
    num_layers: int = 4
    vocabulary: int = 8192
    prompts: int = 2
    group_size: int = 8
    prompt_tokens: int = 32
    completion_tokens: int = 192


def measure_step(
    peer: str = "trl", model_name: str | None = None, *, size: StepSize = StepSize(), num_steps: int = 5
) -> tuple[float, float, dict[str, object]]:
    """Seconds a step, ours and TRL's, each the median of `num_steps` taken in turn after a first one.

    Args:
        peer: ``"trl"``.
        model_name: folder or hub id of a model in place of the tiny Llama; float32 for both.
        size: of the batch, and of the model where none is given.
        num_steps: odd.

    Returns:
        Our seconds, the peer's, and details: the largest difference of the two gradients relative to the largest entry.

    Raises:
        ValueError: no such peer.
        ModelNotFoundError: no such model.
    """
    if peer != "trl":
        raise ValueError(f"got --peer {peer!r} for step, expected trl.")
    if model_name is not None:
        size = replace(size, vocabulary=load_policy(model_name).model.config.vocab_size)  # type: ignore[union-attr,arg-type]
    batch, device = speed_batch(size), "cuda" if torch.cuda.is_available() else "cpu"
    steps, models = [], []
    for make in (_our_loss, _trl_loss):
        model: Any = _model(size) if model_name is None else load_policy(model_name).model
        model.to(torch.device(device))
        models.append(model)
        steps.append(make(model, batch.to(torch.device(device))))
    difference = _difference(*(gradients(model, step) for model, step in zip(models, steps, strict=True)))
    seconds: list[list[float]] = [[], []]
    optimizers = [torch.optim.AdamW(model.parameters(), lr=1e-6) for model in models]
    for _ in range(num_steps + 1):
        for which, step in enumerate(steps):
            start = time.perf_counter()
            optimizers[which].zero_grad()
            step()
            torch.nn.utils.clip_grad_norm_(models[which].parameters(), MAX_GRAD_NORM)
            optimizers[which].step()
            if device == "cuda":
                torch.cuda.synchronize()
            seconds[which].append(time.perf_counter() - start)
    ours, theirs = (sorted(times[1:])[num_steps // 2] for times in seconds)
    tokens = int(batch.tokens.completion_mask.sum())
    print(f"{len(batch)} sequences, {tokens} completion tokens, {device}; gradients differ by {difference:.1e}")
    details = {"gradient_difference": difference, "tokens": tokens, "device": device, "model": model_name}
    return ours, theirs, details


def speed_batch(size: StepSize) -> TrainingBatch:
    """Random tokens with rewards 0 and 1, as a step finds them after sampling."""
    generator = torch.Generator().manual_seed(0)
    num = size.prompts * size.group_size
    shortest = max(1, size.completion_tokens // 2)
    completion_lengths = torch.randint(shortest, size.completion_tokens + 1, (num,), generator=generator)
    completion_lengths[0] = size.completion_tokens
    width = size.prompt_tokens + size.completion_tokens
    input_ids = torch.randint(3, size.vocabulary, (num, width), generator=generator)
    mask = torch.arange(size.completion_tokens) < completion_lengths[:, None]
    input_ids[:, size.prompt_tokens :][~mask] = 0
    tokens = TokenBatch(
        completion_mask=mask,
        rewards=(torch.arange(num) % 3 == 0).float(),
        group=torch.arange(num) // size.group_size,
    )
    return TrainingBatch(
        input_ids=input_ids,
        prompt_lengths=torch.full((num,), size.prompt_tokens),
        lengths=completion_lengths + size.prompt_tokens,
        tokens=tokens,
    )


def gradients(model: LlamaForCausalLM, step: Callable[[], None]) -> Tensor:
    """All gradients after one pass, in one row."""
    model.zero_grad()
    step()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])


def _difference(left: Tensor, right: Tensor) -> float:
    return float((left - right).abs().max() / left.abs().max())


def _model(size: StepSize) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=size.vocabulary,
            hidden_size=size.hidden_size,
            intermediate_size=3 * size.hidden_size,
            num_hidden_layers=size.num_layers,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=size.prompt_tokens + size.completion_tokens,
            tie_word_embeddings=True,
            dtype="float32",
        )
    )


def _algorithm() -> GRPO:
    return GRPO(kl_coef=0.0, std_ddof=1, std_eps=1e-4)


def _our_loss(model: LlamaForCausalLM, batch: TrainingBatch) -> Callable[[], None]:
    algorithm, rows = _algorithm(), torch.arange(len(batch))

    def step() -> None:
        accumulate_gradients(model, algorithm, batch, algorithm.credit(batch.tokens), [rows], ForwardOptions())

    return step


def _trl_loss(model: LlamaForCausalLM, batch: TrainingBatch) -> Callable[[], None]:
    from datasets import Dataset
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    num, on_cpu = len(batch), batch.input_ids.device.type == "cpu"
    with tempfile.TemporaryDirectory() as folder:
        trainer: Any = GRPOTrainer(
            model=model,
            reward_funcs=lambda completions, **columns: [0.0] * len(completions),
            args=GRPOConfig(
                output_dir=folder,
                per_device_train_batch_size=num,
                num_generations=num // int(batch.tokens.group.max() + 1),
                max_completion_length=batch.tokens.completion_mask.shape[1],
                loss_type="grpo",
                beta=0.0,
                report_to="none",
                use_cpu=on_cpu,
                bf16=False,
                gradient_checkpointing=False,
            ),
            train_dataset=Dataset.from_list([{"prompt": "1"}]),
            processing_class=build_embedded_tokenizer(),
        )
    trainer.current_gradient_accumulation_steps = 1
    prompt = int(batch.prompt_lengths[0])
    credit = _algorithm().credit(batch.tokens)
    inputs = {
        "prompt_ids": batch.input_ids[:, :prompt],
        "prompt_mask": torch.ones_like(batch.input_ids[:, :prompt]),
        "completion_ids": batch.input_ids[:, prompt:],
        "completion_mask": batch.tokens.completion_mask.long(),
        "advantages": credit[:, 0],
        "num_items_in_batch": batch.tokens.completion_mask.sum(),
    }
    trainer.model.train()

    def step() -> None:
        trainer._compute_loss(trainer.model, inputs).backward()

    return step
