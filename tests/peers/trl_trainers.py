"""TRL's own trainers on completions of our choosing, and what their loss says of each token.

The trainers score and weigh the completions themselves: rewards to advantages, reference and old logprobs, the ratio to
the sampling engine. Only the tokens, the engine's logprobs and the rewards are given to them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from algorithms import TokenBatch
from tests.peers.trl_models import Completions, tiny_tokenizer

MAX_LENGTH = 16


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one trainer saw and what its loss is, as arrays.

    Attributes:
        batch: the arrays that our methods read, float32.
        policy_logprobs: (B, T) log π_θ, as the trainer computed it.
        ascent: (B, T) −∂loss/∂log π_θ of each token, by autograd through the trainer's loss.
        loss: the trainer's loss, with its graph.
        inputs: what the trainer made of the completions.
    """

    batch: TokenBatch
    policy_logprobs: Tensor
    ascent: Tensor
    loss: Tensor
    inputs: dict[str, Any]


class Source:
    """Stands in for the sampling engine and the reward function: hands out `completions`."""

    def __init__(self, completions: Completions) -> None:
        self.completions = completions
        self.sampler_logprobs: list[list[float]] = []

    def rollout(self, prompts: list[str], trainer: object) -> dict[str, list]:
        """TRL's `rollout_func`."""
        given = self.completions
        return {
            "prompt_ids": given.prompt_ids,
            "completion_ids": given.completion_ids,
            "logprobs": self.sampler_logprobs,
        }

    def generate(self, prompts: list[str]) -> tuple[list[list[int]], list[list[int]], list[str]]:
        """In place of `RLOOTrainer._generate`, which has no hook."""
        given = self.completions
        return given.prompt_ids, given.completion_ids, [""] * len(given.completion_ids)

    def reward(self, completions: list[str], **columns: object) -> list[float]:
        """TRL's `reward_funcs`."""
        return self.completions.rewards


@contextmanager
def forward_passes(trainer: Any) -> Iterator[list[tuple[object, Tensor, Tensor | None]]]:
    """Model, logprobs and entropies of each forward pass that the trainer makes while the block runs, in order."""
    seen: list[tuple[object, Tensor, Tensor | None]] = []
    original = trainer._get_per_token_logps_and_entropies

    def recording(model: object, *args: Any, **kwargs: Any) -> Any:
        result = original(model, *args, **kwargs)
        seen.append((model, result[0], result[1]))
        return result

    trainer._get_per_token_logps_and_entropies = recording
    try:
        yield seen
    finally:
        trainer._get_per_token_logps_and_entropies = original


def arguments(config: type, folder: Path, *, batch_size: int, **settings: object) -> Any:
    """A TRL config for a CPU; everything that makes the method is left at TRL's defaults."""
    return config(
        output_dir=str(folder),
        per_device_train_batch_size=batch_size,
        report_to="none",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        **settings,
    )


def defaults(config: Any) -> dict[str, Any]:
    """TRL's default of each field of a config."""
    return {item.name: item.default for item in fields(config)}


def group_trainer(kind: str, folder: Path, source: Source, reference: LlamaForCausalLM) -> Any:
    """A GRPO-, GMPO- or RLOOTrainer that draws its completions from `source`, with TRL's default fields."""
    import trl  # here and not above: importing the trainers takes seconds, which collecting tests should not
    import trl.experimental.gmpo
    from datasets import Dataset

    reference.save_pretrained(folder / "reference")  # TRL loads it by the name of the model that it is given
    model = type(reference).from_pretrained(folder / "reference")
    home = trl.experimental.gmpo if kind == "GMPO" else trl
    config = getattr(home, f"{kind}Config")
    args = arguments(
        config,
        folder,
        batch_size=len(source.completions.rewards),
        num_generations=source.completions.group_size,
        max_completion_length=MAX_LENGTH,
        beta=0.04,
    )
    trainer = getattr(home, f"{kind}Trainer")(
        model=model,
        reward_funcs=source.reward,
        args=args,
        train_dataset=Dataset.from_list([{"prompt": "1 + 2 ="}]),
        processing_class=tiny_tokenizer(),
        **({} if kind == "RLOO" else {"rollout_func": source.rollout}),
    )
    trainer.beta = defaults(config)["beta"]  # 0 for all but RLOO, which would not have loaded the reference
    trainer.current_gradient_accumulation_steps = 1
    trainer._last_loaded_step = trainer.state.global_step  # with use_vllm: there is no engine to load weights into
    if kind == "RLOO":
        trainer._generate = source.generate
    trainer.model.train()
    return trainer


def step_of(trainer: Any, source: Source, old: LlamaForCausalLM, policy: LlamaForCausalLM) -> Step:
    """Score the completions under `old`, move to `policy`, and take the trainer's loss there."""
    given = source.completions
    source.sampler_logprobs = given.sampler_logprobs(old)
    trainer.model.load_state_dict(old.state_dict())
    with forward_passes(trainer) as scoring:
        inputs = trainer._generate_and_score_completions([{"prompt": "1 + 2 ="} for _ in given.rewards])
    trainer.model.load_state_dict(policy.state_dict())
    with forward_passes(trainer) as training:
        loss = trainer._compute_loss(trainer.model, inputs)
    [(_, logprobs, entropies)] = training
    [gradient] = torch.autograd.grad(loss, logprobs, retain_graph=True)
    frozen = [scored for model, scored, _ in scoring if model is trainer.model]
    reference = [scored for model, scored, _ in scoring if model is trainer.ref_model]
    batch = TokenBatch(
        completion_mask=given.mask,
        rewards=torch.tensor(given.rewards),
        group=given.group,
        old_logprobs=frozen[0] if frozen else logprobs.detach(),
        reference_logprobs=reference[0] if reference else torch.zeros_like(logprobs),
        sampler_logprobs=given.padded(source.sampler_logprobs),
        entropies=None if entropies is None else entropies.detach(),
        truncated=given.truncated,
        max_length=trainer.max_completion_length,
    )
    return Step(batch=batch, policy_logprobs=logprobs, ascent=-gradient, loss=loss, inputs=inputs)


def pair_trainer(
    folder: Path, texts: list[tuple[str, str, str]], model: LlamaForCausalLM, reference: LlamaForCausalLM
) -> Any:
    """A DPOTrainer on these prompts, each with a chosen and a rejected completion, with TRL's default fields."""
    from datasets import Dataset
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    pairs = [{"prompt": prompt, "chosen": chosen, "rejected": rejected} for prompt, chosen, rejected in texts]
    trainer: Any = DPOTrainer(
        model=copy.deepcopy(model),
        ref_model=copy.deepcopy(reference),
        args=arguments(DPOConfig, folder, batch_size=len(pairs)),
        train_dataset=Dataset.from_list(pairs),
        processing_class=tiny_tokenizer(),
    )
    trainer.model.train()
    return trainer


def pair_step_of(trainer: Any) -> Step:
    """The trainer's loss on all its pairs; position t of the arrays is token t + 1 of prompt and completion."""
    inputs = trainer.data_collator(list(trainer.train_dataset))
    outputs: dict[object, Tensor] = {}

    def keep(model: object, _: object, output: Any) -> None:
        outputs[model] = output.log_probs

    hooks = [model.register_forward_hook(keep) for model in (trainer.model, trainer.ref_model)]
    try:
        loss = trainer._compute_loss(trainer.model, inputs, return_outputs=False)
    finally:
        for hook in hooks:
            hook.remove()
    logprobs = outputs[trainer.model]
    [gradient] = torch.autograd.grad(loss, logprobs, retain_graph=True)
    mask = inputs["completion_mask"][:, 1:].bool()
    num_pairs = len(mask) // 2
    batch = TokenBatch(
        completion_mask=mask,
        rewards=torch.zeros(2 * num_pairs),
        group=torch.arange(num_pairs).repeat(2),
        reference_logprobs=outputs[trainer.ref_model],
        pair=torch.arange(num_pairs).repeat(2),
        chosen=torch.arange(2 * num_pairs) < num_pairs,
    )
    ascent = -gradient * mask  # TRL sums over prompt and padding too, where its logprobs are the constant 0
    assert not logprobs[~mask].any()
    return Step(batch=batch, policy_logprobs=logprobs, ascent=ascent, loss=loss, inputs=inputs)


def kto_trainer(
    folder: Path, texts: list[tuple[str, str, bool]], model: LlamaForCausalLM, reference: LlamaForCausalLM
) -> Any:
    """A KTOTrainer on these prompts, each with a completion and whether it is desirable, with TRL's default fields."""
    from datasets import Dataset
    from trl.trainer.kto_config import KTOConfig
    from trl.trainer.kto_trainer import KTOTrainer

    rows = [{"prompt": prompt, "completion": completion, "label": label} for prompt, completion, label in texts]
    trainer: Any = KTOTrainer(
        model=copy.deepcopy(model),
        ref_model=copy.deepcopy(reference),
        args=arguments(KTOConfig, folder, batch_size=len(rows)),
        train_dataset=Dataset.from_list(rows),
        processing_class=tiny_tokenizer(),
    )
    trainer.model.train()
    return trainer


def kto_step_of(trainer: Any) -> Step:
    """The trainer's loss on all its completions; position t of the arrays is token t + 1 of prompt and completion."""
    inputs = trainer.data_collator(list(trainer.train_dataset))
    outputs: dict[object, Tensor] = {}

    def keep(model: object, _: object, output: Any) -> None:  # the last pass of each model is over its own completions
        outputs[model] = output.log_probs

    hooks = [model.register_forward_hook(keep) for model in (trainer.model, trainer.ref_model)]
    try:
        loss = trainer._compute_loss(trainer.model, inputs, return_outputs=False)
    finally:
        for hook in hooks:
            hook.remove()
    logprobs = outputs[trainer.model]
    [gradient] = torch.autograd.grad(loss, logprobs, retain_graph=True)
    mask = inputs["completion_mask"][:, 1:].bool()
    labels = torch.as_tensor(inputs["label"], dtype=torch.bool)
    batch = TokenBatch(
        completion_mask=mask,
        rewards=labels.float(),
        correct=labels,
        group=torch.arange(len(mask)),
        reference_logprobs=outputs[trainer.ref_model],
        kl_estimate=trainer._metrics["train"]["kl"][-1],
    )
    return Step(batch=batch, policy_logprobs=logprobs, ascent=-gradient * mask, loss=loss, inputs=inputs)
